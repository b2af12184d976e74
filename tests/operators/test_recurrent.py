"""What do recurrent layers move? Weights of the inputs once, those of the state in every step, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from roofline.core.schedule import Kernel
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.lowering import lower, single
from roofline.lowering.nodes import case_of
from roofline.operators import operator_named

GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def backward(net: Workload) -> list[Kernel]:
    """The gradients of the one layer, that of its input among them."""
    function = operator_named(net.nodes[0].op).backward
    assert function is not None
    return function(case_of(net.nodes[0], replace(net, training=True), Stack()), (True,))


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("steps", [1, 3, 50])
def test_weights_of_the_state_are_read_in_every_step(op: str, both: bool, steps: int) -> None:
    """Two layers of 6 on inputs of 4, four bytes a number: one read of the rest, however many steps there are."""
    net = single(op, {"hidden": 6, "layers": 2, "bidirectional": both}, [(2, steps, 4)])
    rows, ways = 6 * GATES[op], 2 if both else 1
    state = 2 * ways * (rows * 6 + rows)
    inputs = ways * (rows * 4 + rows) + ways * (rows * 6 * ways + rows)
    assert state + inputs == net.parameters
    found = lower(net)
    assert float((found.weights * found.repeats).sum()) == 4 * (inputs + steps * state)
    for kernel in found:
        assert kernel.repeats in (1, steps)
        assert (kernel.weights > 0) == (kernel.kind == "matmul")


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("steps", [1, 3, 50])
def test_gradients_read_them_in_every_step_too(op: str, steps: int) -> None:
    """dh = dgates W in each step; dX = dgates W once; the gradients of the weights are written once."""
    net = single(op, {"hidden": 6}, [(2, steps, 4)])
    rows = 6 * GATES[op]
    found = backward(net)
    assert sum(k.weights * k.repeats for k in found) == 4 * (rows * 4 + steps * rows * 6)
    written = [k.writes * k.repeats for k in found if k.op in ("linear_backward_weight", "bias_backward")]
    assert sum(written) == 4 * net.parameters
    in_each = {k.op for k in found if k.repeats == steps} if steps > 2 else set()
    assert in_each <= {f"{op}_gates_backward", "linear_backward_data"}


def test_the_gradients_of_an_lstm() -> None:
    """2 sequences of 3 steps of 4, 5 wide: 20 gates."""
    gates, state, data, inputs, recurrent, bias = backward(single("lstm", {"hidden": 5}, [(2, 3, 4)]))
    # saved: four gates and the cell, beside both states, dY and the state before; out: four gates and the cell
    assert (gates.repeats, gates.flops, gates.reads, gates.writes) == (3, 24 * 10, 9 * 40, 5 * 40)
    assert (state.m, state.n, state.k, state.repeats) == (2, 5, 20, 3)
    assert (state.flops, state.reads, state.weights, state.writes) == (400, 160, 400, 40)
    assert (data.m, data.n, data.k, data.repeats) == (6, 4, 20, 1)
    assert (data.flops, data.reads, data.weights, data.writes) == (960, 480, 320, 96)
    assert (inputs.m, inputs.n, inputs.k, inputs.flops) == (20, 4, 6, 960)
    assert (inputs.reads, inputs.weights, inputs.writes) == (480 + 96, 0, 320)
    assert (recurrent.m, recurrent.n, recurrent.k, recurrent.flops) == (20, 5, 6, 1200)
    assert (recurrent.reads, recurrent.weights, recurrent.writes) == (480 + 120, 0, 400)
    assert (bias.repeats, bias.flops, bias.reads, bias.writes) == (2, 120, 480, 80)
