"""What exporters and quantizers write: every attribute, weights behind other nodes, nodes of other domains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from roofline.core.schedule import KINDS
from roofline.errors import RooflineError, SpecError, UsageError
from roofline.lowering import build, lower

pytest.importorskip("onnx")

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from roofline.frontends.onnx.files import from_onnx

MS = "com.microsoft"
Node = tuple[str, str, dict[str, Any]]


def read(
    path: Path, nodes: list[Node], given: dict[str, Any], x: tuple[int, ...], opset: int = 20, domain: str = ""
) -> Any:
    """The network of nodes ``(operator, inputs -> outputs, attributes)``; weights are zeros of a shape, or arrays."""
    made = []
    for op, wires, attributes in nodes:
        inputs, _, outputs = wires.partition("->")
        names = ["" if name == "_" else name for name in inputs.split()]
        own = "" if domain and onnx.defs.has(op, opset) and op not in ("Attention", "Gelu") else domain
        made.append(
            helper.make_node(op, names, outputs.split(), f"node of {outputs.strip()}", domain=own, **attributes)
        )
    kept = [
        numpy_helper.from_array(np.zeros(one, np.float32) if isinstance(one, tuple) else np.asarray(one), name)
        for name, one in given.items()
    ]
    last = helper.make_tensor_value_info(made[-1].output[0], TensorProto.FLOAT, None)
    graph = helper.make_graph(made, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)], [last], kept)
    imports = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    file = path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=imports), file)
    network, notes = from_onnx(file)
    assert notes == ()
    return build(network, {})


def matrix(work: Any) -> float:
    """FLOP of matrix work."""
    schedule = lower(work)
    return float(schedule.all_flops[schedule.kind == KINDS.index("matmul")].sum())


def result(work: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = work.tensors[work.outputs[0]].shape
    return shape


W33, IMAGE = {"w": (8, 3, 3, 3)}, (2, 3, 32, 32)
WINDOWS: list[tuple[str, str, dict[str, Any], dict[str, Any], tuple[int, ...], tuple[int, ...]]] = [
    ("Conv", "x w -> y", {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, W33, IMAGE, (2, 8, 16, 16)),
    ("Conv", "x w -> y", {"auto_pad": "SAME_LOWER"}, {"w": (8, 3, 4, 4)}, IMAGE, (2, 8, 32, 32)),
    ("Conv", "x w -> y", {"auto_pad": "VALID"}, W33, IMAGE, (2, 8, 30, 30)),
    ("Conv", "x w -> y", {"pads": [0, 0, 1, 1], "strides": [2, 2]}, W33, IMAGE, (2, 8, 16, 16)),
    ("Conv", "x w -> y", {"pads": [0, 1, 3, 1]}, W33, IMAGE, (2, 8, 33, 32)),
    ("Conv", "x w b -> y", {"dilations": [2, 3]}, {**W33, "b": (8,)}, IMAGE, (2, 8, 28, 26)),
    ("Conv", "x w -> y", {"group": 3}, {"w": (6, 1, 3, 3)}, IMAGE, (2, 6, 30, 30)),
    ("Conv", "x w -> y", {"pads": [1, 2]}, {"w": (8, 3, 3)}, (2, 3, 32), (2, 8, 33)),
    ("Conv", "x w -> y", {"pads": [1, 1, 1, 0, 0, 0]}, {"w": (8, 3, 2, 2, 2)}, (2, 3, 8, 8, 8), (2, 8, 8, 8, 8)),
    ("ConvTranspose", "x w -> y", {"strides": [2, 2], "pads": [1] * 4, "output_padding": [1, 1]},
     {"w": (3, 8, 3, 3)}, IMAGE, (2, 8, 64, 64)),
    ("ConvTranspose", "x w -> y", {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, {"w": (3, 8, 3, 3)}, IMAGE,
     (2, 8, 64, 64)),
    ("ConvTranspose", "x w -> y", {"strides": [2, 2], "output_shape": [64, 64]}, {"w": (3, 8, 3, 3)}, IMAGE,
     (2, 8, 64, 64)),
    ("ConvTranspose", "x w -> y", {"dilations": [2, 2], "group": 3}, {"w": (3, 2, 3, 3)}, IMAGE, (2, 6, 36, 36)),
]  # fmt: skip


@pytest.mark.parametrize("case", WINDOWS, ids=lambda case: f"{case[0]} {case[2]}")
def test_convolutions(case: Any, tmp_path: Path) -> None:
    op, wires, attributes, weights, x, out = case
    work = read(tmp_path, [(op, wires, attributes)], weights, x)
    assert result(work) == out
    taps = weights["w"]
    places = out if op == "Conv" else x  # a transposed convolution multiplies every pixel that it reads
    width = taps[0] if op == "Conv" else 3
    assert matrix(work) == 2 * 2 * np.prod(places[2:]) * width * np.prod(taps[1:])
    assert work.parameters == sum(np.prod(one) for one in weights.values())


@pytest.mark.parametrize(
    ("op", "attributes", "out"),
    [
        ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, (2, 3, 16, 16)),
        ("MaxPool", {"kernel_shape": [3, 3], "dilations": [2, 2]}, (2, 3, 28, 28)),
        ("MaxPool", {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"}, (2, 3, 32, 32)),
        ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}, (2, 3, 16, 16)),
        ("LpPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, (2, 3, 16, 16)),
        ("GlobalMaxPool", {}, (2, 3, 1, 1)),
        ("LRN", {"size": 5}, (2, 3, 32, 32)),
        ("MeanVarianceNormalization", {}, (2, 3, 32, 32)),
    ],
)
def test_pools(op: str, attributes: dict[str, Any], out: tuple[int, ...], tmp_path: Path) -> None:
    work = read(tmp_path, [(op, "x -> y", attributes)], {}, IMAGE)
    assert result(work) == out
    assert not lower(work).in_family("uncovered").any()


PRODUCTS: list[tuple[list[Node], dict[str, Any], tuple[int, ...], int, int]] = [
    # nodes, weights, input; multiply-adds, parameters
    ([("Gemm", "x w b -> y", {"transA": 1, "transB": 1})], {"w": (5, 8), "b": (5,)}, (8, 4), 160, 45),
    ([("Gemm", "x w b -> y", {})], {"w": (8, 5), "b": (4, 1)}, (4, 8), 160, 44),
    ([("Gemm", "w x -> y", {})], {"w": (5, 8)}, (8, 4), 160, 40),
    ([("MatMul", "x w -> y", {})], {"w": (8,)}, (4, 8), 32, 8),
    ([("MatMul", "x w -> y", {})], {"w": (8, 5)}, (8,), 40, 40),
    ([("MatMul", "x w -> y", {})], {"w": (3, 8, 5)}, (3, 4, 8), 480, 120),
    ([("DynamicQuantizeLinear", "x -> q s z", {}), ("MatMulInteger", "q w -> y", {})],
     {"w": np.zeros((8, 5), np.int8)}, (4, 8), 160, 40),
    ([("QuantizeLinear", "x s z -> q", {}), ("QLinearMatMul", "q s z w s z s z -> y", {})],
     {"w": np.zeros((8, 5), np.int8), "s": (), "z": np.int8(0)}, (4, 8), 160, 40),
    ([("QuantizeLinear", "x s z -> q", {}), ("QLinearConv", "q s z w s z s z -> y", {"pads": [1] * 4})],
     {"w": np.zeros((8, 3, 3, 3), np.int8), "s": (), "z": np.int8(0)}, IMAGE, 2048 * 216, 216),
    # weights behind nodes that can be folded
    ([("Transpose", "v -> w", {"perm": [1, 0]}), ("MatMul", "x w -> y", {})], {"v": (5, 8)}, (4, 8), 160, 40),
    ([("Identity", "v -> u", {}), ("Reshape", "u to -> w", {}), ("MatMul", "x w -> y", {})],
     {"v": (40,), "to": np.array([8, 5])}, (4, 8), 160, 40),
    ([("QuantizeLinear", "v s -> q", {}), ("DequantizeLinear", "q s -> w", {}), ("MatMul", "x w -> y", {})],
     {"v": (8, 5), "s": ()}, (4, 8), 160, 40),
    ([("Cast", "v -> w", {"to": 1}), ("MatMul", "x w -> y", {})], {"v": np.zeros((8, 5), np.float16)}, (4, 8), 160, 40),
    ([("Concat", "v v2 -> w", {"axis": 1}), ("MatMul", "x w -> y", {})], {"v": (8, 2), "v2": (8, 3)}, (4, 8), 160, 40),
    ([("Mul", "v g -> w", {}), ("Conv", "x w -> y", {"pads": [1] * 4})], {"v": (8, 3, 3, 3), "g": (8, 1, 1, 1)}, IMAGE,
     2048 * 216, 216),
    ([("Slice", "v from to -> w", {}), ("MatMul", "x w -> y", {})],
     {"v": (8, 5), "from": np.array([0]), "to": np.array([8])}, (4, 8), 160, 40),
    # a weight that two layers share, and a bias that is added
    ([("Cast", "x -> ids", {"to": 7}), ("Gather", "w ids -> a", {}), ("Transpose", "w -> u", {}),
      ("MatMul", "a u -> y", {})], {"w": (50, 8)}, (4, 8), 12800, 400),
    ([("MatMul", "x w -> a", {}), ("Add", "b a -> y", {})], {"w": (8, 5), "b": (5,)}, (4, 8), 160, 45),
    # recurrences: four gates, three gates
    ([("LSTM", "x w r b -> y", {"hidden_size": 4, "layout": 1})], {"w": (1, 16, 8), "r": (1, 16, 4), "b": (1, 32)},
     (3, 5, 8), 15 * 16 * 12, 16 * 12 + 32),
    ([("GRU", "x w r -> y", {"hidden_size": 4, "direction": "bidirectional"})], {"w": (2, 12, 8), "r": (2, 12, 4)},
     (5, 3, 8), 2 * 15 * 12 * 12, 2 * 12 * 12),
    ([("RNN", "x w r -> y", {"hidden_size": 4, "direction": "reverse"})], {"w": (1, 4, 8), "r": (1, 4, 4)}, (5, 3, 8),
     15 * 4 * 12, 48),
]  # fmt: skip


@pytest.mark.parametrize("case", PRODUCTS, ids=lambda case: " ".join(node[0] for node in case[0]))
def test_products(case: Any, tmp_path: Path) -> None:
    nodes, weights, x, multiply_adds, parameters = case
    work = read(tmp_path, nodes, weights, x, 17)
    assert matrix(work) == 2 * multiply_adds
    assert work.parameters == parameters


def test_results_of_a_recurrence(tmp_path: Path) -> None:
    weights = {"w": (1, 16, 8), "r": (1, 16, 4)}
    nodes: list[Node] = [("LSTM", "x w r -> all last cell", {"hidden_size": 4}), ("Relu", "last -> y", {})]
    assert result(read(tmp_path, nodes, weights, (5, 3, 8))) == (1, 3, 4)


H = 16
FUSED: list[tuple[list[Node], dict[str, Any], tuple[int, ...], int]] = [
    ([("FusedConv", "x w -> y", {"activation": "Relu", "pads": [1] * 4})], W33, IMAGE, 2048 * 216),
    ([("FusedMatMul", "x w -> y", {"transB": 1})], {"w": (5, 8)}, (4, 8), 160),
    ([("FusedGemm", "x w b -> y", {"activation": "Relu"})], {"w": (8, 5), "b": (5,)}, (4, 8), 160),
    ([("MatMulNBits", "x w s -> y", {"K": 32, "N": 8, "bits": 4, "block_size": 32})],
     {"w": np.zeros((8, 1, 16), np.uint8), "s": (8,)}, (2, 3, 32), 6 * 256),
    ([("BiasGelu", "x b -> g", {}), ("SkipLayerNormalization", "g x one one -> n", {}), ("MatMul", "n w -> y", {})],
     {"b": (H,), "one": (H,), "w": (H, 4)}, (2, 3, H), 6 * 4 * H),
    ([("SkipSimplifiedLayerNormalization", "x x one -> n _ _ sum", {}), ("MatMul", "n w -> y", {})],
     {"one": (H,), "w": (H, 4)}, (2, 3, H), 6 * 4 * H),
    ([("Attention", "x w b -> y", {"num_heads": 2})], {"w": (H, 3 * H), "b": (3 * H,)}, (2, 8, H),
     16 * 3 * H * H + 2 * 2 * 64 * H),
    ([("MultiHeadAttention", "x x x -> y", {"num_heads": 2})], {}, (2, 8, H), 2 * 2 * 64 * H),
    ([("MatMul", "x w -> a", {}), ("GroupQueryAttention", "a _ _ _ _ n n cos sin -> y", {"num_heads": 4,
       "kv_num_heads": 2, "do_rotary": 1})],
     {"w": (H, 2 * H), "n": np.array([7], np.int32), "cos": (8, 2), "sin": (8, 2)}, (2, 8, H),
     16 * 2 * H * H + 2 * 2 * 36 * H),
    ([("QuantizeLinear", "x s z -> q", {}), ("QLinearAdd", "q s z q s z s z -> a", {}),
      ("QGemm", "a s z w s z _ s z -> y", {"transB": 1})],
     {"w": np.zeros((5, 8), np.int8), "s": (), "z": np.int8(0)}, (4, 8), 160),
]  # fmt: skip


@pytest.mark.parametrize("case", FUSED, ids=lambda case: case[0][-1][0] + case[0][0][0])
def test_nodes_of_other_domains(case: Any, tmp_path: Path) -> None:
    nodes, weights, x, multiply_adds = case
    work = read(tmp_path, nodes, weights, x, domain=MS)
    assert matrix(work) == 2 * multiply_adds
    assert not lower(work).in_family("uncovered").any()


def test_constants_in_every_form(tmp_path: Path) -> None:
    table = numpy_helper.from_array(np.zeros((8, 5), np.float32))
    nodes: list[Node] = [
        ("Constant", "-> w", {"value": table}),
        ("Constant", "-> b", {"value_floats": [0.0] * 5}),
        ("Constant", "-> to", {"value_ints": [2, 10]}),
        ("MatMul", "x w -> a", {}),
        ("Add", "a b -> c", {}),
        ("Reshape", "c to -> y", {}),
    ]
    work = read(tmp_path, nodes, {}, (4, 8))
    assert (matrix(work), work.parameters, result(work)) == (320, 45, (2, 10))


def test_a_condition_that_is_known(tmp_path: Path) -> None:
    branches = {
        name: helper.make_graph(
            [helper.make_node(op, ["x"], [f"{name}_y"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, None)],
        )
        for name, op in (("then_branch", "Relu"), ("else_branch", "Det"))
    }
    work = read(tmp_path, [("If", "yes -> y", branches)], {"yes": np.array(True)}, (4, 4))
    assert not lower(work).in_family("uncovered").any()


def test_older_opsets(tmp_path: Path) -> None:
    nodes: list[Node] = [
        ("Slice", "x -> a", {"starts": [0], "ends": [16], "axes": [2]}),
        ("Upsample", "a -> b", {"scales": [1.0, 1.0, 2.0, 2.0], "mode": "nearest"}),
        ("Softmax", "b -> y", {}),
    ]
    assert result(read(tmp_path, nodes, {}, IMAGE, 7)) == (2, 3, 32, 64)


def test_names_in_the_file_are_not_those_of_layers(tmp_path: Path) -> None:
    nodes: list[Node] = [
        ("Reshape", "x to -> matmul", {}),
        ("Relu", "matmul -> view", {}),
        ("MatMul", "view w -> relu", {}),
        ("Add", "relu matmul.weight -> y", {}),
    ]
    given = {"to": np.array([4, 8]), "w": (8, 5), "matmul.weight": (4, 5)}
    work = read(tmp_path, nodes, given, (2, 2, 8))
    assert (matrix(work), work.parameters) == (320, 60)


def test_functions_of_the_file(tmp_path: Path) -> None:
    """They are written out; a chain of them that doubles with each is refused before it is."""

    def save(depth: int) -> Path:
        functions, opsets = [], [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
        for level in range(depth):
            op = f"f{level + 1}" if level + 1 < depth else "Relu"
            domain = "own" if level + 1 < depth else ""
            steps = [
                helper.make_node(op, ["a"], ["b"], domain=domain),
                helper.make_node(op, ["b"], ["c"], domain=domain),
            ]
            functions.append(helper.make_function("own", f"f{level}", ["a"], ["c"], steps, opsets))
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in "xy")
        graph = helper.make_graph([helper.make_node("f0", ["x"], ["y"], domain="own")], "g", [x], [y])
        path = tmp_path / f"{depth}.onnx"
        onnx.save(helper.make_model(graph, functions=functions, opset_imports=opsets), path)
        return path

    assert len(build(from_onnx(save(2))[0], {}).nodes) == 4
    with pytest.raises(SpecError, match="more than 1,000,000 nodes"):
        from_onnx(save(40))


@pytest.mark.parametrize(
    ("node", "weights", "said"),
    [
        (("MatMul", "x w -> y", {}), {"w": (3, 3)}, r"node of y \(MatMul\): its shapes do not match"),
        (("Unheard", "x -> y", {}), {}, r"node of y \(Unheard\): the shape of its result y is not known"),
        (("Attention", "x w b _ past -> y", {"num_heads": 2}), {"w": (8, 24), "b": (24,), "past": (2,)}, "a past"),
        (("NonZero", "x -> y", {}), {}, r"\(NonZero\): the shape of its result y is not known"),
    ],
)
def test_what_cannot_be_read_is_named(node: Node, weights: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(RooflineError, match=said) as raised:
        read(tmp_path, [node], weights, (4, 8), domain=MS)
    assert isinstance(raised.value, UsageError)
    assert len(str(raised.value).splitlines()) == 1
