"""Laws of DESIGN section 8 that hold for times, over every operator, chip, dtype and net there is.

Those of work and bytes alone are in ``tests/operators/test_laws.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from operator_cases import Question, questions
from small import COPIES, SMALL, shallow
from synthetic import CEILINGS, calibration, chip, lower, parameters

from roofline import specs
from roofline.campaign.question import Question as Shape
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip, Engine, Fact
from roofline.core.dtype import precision
from roofline.core.expression import parse_expression
from roofline.core.network import Block, Layer, Network, Source
from roofline.core.run import Run
from roofline.core.schedule import KINDS, Schedule
from roofline.core.workload import Node, Tensor, Workload
from roofline.devices.ceiling import ceiling_times, engine_and_rate, light
from roofline.devices.cpu import model as cpu
from roofline.devices.cpu import plans as cpu_plans
from roofline.devices.timing import time_schedule
from roofline.errors import Unsupported
from roofline.lowering import build, memory_of, single
from roofline.lowering import lower as lower_workload
from roofline.prediction.predict import predict

CHIPS = {name: specs.load_chip(name) for name in specs.list_chips()} | {"cpu-synthetic": chip()}
NETS = list(specs.list_networks())
DTYPES = ("fp64", "fp32", "tf32", "fp16", "fp16/fp16", "bf16", "fp8_e4m3", "int8", "int4")

chips = st.sampled_from(list(CHIPS))
dtypes = st.sampled_from(DTYPES)
factors = st.floats(1.0, 50.0)


def schedule_of(question: Question, dtype: str = "fp32") -> Schedule:
    return lower_workload(single(*question, precision(dtype)))


def slowest_excuse(schedule: Schedule, part: Chip, row: int) -> float:
    """The limit of light once more, written plainly: one kernel, one division after the other."""
    kernel = schedule.kernel(row)
    top = max(
        (
            engine.count.value * 2 * fma.value * (engine.clock.top or engine.clock.boost).value
            for engine in part.engines
            for fma in engine.rates.values()
            if kernel.kind == "matmul" or engine.kind == "vector"
        ),
        default=np.inf,
    )
    moved = kernel.reads + kernel.weights + kernel.writes
    if part.kind == "array" and not any(level.capacity for level in part.memory[:-1]):
        return kernel.flops / top  # nobody says what stays on the chip
    holding = [level for level in part.memory[:-1] if level.capacity and moved <= level.capacity.value]
    bandwidth = (holding or [part.dram])[0].total_bandwidth
    return max(kernel.flops / top, moved / bandwidth if bandwidth else 0.0)


@given(questions(), chips, dtypes)
def test_never_faster_than_light(question: Question, name: str, dtype: str) -> None:
    part, schedule = CHIPS[name], schedule_of(question, dtype)
    try:
        timing = time_schedule(schedule, part)
    except Unsupported:
        assume(False)
    one_thread = part.with_units(1) if part.kind == "cpu" else part
    for row in range(len(schedule)):
        assert timing.total[row] >= slowest_excuse(schedule, one_thread, row) * (1 - 1e-12)
    assert (timing.low <= timing.total).all()
    assert (timing.total <= timing.high).all()
    assert (timing.total >= timing.light).all()


@given(questions(), st.floats(1e-3, 1e9))
def test_no_calibration_is_faster_than_light(question: Question, boast: float) -> None:
    """Fitted numbers may be wrong by any factor; the answer never is impossible."""
    schedule = schedule_of(question)
    timing = time_schedule(schedule, chip(), calibration=boasting(calibration(), boast))
    assert (timing.total >= light(schedule, chip().with_units(1))).all()
    assert (timing.low >= timing.light).all()
    assert np.isfinite(timing.high).all()


def boasting(honest: Calibration, factor: float) -> Calibration:
    """Rates and bandwidths times ``factor``, costs over it."""
    faster = ("rate:", "activations", "weight_bandwidth")
    families = {
        plan: replace(
            fit,
            parameters={
                name: value * factor if name.startswith(faster) else value / factor
                for name, value in fit.parameters.items()
            },
        )
        for plan, fit in honest.families.items()
    }
    return replace(honest, families=families)


PAIRS = [(name, "small") for name in CHIPS] + [
    (list(CHIPS)[index * 7 % len(CHIPS)], net) for index, net in enumerate(NETS)
]
"""Every chip with a small net of many kinds of layers, and every net with one chip."""


def net_of(name: str, copies: int = 2) -> Network:
    return SMALL if name == "small" else shallow(specs.load_network(name), copies)


@pytest.mark.parametrize("copies", COPIES)
@pytest.mark.parametrize(("name", "net"), PAIRS)
def test_no_layer_of_a_net_is_faster_than_light(name: str, net: str, copies: int) -> None:
    part = CHIPS[name]
    dtype = next((d for d in DTYPES[1:] if precision(d) in part.precisions()), None)
    assert dtype is not None, f"{name} computes in nothing known here"
    prediction = predict(part, net_of(net, copies), dtype=dtype, calibration="none")
    fastest = max(engine.peak(p, "top") for engine in part.engines for p in engine.rates)
    for layer in prediction.layers:
        assert layer.seconds.middle >= layer.flops / fastest * (1 - 1e-12)
        assert layer.seconds.low <= layer.seconds.middle <= layer.seconds.high
    assert prediction.seconds.middle == pytest.approx(sum(layer.seconds.middle for layer in prediction.layers))
    assert sum(prediction.bounds.values()) == pytest.approx(1.0)
    assert sum(prediction.tiers.values()) == pytest.approx(1.0)


def faster(part: Chip, *, units: float = 1.0, clock: float = 1.0, bandwidth: float = 1.0) -> Chip:
    def times(fact: Fact | None, factor: float) -> Any:
        return replace(fact, value=fact.value * factor) if fact else None

    def engine(old: Engine) -> Engine:
        clocks = {name: times(getattr(old.clock, name), clock) for name in ("boost", "base", "top")}
        return replace(old, count=times(old.count, units), clock=replace(old.clock, **clocks))

    ports = ("bandwidth", "read_bandwidth", "write_bandwidth")
    levels = [replace(m, **{p: times(getattr(m, p), bandwidth) for p in ports}) for m in part.memory]
    return replace(part, engines=tuple(engine(e) for e in part.engines), memory=tuple(levels))


@given(questions(), chips, dtypes, factors, factors, factors)
def test_more_never_slows_the_plain_ceiling(
    question: Question, name: str, dtype: str, units: float, clock: float, bandwidth: float
) -> None:
    part, schedule = CHIPS[name], schedule_of(question, dtype)
    try:
        before = ceiling_times(schedule, part).total
    except Unsupported:
        assume(False)
    assert (light(schedule, faster(part, clock=clock)) <= light(schedule, part)).all()
    for better in ({"units": units}, {"clock": clock}, {"bandwidth": bandwidth}):
        assert (ceiling_times(schedule, faster(part, **better)).total <= before).all(), better


@given(questions(), chips, factors)
def test_everything_twice_as_fast_takes_half_the_time(question: Question, name: str, factor: float) -> None:
    part = CHIPS[name]
    assume(precision("fp32") in part.precisions())
    schedule, bare = schedule_of(question), replace(part, launch=None)
    twice = ceiling_times(schedule, faster(bare, units=factor, bandwidth=factor)).total
    np.testing.assert_allclose(twice * factor, ceiling_times(schedule, bare).total, rtol=1e-12)


many = st.lists(questions(), min_size=1, max_size=6)


@given(many, chips, st.integers(2, 5), st.randoms(use_true_random=False))
def test_times_add_and_do_not_depend_on_the_order(asked: list[Question], name: str, k: int, random: Any) -> None:
    part = CHIPS[name]
    assume(precision("fp32") in part.precisions())
    parts = [schedule_of(question) for question in asked]
    fitted = calibration() if part.kind == "cpu" else None

    def total(schedules: list[Schedule]) -> float:
        layers = [replace(one, layer=np.full(len(one), place)) for place, one in enumerate(schedules)]
        timing = time_schedule(Schedule.concatenate(layers), part, calibration=fitted)
        return float(timing.total.sum())

    whole = total(parts)
    if part.kind == "array":  # keeps weights on the chip where those of the whole net fit
        assert total(parts * k) >= k * whole * (1 - 1e-9)
        assert total(parts[:1]) + total(parts[1:]) <= whole * (1 + 1e-9)
    else:
        assert total(parts * k) == pytest.approx(k * whole)
        assert total(parts[:1]) + total(parts[1:]) == pytest.approx(whole)
    random.shuffle(parts)
    assert total(parts) == pytest.approx(whole)


@given(st.integers(1, 6), st.integers(1, 8), st.sampled_from(["gtx-980", "inferentia", "cpu-synthetic"]))
def test_a_block_repeated_costs_so_many_times_more(repeats: int, batch: int, name: str) -> None:
    def seconds(copies: int) -> float:
        run = Run(host_dispatch=0.0)  # with a host that is slower, the device works on while it catches up
        return predict(
            CHIPS[name], network(copies), batch=batch, dtype=dtype, run=run, calibration=fitted
        ).seconds.middle

    dtype = "fp32" if precision("fp32") in CHIPS[name].precisions() else "bf16"
    fitted = calibration() if name == "cpu-synthetic" else "none"
    assert seconds(repeats) == pytest.approx(repeats * seconds(1))


def network(copies: int) -> Network:
    body = (Layer("up", op="linear", terms={"out": parse_expression(64)}), Layer("act", op="gelu"))
    layers = (Layer("b", block="b", repeat=parse_expression(copies)),)
    source = Source("x", (parse_expression("batch"), parse_expression(64)))
    return Network("net", "", "", {"batch": parse_expression(1)}, (source,), layers, {"b": Block("b", {}, body)})


@pytest.mark.parametrize("copies", COPIES)
@pytest.mark.parametrize("net", NETS)
def test_a_smaller_dtype_needs_less_memory_and_moves_less(net: str, copies: int) -> None:
    wide, narrow = (build(net_of(net, copies), precision=precision(d)) for d in ("fp32", "fp16"))
    if all(tensor.dtype.kind == "int" for tensor in wide.tensors.values()):
        pytest.skip("works on whole numbers alone")
    assert narrow.weight_bytes == wide.weight_bytes / 2
    assert memory_of(narrow).activations < memory_of(wide).activations
    assert lower_workload(narrow).bytes.sum() < lower_workload(wide).bytes.sum()
    assert lower_workload(narrow).flops.sum() == lower_workload(wide).flops.sum()


@pytest.mark.parametrize("name", CHIPS)
def test_every_dtype_is_native_emulated_by_name_or_refused(name: str) -> None:
    for dtype in DTYPES:
        native_emulated_or_refused(CHIPS[name], dtype)


def native_emulated_or_refused(part: Chip, dtype: str) -> None:
    wanted = precision(dtype)
    if wanted not in (*part.precisions(), *part.emulation):
        with pytest.raises(Unsupported, match="does not compute in"):
            predict(part, "mlp", dtype=dtype, calibration="none")
        return
    prediction = predict(part, "mlp", dtype=dtype, calibration="none")
    _, rate = engine_and_rate(part, wanted, matrix=True)
    said = [warning for warning in prediction.warnings if "arithmetic" in warning]
    if wanted in part.precisions():
        assert not said
    else:
        emulation = part.emulation[wanted]
        assert said == [f"{part.name} has no {wanted} arithmetic: {emulation.path}"]
        assert rate == max(e.peak(emulation.as_precision) for e in part.engines if emulation.as_precision in e.rates)


@given(st.integers(0, 10**12), st.integers(0, 10**9), st.integers(1, 10**6), chips)
def test_what_no_formula_covers_is_visible_and_counted(flops: int, moved: int, size: int, name: str) -> None:
    part = CHIPS[name]
    dtype = next(str(p) for p in part.precisions() if p.compute != "tf32")
    storage = precision(dtype).storage
    tensors = {name: Tensor(name, (size,), storage) for name in ("a", "b", "c")}
    nodes = (
        Node("known", "relu", ("a",), ("b",)),
        Node("odd", "uncovered", ("b",), ("c",), attributes={"op": "aten.fft", "flops": flops, "bytes": moved}),
    )
    work = Workload("w", "", nodes, tensors, ("a",), ("c",), {}, precision(dtype))
    prediction = predict(part, work, dtype=dtype, calibration="none")
    known, odd = prediction.layers
    assert (known.covered, odd.covered) == (True, False)
    assert (odd.flops, odd.bytes) == (flops, moved)
    assert any("no formula covers 1 layer (odd)" in warning for warning in prediction.warnings)
    assert prediction.covered["flops"] is None
    assert prediction.covered["bytes"] == pytest.approx(known.bytes / (known.bytes + moved))


@given(questions(), st.floats(1.0, 20.0))
def test_the_cpu_model_is_positive_finite_and_likes_speed(question: Question, factor: float) -> None:
    schedule = schedule_of(question)
    truth = parameters()
    assume(question[0] not in ("opaque", "uncovered"))  # nobody knows what they do
    times = cpu.cpu_times(schedule, truth, CEILINGS)
    assert (cpu_plans.plans(schedule) >= 0).all()
    assert np.isfinite(times.total).all()
    assert (times.total > 0).all()
    quick = {plan: scaled(values, "rate:", factor) for plan, values in truth.items()}
    wide = cpu.Ceilings(CEILINGS.cache * factor, CEILINGS.dram * factor, CEILINGS.knee)
    cheap = {plan: scaled(values, "start:", 1 / factor) for plan, values in truth.items()}
    for given_parameters, ceilings in ((quick, CEILINGS), (truth, wide), (cheap, CEILINGS)):
        assert (cpu.cpu_times(schedule, given_parameters, ceilings).total <= times.total * (1 + 1e-12)).all()


def scaled(values: Mapping[str, float], kind: str, factor: float) -> dict[str, float]:
    return {name: value * factor if name.startswith(kind) else value for name, value in values.items()}


GROWING: dict[str, Any] = {
    "linear": lambda m, n, k: Shape("", "linear", {"out": n}, ((m, k),)),
    "bmm": lambda m, n, k: Shape("", "matmul", {}, ((3, m, k), (3, k, n))),
    "conv-blocked": lambda m, n, k: Shape("", "conv2d", {"out": n, "kernel": 3, "padding": 1}, ((m, k, 8, 8),)),
    "attention": lambda m, n, k: Shape("", "attention", {}, ((2, 4, m, k), (2, 4, n, k), (2, 4, n, k))),
    "softmax": lambda m, n, k: Shape("", "softmax", {}, ((m * n, k),)),
    "norm": lambda m, n, k: Shape("", "layer_norm", {}, ((m * n, k),)),
    "elementwise": lambda m, n, k: Shape("", "gelu", {}, ((m, n, k),)),
    "copy": lambda m, n, k: Shape("", "transpose_copy", {}, ((m, n, k),)),
}


@pytest.mark.parametrize("plan", GROWING)
@given(*[st.integers(1, 12)] * 3, st.sampled_from("mnk"), st.integers(2, 6))
def test_a_larger_kernel_of_one_plan_takes_longer(plan: str, m: int, n: int, k: int, side: str, grow: int) -> None:
    """Sizes fill whole tiles of 16: what pads a tile is for free, so that there it need not hold."""
    sizes = {"m": 16 * m, "n": 16 * n, "k": 16 * k}
    schedule = lower([GROWING[plan](**sizes), GROWING[plan](**sizes | {side: grow * sizes[side]})])
    small, large = cpu.plan_times(plan, schedule, parameters()[plan], CEILINGS).total
    assert large > small


def test_every_kind_of_kernel_has_a_law_here() -> None:
    """The questions above reach every primitive shape that the operators make."""
    kinds = {KINDS[code] for net in NETS for code in lower_workload(build(net_of(net))).kind}
    assert kinds <= {"matmul", "stream", "gather", "opaque"}
