"""Equations of ONNX files become the products and sums that they are: torch's shapes, its own count of work."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roofline.core.schedule import KINDS
from roofline.core.workload import Workload
from roofline.lowering import build, lower

pytest.importorskip("onnx")
pytest.importorskip("torch")

import torch
from frontends.test_onnx import FLOAT, save, weights
from onnx import helper
from torch.utils.flop_counter import FlopCounterMode

from roofline.frontends.onnx.files import from_onnx

SIZES = dict(zip("abcdehijkq", (2, 3, 5, 7, 4, 6, 8, 9, 10, 11), strict=True))
SPREAD = (3, 2)
"""What an ellipsis stands for."""


def shapes_of(equation: str) -> list[tuple[int, ...]]:
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    return [
        tuple(size for part in term.replace("...", "@") for size in (SPREAD if part == "@" else (SIZES[part],)))
        for term in terms
    ]


def net_of(folder: Path, equation: str, kept: int = 0) -> tuple[Workload, tuple[str, ...]]:
    """The net of one equation; its last ``kept`` operands are weights."""
    shapes = shapes_of(equation)
    names = [f"x{index}" for index in range(len(shapes))]
    inputs = [
        helper.make_tensor_value_info(name, FLOAT, shape)
        for name, shape in list(zip(names, shapes, strict=True))[: len(names) - kept]
    ]
    held = weights(**{f"x{index}": shapes[index] for index in range(len(shapes) - kept, len(shapes))})
    node = helper.make_node("Einsum", names, ["y"], "/mix/Einsum", equation=equation)
    network, notes = from_onnx(save(folder / "einsum.onnx", [node], inputs, ["y"], held))
    return build(network), notes


def counted(equation: str) -> tuple[tuple[int, ...], int]:
    """The shape of the result by PyTorch, and operations of its products."""
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        made = torch.einsum(equation, *(torch.empty(shape) for shape in shapes_of(equation)))
    return tuple(made.shape), counter.get_total_flops()


def products(work: Workload) -> float:
    schedule = lower(work)
    return float(schedule.all_flops[schedule.kind == KINDS.index("matmul")].sum())


@pytest.mark.parametrize(
    ("equation", "ops"),
    [
        ("ij,jk->ik", ["matmul"]),
        ("bhqd,bhkd->bhqk", ["matmul"]),
        ("bhqk,bhkd->bqhd", ["matmul"]),
        ("bqhd,bkhd->bhqk", ["matmul"]),
        ("...ij,...jk->...ik", ["matmul"]),
        ("bij,jk->bik", ["matmul"]),
        ("abc,bcd->ad", ["matmul"]),
        ("ij,jk", ["matmul"]),
        ("i,j->ij", ["mul"]),
        ("bi,bj->bij", ["mul"]),
        ("ij,ij->ij", ["mul"]),
        ("i,i->", ["matmul"]),
        ("ij->ji", []),
        ("ijk->ik", ["sum"]),
        ("ij->", ["sum"]),
        ("...i->...", ["sum"]),
        ("bik,bjk->ij", ["matmul"]),
        ("ijk,jh->ih", ["sum", "matmul"]),
        ("bqe,edh,bq->bdh", ["matmul", "matmul"]),
        ("b q d , b k d -> b q k", ["matmul"]),
    ],
)
def test_equations(equation: str, ops: list[str], tmp_path: Path) -> None:
    work, notes = net_of(tmp_path, equation)
    shape, flops = counted(equation)
    assert notes == ()
    assert work.tensors[work.outputs[0]].shape == shape
    assert [node.op for node in work.nodes if node.op not in ("view", "transpose")] == ops
    assert products(work) == flops


def test_a_weight_makes_a_linear_layer(tmp_path: Path) -> None:
    # as Keras writes the projections of its heads
    for equation, count in (("abc,cde->abde", 5 * 7 * 4), ("abde,dec->abc", 5 * 7 * 4)):
        work, _ = net_of(tmp_path, equation, kept=1)
        assert [node.op for node in work.nodes if node.op not in ("view", "transpose")] == ["linear"]
        assert work.parameters == count
        assert (work.tensors[work.outputs[0]].shape, products(work)) == counted(equation)
    shared, _ = net_of(tmp_path, "bij,bjk->bik", kept=1)  # a matrix for each sample is no linear layer
    assert [node.op for node in shared.nodes if node.op not in ("view", "transpose")] == ["parameter", "matmul"]
    assert shared.parameters == 3 * 9 * 10


@pytest.mark.parametrize("equation", ["ii->i", "iij,jk->ik"])
def test_what_is_not_known_is_listed_by_its_equation(equation: str, tmp_path: Path) -> None:
    work, notes = net_of(tmp_path, equation)
    assert any(f"onnx.Einsum {equation}" in note for note in notes), notes
    assert lower(work).in_family("uncovered").any()


@st.composite
def equations(draw: st.DrawFn) -> str:
    terms = draw(st.lists(st.lists(st.sampled_from("abcde"), max_size=4, unique=True), min_size=1, max_size=3))
    letters = sorted({one for term in terms for one in term})
    out = draw(st.lists(st.sampled_from(letters), unique=True)) if letters else []
    return ",".join("".join(term) for term in terms) + "->" + "".join(out)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(equations())
def test_any_equation_of_letters_has_torchs_shape_and_work(tmp_path: Path, equation: str) -> None:
    if any(not term for term in equation.partition("->")[0].split(",")):
        return  # numbers without a dimension are no tensors of a net
    work, notes = net_of(tmp_path, equation)
    shape, flops = counted(equation)
    assert notes == ()
    assert work.tensors[work.outputs[0]].shape == shape
    assert products(work) == flops
