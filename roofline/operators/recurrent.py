"""Which kernels does a recurrent layer launch? A GEMM for all steps at once, then a small GEMM and the gates in each
step.

Every layer and direction is three kernels: the inputs of all steps times their weights; for each step the last state
times the recurrent weights; and one kernel for the gates. The steps depend on each other, so the last two are launched
``repeats`` times; each launch reads the recurrent weights again. With ``skip_input`` the first layer adds its input to
every gate (cuDNN's CUDNN_SKIP_INPUT) and has no weights for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, Saved
from roofline.operators.operator import Inferred, Operator, Weight, ranked


@dataclass(frozen=True)
class Cell:
    """One kind of recurrent cell.

    Parameters
    ----------
    gates : vectors of the hidden size that both GEMMs make.
    states : vectors carried from step to step.
    kept : vectors per step saved for the backward, beside the result.
    gradients : vectors that the backward of the gates writes for each step.
    flops, backward_flops : of the gates, per hidden element [FLOP]; a sigmoid is 4 (see ``UNARY_FLOPS``).
    """

    gates: int
    states: int
    kept: int
    gradients: int
    flops: float
    backward_flops: float


CELLS = {
    # add the two GEMMs 1, tanh 1; backward: dh 1, the derivative from the result 3
    "rnn": Cell(gates=1, states=1, kept=0, gradients=1, flops=2.0, backward_flops=4.0),
    # add the two GEMMs 4, three sigmoids 12, two tanh 2, c = f c + i g 3, h = o tanh(c) 1
    # backward, to the gates and dc: dh 1, dc through tanh(c) 6, products with tanh(c), i, f, g and the old c 5, four
    # derivatives 12
    "lstm": Cell(gates=4, states=2, kept=5, gradients=5, flops=22.0, backward_flops=24.0),
    # add 3, two sigmoids 8, r times the recurrent part 1, tanh 1, h = n + z (h - n) 3
    # backward, to the gates, the recurrent part of the third and the state: dh 1, to z 2, to n 2, to the
    # state 1, through r 2, three derivatives 9
    "gru": Cell(gates=3, states=1, kept=4, gradients=5, flops=16.0, backward_flops=17.0),
}


@dataclass(frozen=True)
class _Pass:
    """One layer in one direction. ``first``: it reads the input of the operator.

    ``inputs`` are weights and bias of the inputs (none with ``skip_input``), ``recurrent`` those of the state.
    """

    features: int
    first: bool
    last: bool
    inputs: tuple[Tensor, ...]
    recurrent: tuple[Tensor, ...]


def _directions(attributes: Attributes) -> int:
    return 2 if attributes.flag("bidirectional") else 1


def _shapes(inputs: Sequence[Tensor], attributes: Attributes, cell: Cell, name: str) -> Inferred:
    batch, steps, features = ranked(name, inputs[0], 3, layout="sequences (batch, steps, features)")
    hidden, directions = attributes.whole("hidden"), _directions(attributes)
    layers = attributes.whole("layers")
    if layers > 1000:
        raise UsageError(f"{name}: {layers} layers; at most 1000 are allowed")
    skips = attributes.flag("skip_input")
    if skips and features != hidden:
        raise UsageError(f"{name}: skip_input needs equal input and state sizes, got {features} and {hidden}")
    rows, weights = cell.gates * hidden, []
    for layer in range(layers):
        width = features if layer == 0 else directions * hidden
        for direction in range(directions):
            suffix = f"l{layer}" + ("_reverse" if direction else "")
            sides = {"hh": hidden} if skips and layer == 0 else {"ih": width, "hh": hidden}
            weights += [Weight(f"weight_{side}_{suffix}", (rows, size)) for side, size in sides.items()]
            if attributes.flag("bias"):
                weights += [Weight(f"bias_{side}_{suffix}", (rows,)) for side in sides]
    return Inferred(((batch, steps, directions * hidden),), tuple(weights))


def _passes(case: Case) -> Iterator[_Pass]:
    directions, layers = _directions(case.attributes), case.attributes.whole("layers")
    weights, each = iter(case.weights), 2 if case.attributes.flag("bias") else 1
    for index in range(layers * directions):
        layer = index // directions
        features = case.inputs[0].shape[2] if layer == 0 else directions * case.attributes.whole("hidden")
        if layer == 0 and case.attributes.flag("skip_input"):
            yield _Pass(features, True, layer == layers - 1, (), tuple(islice(weights, each)))
        else:
            own = tuple(islice(weights, 2 * each))
            yield _Pass(features, layer == 0, layer == layers - 1, own[::2], own[1::2])


def _kernels(case: Case, cell: Cell) -> list[Kernel]:
    """GEMMs as (m, k) . (k, n): for all inputs m = batch x steps, then m = batch in each of ``repeats`` steps; 2 m n k
    FLOP.
    """
    batch, steps, _ = case.inputs[0].shape
    hidden, size = case.attributes.whole("hidden"), case.result.dtype.bytes
    gates, state = cell.gates * hidden, batch * hidden
    # temporaries, after one input and one output: GEMMs of the inputs, GEMMs of the state, results of a layer
    inputs, recurrent, between = 2, 3, 4
    kernels = []
    for part in _passes(case):
        before = 0 if part.first else between
        if part.inputs:
            kernels.append(
                case.kernel(
                    "linear",
                    op="linear",
                    kind="matmul",
                    m=batch * steps,
                    n=gates,
                    k=part.features,
                    elements=batch * steps * gates,
                    flops=2.0 * batch * steps * gates * part.features,
                    reads=batch * steps * part.features * size,
                    weights=case.stored(part.inputs[0]) + sum(bias.bytes for bias in part.inputs[1:]),
                    writes=batch * steps * gates * size,
                    source=before,
                    source2=-1,
                    target=inputs,
                )
            )
        added = batch * (gates if part.inputs else hidden)
        kernels += [
            case.kernel(
                "linear",
                op="linear",
                kind="matmul",
                m=batch,
                n=gates,
                k=hidden,
                elements=batch * gates,
                flops=2.0 * batch * gates * hidden,
                reads=state * size,
                weights=case.stored(part.recurrent[0]) + sum(bias.bytes for bias in part.recurrent[1:]),
                writes=batch * gates * size,
                source=1 if part.last else between,
                source2=-1,
                target=recurrent,
                repeats=steps,
            ),
            case.kernel(
                "elementwise",
                op=f"{case.node.op}_training_gates" if case.training else f"{case.node.op}_gates",
                elements=state,
                flops=cell.flops * state,
                reads=(batch * gates + added + state) * size,
                weights=0.0,
                writes=(cell.states * state + (cell.kept - cell.states + 1) * state * case.training) * size,
                source=inputs if part.inputs else before,
                source2=recurrent,
                target=1 if part.last else between,
                repeats=steps,
            ),
        ]
    return kernels


def _saves(case: Case, cell: Cell) -> Saved:
    """Input and result; the gates and states of every layer and direction; the results of inner layers."""
    batch, steps, _ = case.inputs[0].shape
    passes = list(_passes(case))
    vector = batch * steps * case.attributes.whole("hidden") * case.result.dtype.bytes
    inner = sum(not part.last for part in passes)
    return Saved(inputs=(0,), outputs=(0,), extra=float((cell.kept * len(passes) + inner) * vector))


def _backward(case: Case, cell: Cell, needs: Needs) -> list[Kernel]:
    """Backpropagation through time: gates and dh = dgates W for each step, then the GEMMs of all steps at once.

    Those are dX = dgates W, dW = dgates^T X for the input weights and likewise for the recurrent weights, and the sums
    of dgates for the two biases.
    """
    batch, steps, _ = case.inputs[0].shape
    hidden, size = case.attributes.whole("hidden"), case.result.dtype.bytes
    gates, state = cell.gates * hidden, batch * hidden
    all_gates, all_states = batch * steps * gates * size, batch * steps * hidden * size

    def product(what: str, m: int, n: int, k: int, reads: float, weights: float, writes: float, repeats: int) -> Kernel:
        return case.gradient(
            "linear",
            op=f"linear_backward_{what}",
            kind="matmul",
            m=m,
            n=n,
            k=k,
            elements=m * n,
            flops=2.0 * m * n * k,
            reads=reads,
            weights=weights,
            writes=writes,
            repeats=repeats,
        )

    kernels = []
    for part in reversed(list(_passes(case))):
        read = batch * steps * part.features * size
        asked = needs[0] or not part.first
        given = cell.gradients + (asked and not part.inputs)  # dX directly, where no GEMM makes it
        kernels += [
            case.gradient(
                "elementwise",
                op=f"{case.node.op}_gates_backward",
                elements=state,
                flops=cell.backward_flops * state,
                reads=(cell.kept + cell.states + 2) * state * size,  # also dY and the state before
                writes=given * state * size,
                repeats=steps,
            ),
            product("data", batch, hidden, gates, batch * gates * size, part.recurrent[0].bytes, state * size, steps),
        ]
        if part.inputs:
            own = part.inputs[0].bytes
            if asked:
                kernels.append(product("data", batch * steps, part.features, gates, all_gates, own, read, 1))
            kernels.append(product("weight", gates, part.features, batch * steps, all_gates + read, 0.0, own, 1))
        kernels += [
            product("weight", gates, hidden, batch * steps, all_gates + all_states, 0.0, part.recurrent[0].bytes, 1),
            *(
                case.gradient(
                    "reduction",
                    op="bias_backward",
                    m=gates,
                    k=batch * steps,
                    elements=batch * steps * gates,
                    flops=float(batch * steps * gates),
                    reads=all_gates,
                    writes=bias.bytes,
                    repeats=2 if part.inputs else 1,
                )
                for bias in part.recurrent[1:]
            ),
        ]
    return kernels


def _operator(name: str, cell: Cell) -> Operator:
    return Operator(
        name,
        f"(B, T, F) -> (B, T, hidden): {name.upper()} over T time steps; 2 hidden if bidirectional",
        (1, 1),
        lambda inputs, attributes: _shapes(inputs, attributes, cell, name),
        lambda case: _kernels(case, cell),
        (
            Parameter("hidden", "whole", "size of the hidden state"),
            Parameter("layers", "whole", "number of stacked layers", 1),
            flag("bias", True, "one bias vector for the inputs and one for the state"),
            flag("bidirectional", False, "runs every layer in both directions and concatenates the results"),
            flag("skip_input", False, "the first layer adds its input to the gates without input weights"),
        ),
        backward=lambda case, needs: _backward(case, cell, needs),
        saves=lambda case: _saves(case, cell),
        autocast="low",
    )


RECURRENT = tuple(_operator(name, cell) for name, cell in CELLS.items())
