"""Are equal nodes lowered once, and are nodes that differ in anything that matters never taken for equal?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roofline import specs
from roofline.core.dtype import precision
from roofline.core.run import Recipe, Run
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.lowering import nodes
from roofline.lowering.build import build
from roofline.lowering.lower import forward_kernels, lower
from roofline.lowering.nodes import case_of, lowered
from roofline.lowering.program import make_program
from roofline.operators.table import operator_named

NETWORKS = ("resnet50", "bert-base", "mobilenetv2", "lstm", "unet", "mixtral-8x7b", "dlrm", "inception-v3")


def same(one: Schedule, other: Schedule) -> bool:
    columns = vars(one)
    return columns.keys() == vars(other).keys() and all(
        np.array_equal(column, getattr(other, name)) for name, column in columns.items()
    )


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
def test_lowering_once_is_lowering_each(name: str, dtype: str) -> None:
    work = build(specs.load_network(name), {}, precision(dtype))
    for stack in (Stack(), Stack(fused_attention=False)):
        for node in work.nodes:
            case = case_of(node, work, stack)
            assert lowered(case).kernels == tuple(operator_named(node.op).kernels(case))
        assert same(lower(work, stack), Schedule.of(forward_kernels(work, stack)))


def test_equal_layers_are_lowered_once() -> None:
    work = build(specs.load_network("resnet50"))
    found = [id(lowered(case_of(node, work, Stack()))) for node in work.nodes]
    assert len(set(found)) < len(found) / 2


def test_a_tensor_that_stands_twice_is_read_once(tmp_path: Path) -> None:
    """``a + a`` has the shapes of ``a + b`` and half the reads."""
    path = tmp_path / "net.yaml"
    path.write_text(
        "title: T\nsource: a test\nsymbols: {batch: 4}\n"
        "inputs:\n  x: {shape: [batch, 8]}\n  y: {shape: [batch, 8]}\n"
        "layers:\n  - twice: {op: add, from: [x, x]}\n  - once: {op: add, from: [x, y]}\n"
    )
    twice, once = list(lower(build(specs.load_network(path))))
    assert once.reads == 2 * twice.reads


def test_what_tells_nodes_apart() -> None:
    work = build(specs.load_network("mlp"))
    node = next(node for node in work.nodes if node.op == "linear")
    usual = case_of(node, work, Stack())
    output = work.tensors[node.outputs[0]]
    larger = {**work.tensors, node.outputs[0]: replace(output, shape=(*output.shape[:-1], 2 * output.shape[-1]))}
    others = [
        replace(usual, training=True),
        replace(usual, stack=Stack(mode="graphs")),
        replace(usual, precision=precision("fp16")),
        replace(usual, swapped=(True,)),
        case_of(node, replace(work, tensors=larger), Stack()),
    ]
    keys = {nodes._signature(case) for case in (usual, *others)}
    assert len(keys) == 1 + len(others)
    assert nodes._signature(case_of(node, work, Stack())) in keys


def test_a_program_is_made_once_for_all_chips() -> None:
    network = specs.load_network("mlp")
    asked = {"precision": precision("fp32"), "stack": Stack(), "cuda": True}
    first = make_program(network, batch=8, run=Run(), **asked)  # type: ignore[arg-type]
    assert make_program(network, batch=8, run=Run(), **asked) is first  # type: ignore[arg-type]
    others = [
        make_program(network, batch=9, run=Run(), **asked),  # type: ignore[arg-type]
        make_program(network, bind={"batch": 8, "hidden": 64}, run=Run(), **asked),  # type: ignore[arg-type]
        make_program(network, batch=8, run=Run("training", Recipe("adamw")), **asked),  # type: ignore[arg-type]
        make_program(replace(network), batch=8, run=Run(), **asked),  # type: ignore[arg-type]
    ]
    assert all(one is not first for one in others)
    assert same(others[-1].schedule, first.schedule)


def test_true_is_not_a_batch_of_one() -> None:
    from roofline.errors import UsageError

    network = specs.load_network("mlp")
    asked = {"precision": precision("fp32"), "stack": Stack(), "run": Run(), "cuda": True}
    make_program(network, batch=1, **asked)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        make_program(network, batch=True, **asked)  # type: ignore[arg-type]
