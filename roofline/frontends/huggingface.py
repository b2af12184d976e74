"""How does a ``config.json`` of Hugging Face become a network? By families whose layers are files here, with its sizes.

Only numbers are read; nothing is downloaded and nothing is executed. A setting that the layers do not support is
refused, or noted where it changes only the computed values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from roofline import specs
from roofline.core.expression import parse_expression
from roofline.core.network import Block, Layer, Network
from roofline.errors import Fault, SpecError, UnknownName, UsageError
from roofline.files import read_json

MAX_BYTES = 1_000_000
Edit = Callable[[Layer], Iterable[Layer]]


@dataclass(frozen=True)
class Family:
    """How one ``model_type`` is read.

    Parameters
    ----------
    base : the network with its layers.
    sizes : symbol -> key, and its default (None: required).
    fixed : keys that must have one of these values (or be missing), because the layers assume it.
    """

    base: str
    sizes: Mapping[str, tuple[str, int | str | None]]
    fixed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    gated: bool = False
    """Whether it is of the Llama kind: gated, with rotary embeddings, without biases unless stated."""


_DECODER: dict[str, tuple[str, int | str | None]] = {
    "layers": ("num_hidden_layers", None),
    "hidden": ("hidden_size", None),
    "heads": ("num_attention_heads", None),
    "vocabulary": ("vocab_size", None),
}
_LLAMA = Family(
    "llama-2-7b",
    {
        **_DECODER,
        "kv_heads": ("num_key_value_heads", "heads"),
        "head": ("head_dim", "hidden // heads"),
        "feedforward": ("intermediate_size", None),
    },
    {"hidden_act": ("silu",), "mlp_bias": (False,)},
    gated=True,
)

FAMILIES: dict[str, Family] = {
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3"), _LLAMA),
    "mixtral": replace(
        _LLAMA,
        base="mixtral-8x7b",
        sizes={**_LLAMA.sizes, "experts": ("num_local_experts", 8), "chosen": ("num_experts_per_tok", 2)},
    ),
    "bert": Family(
        "bert-base",
        {**_DECODER, "feedforward": ("intermediate_size", None), "positions": ("max_position_embeddings", 512)},
        {"hidden_act": ("gelu",), "type_vocab_size": (2,), "position_embedding_type": ("absolute",)},
    ),
    "gpt2": Family(
        "gpt2",
        {
            "layers": ("n_layer", None),
            "hidden": ("n_embd", None),
            "heads": ("n_head", None),
            "vocabulary": ("vocab_size", None),
            "positions": ("n_positions", 1024),
        },
        {"activation_function": ("gelu_new", "gelu_pytorch_tanh"), "add_cross_attention": (False,)},
    ),
    "opt": Family(
        "opt-1.3b",
        {**_DECODER, "feedforward": ("ffn_dim", None), "positions": ("max_position_embeddings", 2048)},
        {"activation_function": ("relu",), "do_layer_norm_before": (True,), "enable_bias": (True,)},
    ),
    "vit": Family(
        "vit-b-16",
        {
            **{symbol: entry for symbol, entry in _DECODER.items() if symbol != "vocabulary"},
            "feedforward": ("intermediate_size", None),
            "image": ("image_size", 224),
            "patch": ("patch_size", 16),
        },
        {"hidden_act": ("gelu",), "num_channels": (3,), "qkv_bias": (True,)},
    ),
}
"""By ``model_type``."""


def from_config(path: str | Path) -> tuple[Network, tuple[str, ...]]:
    """The network of a ``config.json``, and notes on settings that do not change the work.

    Raises
    ------
    SpecError : the file is no such configuration, or has invalid sizes.
    UnknownName : a family whose layers are not known here.
    UsageError : layers that this family has here only in another form; names the key.
    """
    data = _read(Path(path))
    kind = data.get("model_type")
    if not isinstance(kind, str):
        raise _fault(path, "model_type", "is missing; a Hugging Face config.json names the model family there")
    if kind not in FAMILIES:
        raise UnknownName("model family", kind, FAMILIES, hint="trace other models: roofline trace")
    family = FAMILIES[kind]
    for key, allowed in family.fixed.items():
        if data.get(key, allowed[0]) not in allowed:
            raise UsageError(
                f"{path}: {key} is {data[key]!r}; {kind} is supported with {allowed[0]!r} only; trace the model "
                "instead (roofline trace)"
            )
    network = specs.load_network(family.base)
    sizes = _sizes(path, data, family)
    if kind == "opt":
        if data.get("word_embed_proj_dim", sizes["hidden"]) != sizes["hidden"]:
            raise UsageError(
                f"{path}: word_embed_proj_dim differs from hidden_size, which is not supported; trace the model "
                "instead (roofline trace)"
            )
        sizes["positions"] = int(sizes["positions"]) + 2  # the first two rows are never used
    if kind == "vit" and isinstance(data.get("id2label"), dict):
        sizes["classes"] = max(1, len(data["id2label"]))
    symbols = {
        name: parse_expression(sizes[name]) if name in sizes else default for name, default in network.symbols.items()
    }
    network = replace(
        network,
        name=_name(Path(path)),
        title=f"{data.get('_name_or_path') or kind} ({kind})",
        source=f"sizes of {path}, layers of {family.base}: {network.source}",
        symbols=symbols,
    )
    network = _edited(network, _edits(kind, family, data, sizes))
    network.bind({})
    return network, tuple(_notes(data))


def _read(path: Path) -> dict[str, Any]:
    try:
        data = read_json(path, MAX_BYTES, "a config.json has a few thousand bytes")
    except ValueError as error:
        raise _fault(path, "", f"is not JSON: {str(error)[:100]}") from None
    if not isinstance(data, dict):
        raise _fault(path, "", "contains no object; a config.json starts with {")
    return data


def _fault(path: str | Path, key: str, text: str) -> SpecError:
    return SpecError([Fault(str(path), None, key, text)])


def _sizes(path: str | Path, data: Mapping[str, Any], family: Family) -> dict[str, int | str]:
    faults, sizes = [], dict[str, int | str]()
    for symbol, (key, default) in family.sizes.items():
        value = data.get(key)
        if value is None:
            if default is None:
                faults.append(Fault(str(path), None, key, "is missing"))
            else:
                sizes[symbol] = default
        elif isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
            faults.append(Fault(str(path), None, key, f"is {json.dumps(value)[:40]}; it must be a whole number"))
        else:
            sizes[symbol] = value
    if faults:
        raise SpecError(faults)
    return sizes


def _name(path: Path) -> str:
    """``model/config.json`` is named after its folder."""
    return path.resolve().parent.name or path.stem if path.stem == "config" else path.stem


def _edits(kind: str, family: Family, data: Mapping[str, Any], sizes: Mapping[str, int | str]) -> list[Edit]:
    """Changes to single layers that do not follow from the sizes."""
    edits: list[Edit] = []
    hidden, heads = int(sizes["hidden"]), int(sizes["heads"])
    if family.gated:
        if isinstance(sizes["head"], int) and sizes["head"] * heads != hidden:
            edits.append(_terms("query", out="heads * head"))
            edits.append(_terms("attention_joined", shape=("batch", "seq", "heads * head")))
        if data.get("attention_bias", False) or kind == "qwen2":
            edits += [_terms(name, bias=True) for name in ("query", "key", "value")]
        if data.get("attention_bias", False):
            edits.append(_terms("attention_out", bias=True))
        if kind == "qwen3":
            edits += [_after(f"{name}_heads", f"{name}_norm", "rms_norm") for name in ("query", "key")]
        if data.get("tie_word_embeddings", False):
            edits.append(_tied("head", "words"))
    if kind == "gpt2" and data.get("n_inner") not in (None, 4 * hidden):
        edits.append(_terms("up", out=str(data["n_inner"])))
    if kind in ("gpt2", "opt") and not data.get("tie_word_embeddings", True):
        edits.append(_tied("head", ""))
    return edits


def _terms(layer: str, **terms: Any) -> Edit:
    """Other attributes for one layer."""
    made = {
        key: value
        if isinstance(value, bool)
        else tuple(map(parse_expression, value))
        if isinstance(value, tuple)
        else parse_expression(value)
        for key, value in terms.items()
    }
    return lambda one: [replace(one, terms={**one.terms, **made})] if one.name == layer else [one]


def _after(layer: str, name: str, op: str) -> Edit:
    """One more layer after another."""
    return lambda one: [one, Layer(name, op=op)] if one.name == layer else [one]


def _tied(layer: str, to: str) -> Edit:
    return lambda one: [replace(one, tied=to)] if one.name == layer else [one]


def _edited(network: Network, edits: Iterable[Edit]) -> Network:
    for edit in edits:
        blocks: dict[str, Block] = {
            name: replace(block, layers=tuple(new for one in block.layers for new in edit(one)))
            for name, block in network.blocks.items()
        }
        network = replace(network, layers=tuple(new for one in network.layers for new in edit(one)), blocks=blocks)
    return network


def _notes(data: Mapping[str, Any]) -> Iterable[str]:
    window = data.get("sliding_window")
    if isinstance(window, int) and not isinstance(window, bool) and data.get("use_sliding_window", True):
        yield f"attention covers at most {window:,} tokens; longer sequences are overestimated; keep seq below that"
    if data.get("quantization_config"):
        yield "its weights are quantized; add --weights int4 or --weights int8"
