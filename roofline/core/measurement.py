"""How long did it take? One record type for own measurements, public data sets and published figures.

The JSON form of a record is a public contract: docs/measurements.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, get_args

from roofline.core import checks
from roofline.core.dtype import precision
from roofline.core.run import MODES, Mode
from roofline.core.stack import Stack
from roofline.errors import DataError, UsageError

SCHEMA = 1
Kind = Literal["operator", "network"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CACHES = ("cold", "warm", "unknown")
PARTS = ("forward", "training", "data", "weights", "backward")
"""The measured direction of an operator: its result, its result as in training, the gradient of its inputs, of its
weights, or of both.
"""
LONGEST_S = 1e9
NO_PART = "part: a network has a mode, only operators have a part"
_STACK = Stack().to_dict()
_TEXTS = ("chip", "op", "network", "kernel", "set", "environment", "provenance", "what", "fit")


@dataclass(frozen=True)
class Measurement:
    """One measured operator or network.

    Parameters
    ----------
    kind : ``operator`` (``op``, ``attributes``, ``inputs``) or ``network`` (``network``, ``symbols``).
    seconds : the best estimate [s], 0 if not measured yet.
    samples : every raw sample behind it [s].
    part : of an operator, one of :data:`PARTS`; a network has its ``mode``.
    cache : ``cold`` (inputs evicted from the private caches first), ``warm`` or ``unknown``.
    kernel : name of the kernel or library algorithm that ran, where it is known.
    set : name of the measurements taken under the same conditions, which share a launch floor.
    order : place among the measurements of its chip in the order they were taken, where it is known.
    flags : what may be wrong with it, such as ``contended``.
    what, fit : of a published figure, what exactly was measured, and the calibration that was fitted on it.
    """

    kind: Kind
    chip: str
    dtype: str
    seconds: float
    stack: Stack = field(default_factory=Stack)
    op: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[tuple[int, ...], ...] = ()
    network: str = ""
    symbols: Mapping[str, int] = field(default_factory=dict)
    mode: Mode = "inference"
    part: str = "forward"
    cache: str = "unknown"
    kernel: str = ""
    set: str = ""
    order: int | None = None
    samples: tuple[float, ...] = ()
    flags: tuple[str, ...] = ()
    environment: str = ""
    provenance: str = ""
    used_for_fit: bool = False
    what: str = ""
    fit: str = ""

    def __post_init__(self) -> None:
        checks.word("kind", self.kind, KINDS)
        for name in _TEXTS:
            if type(value := getattr(self, name)) is not str:
                checks.text(name, value)
        if self.kind == "operator":
            checks.text("op", self.op, filled=True)
        else:
            checks.text("network", self.network, filled=True)
        _dtype(self.dtype)
        if self.seconds != 0 or isinstance(self.seconds, bool):
            _check_seconds("seconds", self.seconds)
        checks.instance("stack", self.stack, Stack)
        checks.texts("attributes", tuple(checks.table("attributes", self.attributes)))
        for shape in checks.sequence("inputs", self.inputs):
            for size in checks.sequence("inputs: a shape", shape):
                if type(size) is not int or size < 0:
                    checks.count("inputs", size, 0)
        for name, size in checks.table("symbols", self.symbols).items():
            checks.count(f"symbols.{name}", size, 0)
        checks.word("mode", self.mode, MODES)
        checks.word("part", self.part, PARTS)
        if self.kind == "network" and self.part != "forward":
            raise UsageError(NO_PART)
        checks.word("cache", self.cache, CACHES)
        if self.order is not None:
            checks.count("order", self.order, 0)
        for sample in checks.sequence("samples", self.samples):
            _check_seconds("samples", sample)
        checks.texts("flags", self.flags, filled=True)
        checks.flag("used_for_fit", self.used_for_fit)

    @property
    def key(self) -> str:
        """Identity of the measured question: equal keys measure the same thing.

        Of the stack only fields that differ from the default count, so a new field does not change the keys of stored
        measurements; nor does the part change those of forward passes.
        """
        if self.kind == "network":
            what: list[Any] = [self.network, sorted(self.symbols.items()), self.mode]
        else:
            what = [self.op, sorted(self.attributes.items()), [list(shape) for shape in self.inputs]]
            what += [self.part] if self.part != "forward" else []
        stack = [[name, value] for name, value in self.stack.to_dict().items() if value != _STACK[name]]
        stack.sort()
        text = json.dumps([self.kind, self.chip, self.dtype, self.cache, stack, what])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        if self.kind == "network":
            said = [f"{k}={v}" for k, v in self.symbols.items()]
            said += [self.stack.mode] if self.stack.mode != "eager" else []
            return f"{self.network}({', '.join(said)})"
        shapes = " ".join("x".join(map(str, shape)) for shape in self.inputs)
        op = self.op if self.part == "forward" else f"{self.op} ({self.part})"
        return f"{op} {shapes} {' '.join(f'{k}={v}' for k, v in self.attributes.items())}".strip()

    def to_dict(self) -> dict[str, Any]:
        """Plain data; fields that were added later are written only where they have a value."""
        row: dict[str, Any] = {"record": "measurement", "schema": SCHEMA, "kind": self.kind}
        if self.kind == "operator":
            shapes = [list(shape) for shape in self.inputs]
            row |= {"op": self.op, "attributes": dict(self.attributes), "inputs": shapes}
            row |= {"part": self.part} if self.part != "forward" else {}
        else:
            row |= {"network": self.network, "symbols": dict(self.symbols), "mode": self.mode}
        return row | {
            "chip": self.chip,
            "dtype": self.dtype,
            "stack": self.stack.to_dict(),
            "cache": self.cache,
            "seconds": self.seconds,
            "samples": list(self.samples),
            "flags": list(self.flags),
            "environment": self.environment,
            "provenance": self.provenance,
            "used_for_fit": self.used_for_fit,
            **({"kernel": self.kernel} if self.kernel else {}),
            **({"set": self.set} if self.set else {}),
            **({"order": self.order} if self.order is not None else {}),
            **{name: text for name, text in (("what", self.what), ("fit", self.fit)) if text},
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any], where: str = "") -> Measurement:
        """Read a record.

        Raises
        ------
        DataError : names ``where`` and the wrong field.
        """
        place = f"{where}: " if where else ""
        if row.get("schema", SCHEMA) != SCHEMA:
            raise DataError(f"{place}schema {row['schema']!r} is not known here; this version reads {SCHEMA}")
        kind = row.get("kind")
        try:
            checks.word("kind", kind, KINDS)
            if kind == "network" and "part" in row:
                raise UsageError(NO_PART)
            for name in ("chip", "dtype", "seconds", *(("op", "inputs") if kind == "operator" else ("network",))):
                if name not in row:
                    raise UsageError(f"{name}: missing")
            checks.text("chip", row["chip"], filled=True)
            _check_seconds("seconds", row["seconds"])
            return cls(
                kind=kind,  # type: ignore[arg-type]
                chip=row["chip"],
                dtype=_dtype(row["dtype"]),
                seconds=float(row["seconds"]),
                stack=_stack(row.get("stack")),
                op=row["op"] if kind == "operator" else "",
                attributes=_attributes(row.get("attributes")),
                inputs=tuple([_sizes(shape) for shape in checks.sequence("inputs", row.get("inputs") or ())]),
                network=row["network"] if kind == "network" else "",
                symbols=_symbols(row.get("symbols")),
                mode=row.get("mode", "inference"),
                part=row.get("part", "forward"),
                cache=row.get("cache", "unknown"),
                kernel=_said(row.get("kernel")),
                set=_said(row.get("set")),
                order=_whole(row.get("order")),
                samples=_frozen(row.get("samples")),
                flags=_frozen(row.get("flags")),
                environment=_said(row.get("environment")),
                provenance=_said(row.get("provenance")),
                used_for_fit=row.get("used_for_fit", False),
                what=_said(row.get("what")),
                fit=_said(row.get("fit")),
            )
        except UsageError as error:
            raise DataError(f"{place}{error}") from None


# Convert the forms of JSON. Wrong values stay unchanged, for the check that names them.


def _said(value: Any) -> Any:
    return "" if value is None else value


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else () if value is None else value


def _whole(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


def _sizes(shape: Any) -> Any:
    return tuple([_whole(size) for size in shape]) if isinstance(shape, list) else shape


def _symbols(table: Any) -> Any:
    if isinstance(table, Mapping):
        return {name: _whole(size) for name, size in table.items()}
    return _table(table)


def _attributes(table: Any) -> Any:
    if isinstance(table, Mapping):
        return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}
    return _table(table)


def _table(value: Any) -> Any:
    return {} if value is None else value


def _stack(value: Any) -> Stack:
    table = checks.table("stack", _table(value))
    try:
        return Stack.from_dict(table)
    except UsageError as error:
        raise UsageError(f"stack: {error}") from None


def _dtype(name: Any) -> str:
    """The name of a precision in this program."""
    checks.text("dtype", name, filled=True)
    return _canonical(name)


@lru_cache(maxsize=64)
def _canonical(name: str) -> str:
    return str(precision(name))


def _check_seconds(name: str, value: Any) -> None:
    # a comparison with a NaN is false, so it is refused like a negative time
    if not checks.is_number(value) or not 0 < value < LONGEST_S:
        checks.refuse(name, "a positive number of seconds", value)
