"""A config.json gives the parameters its checkpoint has; what is not known is refused by name, and nothing crashes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roofline.cli.app import cli
from roofline.errors import RooflineError, SpecError, UnknownName, UsageError
from roofline.frontends.huggingface import FAMILIES, from_config
from roofline.lowering import build

LLAMA = {"model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32}
LLAMA |= {
    "num_key_value_heads": 8,
    "intermediate_size": 8192,
    "vocab_size": 128256,
    "head_dim": 64,
    "hidden_act": "silu",
}
BERT = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}

CHECKPOINTS: dict[str, tuple[dict[str, Any], int]] = {
    # safetensors of the checkpoints on Hugging Face, parameters
    "Llama-3.2-1B": (LLAMA | {"tie_word_embeddings": True}, 1_235_814_400),
    "Mistral-7B-v0.1": (
        LLAMA
        | {"model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 14336}
        | {"vocab_size": 32000, "head_dim": 128, "sliding_window": 4096},
        7_241_732_096,
    ),
    # heads of 128 that are not hidden / heads
    "Mistral-Nemo": (
        LLAMA
        | {"model_type": "mistral", "hidden_size": 5120, "num_hidden_layers": 40, "intermediate_size": 14336}
        | {"vocab_size": 131072, "head_dim": 128},
        12_247_782_400,
    ),
    # biases for query, key and value
    "Qwen2.5-0.5B": (
        {"model_type": "qwen2", "hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14}
        | {"num_key_value_heads": 2, "intermediate_size": 4864, "vocab_size": 151936, "tie_word_embeddings": True},
        494_032_768,
    ),
    # norms of queries and keys
    "Qwen3-0.6B": (
        {
            "model_type": "qwen3",
            "hidden_size": 1024,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "head_dim": 128,
        }
        | {"num_key_value_heads": 8, "intermediate_size": 3072, "vocab_size": 151936, "tie_word_embeddings": True},
        596_049_920,
    ),
    "Mixtral-8x7B": (
        {"model_type": "mixtral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
        | {"num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000, "num_local_experts": 8},
        46_702_792_704,
    ),
    # without the pooler
    "bert-base-cased": (BERT | {"model_type": "bert", "vocab_size": 28996}, 108_310_272 - 768 * 769),
    "gpt2-medium": (
        {"model_type": "gpt2", "n_embd": 1024, "n_layer": 24, "n_head": 16, "vocab_size": 50257, "n_positions": 1024},
        354_823_168,
    ),
    "opt-125m": (
        {"model_type": "opt", "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "ffn_dim": 3072}
        | {"vocab_size": 50272, "max_position_embeddings": 2048, "word_embed_proj_dim": 768},
        125_239_296,
    ),
    "vit-base-patch16-224": (
        BERT
        | {"model_type": "vit", "image_size": 224, "patch_size": 16, "id2label": {str(i): "" for i in range(1000)}},
        86_567_656,
    ),
}


def write(tmp_path: Path, data: Any) -> Path:
    path = tmp_path / "config.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_parameters_of_checkpoints(name: str, tmp_path: Path) -> None:
    data, parameters = CHECKPOINTS[name]
    network, _ = from_config(write(tmp_path, data))
    sizes = {"seq": 8} if "seq" in network.symbols else {}
    assert build(network, {"batch": 1, **sizes}).parameters == parameters


def test_every_family_is_here() -> None:
    assert {data["model_type"] for data, _ in CHECKPOINTS.values()} | {"llama"} == set(FAMILIES)


def test_it_is_named_after_its_folder_and_says_what_it_cannot_do(tmp_path: Path) -> None:
    network, notes = from_config(write(tmp_path, CHECKPOINTS["Mistral-7B-v0.1"][0]))
    assert network.name == tmp_path.name
    assert "4,096" in notes[0]


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (LLAMA | {"model_type": "deepseek_v3"}, UnknownName, "deepseek_v3"),
        (LLAMA | {"hidden_act": "gelu"}, UsageError, "hidden_act"),
        ({"model_type": "gpt2"}, SpecError, "n_layer: is missing"),
        (LLAMA | {"hidden_size": "big"}, SpecError, "whole number"),
        (LLAMA | {"num_hidden_layers": -1}, SpecError, "whole number"),
        ({"architectures": ["X"]}, SpecError, "model_type"),
        ("[1, 2]", SpecError, "no object"),
        ("{", SpecError, "not JSON"),
        ("[" * 100_000, SpecError, "not JSON"),
    ],
)
def test_wrong_files(data: Any, error: type[RooflineError], said: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=said):
        from_config(write(tmp_path, data))


def test_on_the_command_line(tmp_path: Path) -> None:
    path = write(tmp_path, CHECKPOINTS["Qwen2.5-0.5B"][0])
    result = CliRunner().invoke(
        cli, ["predict", "l4", "-w", str(path), "--dtype", "bf16", "--bind", "seq=64", "--json"]
    )
    assert result.exit_code == 0, result.output
    assert '"parameters": 494032768' in result.output
    missing = CliRunner().invoke(cli, ["predict", "l4", "-w", str(tmp_path / "no.json")])
    assert missing.exit_code == 2


KEYS = sorted({key for data, _ in CHECKPOINTS.values() for key in data})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(KEYS),
        st.one_of(
            st.integers(-2, 70000), st.booleans(), st.none(), st.text(max_size=5), st.sampled_from(sorted(FAMILIES))
        ),
    ),
    st.sampled_from(sorted(CHECKPOINTS)),
)
def test_whatever_it_holds_it_is_a_net_or_an_error_of_ours(tmp_path: Path, noise: dict[str, Any], name: str) -> None:
    path = write(tmp_path, CHECKPOINTS[name][0] | noise)
    try:
        network, _ = from_config(path)
        build(network, {"layers": 1})
    except RooflineError:
        pass
