"""What did a user's profile of PyTorch measure? A Kineto (Chrome) trace of ``torch.profiler`` as measurements.

Needs ``record_shapes=True``. Calls of a known operator with the same shapes are the samples of one measurement: on a
GPU the time of the kernels they launched, on a CPU their own time. Calls inside a known one belong to it. Nothing in
the file is executed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from roofline.core.measurement import Measurement
from roofline.errors import DataError, UsageError
from roofline.files import MIB, read_json
from roofline.specs import load_chip

MAX_BYTES = 256 * MIB
_KERNELS = ("kernel", "gpu_memcpy", "gpu_memset")
_TYPES = {"float": "fp32", "c10::Half": "fp16", "c10::BFloat16": "bf16", "double": "fp64"}

Shape = tuple[int, ...]
Found = tuple[str, dict[str, Any], list[Shape]]


@dataclass
class Call:
    """One dispatched operation: shapes of its tensors (``()`` for other arguments) and its plain arguments as text."""

    name: str
    start: float
    seconds: float
    shapes: list[Shape]
    plain: list[str]
    dtype: str
    external: int
    thread: str
    inner: list[int] = field(default_factory=list)

    def numbers(self, index: int) -> tuple[int, ...]:
        """A list of integers among the arguments."""
        text = self.plain[index] if index < len(self.plain) else ""
        return tuple(int(one) for one in text.strip("[]").replace(" ", "").split(",") if one)


def _linear(c: Call) -> Found:
    x, weight = c.shapes[:2]
    return "linear", {"out": weight[0], "bias": len(c.shapes) > 2 and bool(c.shapes[2])}, [x]


def _addmm(c: Call) -> Found:
    return "linear", {"out": c.shapes[2][1], "bias": True}, [c.shapes[1]]


def _product(c: Call) -> Found:
    return "matmul", {}, c.shapes[:2]


def _conv(c: Call) -> Found:
    x, weight = c.shapes[:2]
    if len(weight) != 4 or (c.name == "convolution" and c.plain[6] == "True"):
        raise ValueError("of another kind")
    groups = int(c.plain[8 if c.name == "convolution" else 6])
    attributes = {"out": weight[0], "kernel": weight[2:], "groups": groups, "bias": bool(c.shapes[2])}
    attributes |= {"stride": c.numbers(3), "padding": c.numbers(4), "dilation": c.numbers(5)}
    return "conv2d", attributes, [x]


def _norm(c: Call) -> Found:
    rows = c.numbers(1)
    return "layer_norm", {"dims": len(rows)} if len(rows) > 1 else {}, c.shapes[:1]


def _softmax(c: Call) -> Found:
    if c.numbers(1)[0] not in (-1, len(c.shapes[0]) - 1):
        raise ValueError("along another dimension")
    return "softmax", {}, c.shapes[:1]


def _attention(c: Call) -> Found:
    return "attention", {"causal": "True" in c.plain[4:7]}, c.shapes[:3]


def _embedding(c: Call) -> Found:
    table, ids = c.shapes[:2]
    return "embedding", {"entries": table[0], "features": table[1]}, [ids]


def _unary(op: str) -> Callable[[Call], Found]:
    return lambda c: (op, {"inplace": True} if c.name.endswith("_") else {}, c.shapes[:1])


def _gelu(c: Call) -> Found:
    return ("gelu_tanh" if "tanh" in c.plain else "gelu"), {}, c.shapes[:1]


def _binary(op: str) -> Callable[[Call], Found]:
    def found(c: Call) -> Found:
        if not c.shapes[1]:
            raise ValueError("with a number")
        return op, {"inplace": True} if c.name.endswith("_") else {}, c.shapes[:2]

    return found


def _plain(op: str) -> Callable[[Call], Found]:
    return lambda c: (op, {}, c.shapes[:1])


KNOWN: Mapping[str, Callable[[Call], Found]] = {
    "linear": _linear,
    "addmm": _addmm,
    **dict.fromkeys(("mm", "bmm"), _product),
    **dict.fromkeys(("conv2d", "convolution"), _conv),
    "layer_norm": _norm,
    "native_layer_norm": _norm,
    "batch_norm": _plain("batch_norm"),
    "softmax": _softmax,
    "_softmax": _softmax,
    "scaled_dot_product_attention": _attention,
    "embedding": _embedding,
    "gelu": _gelu,
    **{name + mark: _unary(name) for name in ("relu", "sigmoid", "tanh", "silu", "exp", "sqrt") for mark in ("", "_")},
    **{name + mark: _binary(name) for name in ("add", "sub", "mul", "div") for mark in ("", "_")},
}
"""Operators by their PyTorch names, without ``aten::``."""


def read(path: Path, chip: str, skipped: Counter[str] | None = None) -> Iterator[Measurement]:
    """The measurements of a trace, in the order of their first calls; the time of each is the median of its calls.

    Parameters
    ----------
    path : the trace.
    chip : the chip it was taken on, which a trace does not name reliably.
    skipped : counts calls left out, by reason.

    Raises
    ------
    UsageError, UnknownName : no chip given, or no such chip or file.
    DataError : no trace of the profiler, or one without shapes.
    """
    if not chip:
        raise UsageError(f"{path}: a profile does not name the chip; add --chip")
    chip = load_chip(chip).name
    left = Counter[str]() if skipped is None else skipped
    events = _events(path)
    kernels: dict[int, float] = {}
    for event in events:
        if event.get("cat") in _KERNELS:
            external = _whole(_table(event.get("args")).get("External id"))
            kernels[external] = kernels.get(external, 0.0) + _seconds(event)
    calls = [call for event in events if (call := _call(event)) is not None]
    if not calls:
        raise DataError(f"{path}: has no operators; profile with ProfilerActivity.CPU")
    if not any(any(call.shapes) for call in calls):
        raise DataError(f"{path}: has no shapes; profile with record_shapes=True")
    samples: dict[str, list[float]] = {}
    rows: dict[str, Measurement] = {}
    for call in _outermost(calls):
        row = _row(call, chip, kernels, str(path.name), left)
        if row is not None:
            key = repr((row.op, row.dtype, sorted(row.attributes.items()), row.inputs))
            samples.setdefault(key, []).append(row.seconds)
            rows.setdefault(key, row)
    for key, row in rows.items():
        yield replace(row, seconds=median(samples[key]), samples=tuple(samples[key]))


def _events(path: Path) -> list[dict[str, Any]]:
    try:
        data = read_json(path, MAX_BYTES, "profile fewer steps")
    except ValueError as error:
        raise DataError(f"{path}: is not JSON: {str(error)[:80]}") from None
    events = data.get("traceEvents") if isinstance(data, dict) else data
    if not isinstance(events, list):
        raise DataError(f"{path}: has no traceEvents; export it with prof.export_chrome_trace")
    return [event for event in events if isinstance(event, dict)]


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _seconds(event: Mapping[str, Any]) -> float:
    length = event.get("dur")
    return length * 1e-6 if isinstance(length, int | float) and 0 <= length < 1e12 else 0.0


def _call(event: Mapping[str, Any]) -> Call | None:
    name, args, start = event.get("name"), _table(event.get("args")), event.get("ts")
    if event.get("cat") != "cpu_op" or not isinstance(name, str) or not isinstance(start, int | float):
        return None
    dims, types, plain = (args.get(key) for key in ("Input Dims", "Input type", "Concrete Inputs"))
    shapes = [
        tuple(dim) if isinstance(dim, list) and all(_whole(size) > 0 for size in dim) else ()
        for dim in (dims if isinstance(dims, list) else [])
    ]
    kinds = [str(kind) for kind in types] if isinstance(types, list) else []
    dtype = next((_TYPES[kind] for kind in kinds if kind in _TYPES), "")
    texts = [str(one) for one in plain] if isinstance(plain, list) else []
    external = _whole(args.get("External id"))
    thread = f"{event.get('pid')}/{event.get('tid')}"
    plain_name = name.removeprefix("aten::")
    return Call(plain_name, start, _seconds(event), shapes, texts, dtype, external, thread, [external])


def _outermost(calls: list[Call]) -> list[Call]:
    """Known calls that are inside no other known call, with the numbers of everything inside them."""
    found: list[Call] = []
    open_: dict[str, Call] = {}
    for call in sorted(calls, key=lambda one: (one.start, -one.seconds)):
        above = open_.get(call.thread)
        if above is not None and call.start < above.start + above.seconds * 1e6:
            above.inner.append(call.external)
        elif call.name in KNOWN:
            open_[call.thread] = call
            found.append(call)
    return found


def _row(call: Call, chip: str, kernels: Mapping[int, float], file: str, left: Counter[str]) -> Measurement | None:
    try:
        op, attributes, inputs = KNOWN[call.name](call)
        if not all(inputs):
            raise ValueError("without shapes")
    except (ValueError, IndexError, TypeError) as error:
        left[f"{call.name} {error}" if isinstance(error, ValueError) else f"{call.name} in an unknown form"] += 1
        return None
    seconds = sum(kernels.get(number, 0.0) for number in set(call.inner)) if kernels else call.seconds
    if seconds <= 0:
        left["calls without a kernel"] += 1
        return None
    return Measurement(
        kind="operator",
        chip=chip,
        dtype=call.dtype or "fp32",
        seconds=seconds,
        op=op,
        attributes=attributes,
        inputs=tuple(inputs),
        provenance=f"torch.profiler trace {file}",
    )
