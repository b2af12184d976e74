"""Files that were damaged or made to annoy: a net comes out, or an error of ours; nothing runs, nothing hangs."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roofline.cli.app import cli
from roofline.errors import RooflineError
from roofline.frontends import open_net
from roofline.lowering import build, lower
from roofline.specs.netfile import load_network

RELAXED = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "max_position_embeddings": 128,
}
ABSURD = (0, -1, 1.5, 1e30, 2**63, 10**30, float("nan"), float("inf"), None, "64", "", True, [], {}, [64], {"a": 1})

NET = """title: a net
source: made up
symbols: {batch: 2, hidden: 8}
inputs:
  x: [batch, hidden]
layers:
  - up: {op: linear, out: 4 * hidden}
  - act: gelu
  - down: {op: linear, out: hidden}
  - sum: {op: add, from: [down, x]}
"""

flips = st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=4)


def flipped(data: bytes, changes: list[tuple[int, int]], cut: int) -> bytes:
    damaged = bytearray(data)
    for place, bits in changes:
        damaged[place % len(damaged)] ^= bits
    return bytes(damaged[: len(damaged) - cut % len(damaged)])


def read(path: Path) -> None:
    """A net, lowered; or an error that is ours."""
    with contextlib.suppress(RooflineError):
        network = open_net(str(path)) if path.suffix in (".json", ".onnx") else load_network(path)
        lower(build(network))


@pytest.mark.parametrize("key", CONFIG)
def test_a_config_with_absurd_values(key: str, tmp_path: Path) -> None:
    for value in ABSURD:
        path = tmp_path / "config.json"
        path.write_text(json.dumps({**CONFIG, key: value}))
        result = CliRunner().invoke(cli, ["predict", "rtx-2070", "-w", str(path), "--layers", "none"])
        assert result.exit_code in (0, 1, 2), (key, value, result.output)
        assert "a bug" not in result.output, (key, value, result.output)
        if key == "max_position_embeddings":
            continue  # a net that turns its positions has none to learn
        if value in (0, -1, 1.5, "") or isinstance(value, dict | list):
            assert result.exit_code != 0, (key, value)
            assert "error" in result.output, (key, value, result.output)


@RELAXED
@given(flips, st.sampled_from([0, 0, 0, 1, 40]))
def test_a_damaged_config(tmp_path: Path, changes: list[tuple[int, int]], cut: int) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(flipped(json.dumps(CONFIG).encode(), changes, cut))
    read(path)


@RELAXED
@given(flips, st.sampled_from([0, 0, 0, 1, 40]))
def test_a_damaged_net(tmp_path: Path, changes: list[tuple[int, int]], cut: int) -> None:
    path = tmp_path / "net.yaml"
    path.write_bytes(flipped(NET.encode(), changes, cut))
    read(path)


@RELAXED
@given(flips, st.sampled_from([0, 0, 0, 1, 200]))
def test_a_damaged_onnx_file(tmp_path: Path, changes: list[tuple[int, int]], cut: int) -> None:
    pytest.importorskip("onnx")
    from frontends.test_onnx import image

    good = tmp_path / "good.onnx"
    if not good.exists():
        image(good)
    path = tmp_path / "bad.onnx"
    path.write_bytes(flipped(good.read_bytes(), changes, cut))
    read(path)


@pytest.mark.parametrize(
    "equation", ["", "->", "ij", "ij,jk,kl->il", "...->...", "i..j->", "ij,jk->zz", "i" * 40, "é,ü->"]
)
def test_equations_of_nothing(equation: str, tmp_path: Path) -> None:
    onnx: Any = pytest.importorskip("onnx")
    x = [onnx.helper.make_tensor_value_info(name, 1, [3, 4]) for name in "xw"]
    y = onnx.helper.make_tensor_value_info("y", 1, [3, 4])
    node = onnx.helper.make_node("Einsum", ["x", "w"], ["y"], equation=equation)
    graph = onnx.helper.make_graph([node], "net", x, [y])
    path = tmp_path / "odd.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), path)
    read(path)
    if equation == "i..j->":  # on which ONNX's own inference of shapes never comes to an end
        with pytest.raises(RooflineError, match="is not an equation such as"):
            open_net(str(path))
