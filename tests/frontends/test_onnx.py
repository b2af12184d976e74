"""ONNX files become the nets they are; files that are none are refused, and nothing in them runs."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from roofline.cli.app import cli
from roofline.core.schedule import KINDS
from roofline.core.workload import Workload
from roofline.errors import RooflineError, SpecError, UsageError
from roofline.lowering import build, lower

pytest.importorskip("onnx")

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from roofline.frontends.onnx.files import from_onnx

FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64


def weights(**shapes: tuple[int, ...]) -> list[Any]:
    return [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in shapes.items()]


def save(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[str], kept: list[Any], opset: int = 17) -> Path:
    made = [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs]
    graph = helper.make_graph(nodes, "net", inputs, made, kept)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), path)
    return path


def image(path: Path, opset: int = 17) -> Path:
    """Convolution, ReLU, pooling, and a classifier whose input is flattened by arithmetic on its shape."""
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["a"], "/conv/Conv", pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"], "/relu/Relu"),
        helper.make_node("GlobalAveragePool", ["b"], ["c"], "/pool/GlobalAveragePool"),
        helper.make_node("Shape", ["c"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"], axis=0),
        helper.make_node("Concat", ["n", "rest"], ["size"], axis=0),
        helper.make_node("Reshape", ["c", "size"], ["d"]),
        helper.make_node("Gemm", ["d", "fc.weight", "fc.bias"], ["y"], "/fc/Gemm", transB=1),
    ]
    kept = weights(**{"conv.weight": (8, 3, 3, 3), "conv.bias": (8,), "fc.weight": (10, 8), "fc.bias": (10,)})
    kept += [numpy_helper.from_array(np.array([0]), "zero"), numpy_helper.from_array(np.array([-1]), "rest")]
    x = helper.make_tensor_value_info("x", FLOAT, ["batch", 3, "height", "width"])
    return save(path, nodes, [x], ["y"], kept, opset)


def matrix_flops(work: Workload) -> float:
    schedule = lower(work)
    return float(schedule.all_flops[schedule.kind == KINDS.index("matmul")].sum())


@pytest.mark.parametrize("opset", [7, 11, 17, 23])
def test_an_image_net(opset: int, tmp_path: Path) -> None:
    network, notes = from_onnx(image(tmp_path / "small.onnx", opset))
    assert notes == ()
    assert {name: size.text for name, size in network.symbols.items()} == {
        "batch": "1",
        "height": "224",
        "width": "224",
    }
    assert [layer.name for layer in network.layers if layer.op != "view"] == ["conv", "relu", "pool", "fc"]
    work = build(network, {"batch": 4, "height": 32, "width": 64})
    assert matrix_flops(work) == 2 * 4 * (16 * 32 * 8 * 27 + 8 * 10)
    assert work.parameters == 8 * 27 + 8 + 80 + 10


def test_a_sequence_net(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gather", ["words", "ids"], ["a"], "/words/Gather"),
        helper.make_node("Transpose", ["a"], ["b"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["b", "w", "r", "bias"], ["c", "", ""], "/lstm/LSTM", hidden_size=16),
        helper.make_node("Squeeze", ["c", "one"], ["d"]),
        helper.make_node("MatMul", ["d", "head"], ["e"], "/head/MatMul"),
        helper.make_node("Softmax", ["e"], ["y"], axis=-1),
    ]
    kept = weights(words=(50, 8), w=(1, 64, 8), r=(1, 64, 16), bias=(1, 128), head=(16, 50))
    kept.append(numpy_helper.from_array(np.array([1]), "one"))
    ids = helper.make_tensor_value_info("ids", INT, ["batch", "seq"])
    network, notes = from_onnx(save(tmp_path / "words.onnx", nodes, [ids], ["y"], kept))
    assert notes == ()
    work = build(network, {"batch": 2, "seq": 5})
    assert matrix_flops(work) == 2 * 2 * 5 * (64 * 8 + 64 * 16 + 16 * 50)
    assert work.parameters == 50 * 8 + 64 * 24 + 128 + 16 * 50


def test_what_is_not_known_is_visible(tmp_path: Path) -> None:
    nodes = [helper.make_node("Det", ["x"], ["y"])]
    x = helper.make_tensor_value_info("x", FLOAT, ["n", 4, 4])
    path = save(tmp_path / "odd.onnx", nodes, [x], ["y"], [])
    network, notes = from_onnx(path)
    assert "onnx.Det" in notes[0]
    assert lower(build(network)).in_family("uncovered").all()
    result = CliRunner().invoke(cli, ["predict", "rtx-2070", "-w", str(path)])
    assert result.exit_code == 0, result.output
    assert "no formula" in result.output


def test_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        from_onnx(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(SpecError, match="not an ONNX model"):
        from_onnx(tmp_path / "text.onnx")
    with pytest.raises(SpecError, match="opset 6; 7 to 23"):
        from_onnx(image(tmp_path / "old.onnx", 6))
    x = helper.make_tensor_value_info("x", FLOAT, [1, 4])
    wrong = save(
        tmp_path / "shapes.onnx", [helper.make_node("MatMul", ["x", "w"], ["y"])], [x], ["y"], weights(w=(5, 6))
    )
    with pytest.raises(RooflineError):
        from_onnx(wrong)


def test_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    """Bytes changed at random: a net, or an error of ours."""
    good = image(tmp_path / "good.onnx").read_bytes()
    dice = random.Random(5)
    for _ in range(60):
        data = bytearray(good)
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        path = tmp_path / "bad.onnx"
        path.write_bytes(bytes(data[: dice.choice([len(data), dice.randrange(len(data))])]))
        try:
            build(from_onnx(path)[0])
        except RooflineError:
            continue
