"""What did it take? One row type for our runs, public data sets and published figures.

The JSON form of a row is a public contract: docs/measurements.md.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, cast

from roofline.core.dtype import precision
from roofline.core.run import MODES, Mode
from roofline.core.stack import Stack
from roofline.errors import DataError, UnknownName

SCHEMA = 1
CACHES = ("cold", "warm", "unknown")
PARTS = ("forward", "training", "data", "weights", "backward")
"""Which direction of an operator was run: its result, its result as a net in training makes it, the gradient of its
inputs, of its weights, or of both."""
_STACK = Stack().to_dict()


@dataclass(frozen=True)
class Measurement:
    """One measured operator or network.

    kind : ``operator`` (``op``, ``attributes``, ``inputs``) or ``network`` (``network``, ``symbols``).
    seconds : the best estimate in seconds; ``samples`` holds every raw sample behind it.
    part : of an operator, one of :data:`PARTS`; a network has its ``mode``.
    cache : ``cold`` (inputs pushed out of the private caches first), ``warm`` or ``unknown``.
    kernel : name of the kernel or library algorithm that ran, where it is known.
    set : name of the rows measured under the same conditions, which share what a launch takes; ``order`` is
        the row's place among those of its chip in the order they were taken, where it is known.
    flags : what may be wrong with it, such as ``contended``.
    what, fit : of a published figure, what exactly was measured, and the calibration that was fitted on it.
    """

    kind: Literal["operator", "network"]
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

    @property
    def key(self) -> str:
        """Identity of the question asked: equal keys measure the same thing.

        Of the stack only what differs from the default counts, so that a field added to it later
        does not change the keys of rows already stored; nor does the part change those of forward passes.
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
        """Plain data; fields that came later stand in it where they say something."""
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
        """Read a row; raises :class:`DataError` naming ``where`` and the field that is wrong."""
        place = f"{where}: " if where else ""
        if row.get("schema", SCHEMA) != SCHEMA:
            raise DataError(f"{place}schema {row['schema']!r} is not known here; this version reads {SCHEMA}")
        kind = row.get("kind")
        if kind not in ("operator", "network"):
            raise DataError(f"{place}kind: expected 'operator' or 'network', got {kind!r}")
        if kind == "network" and "part" in row:
            raise DataError(f"{place}part: a network has a mode, only operators have a part")
        needed = ("op", "inputs") if kind == "operator" else ("network",)
        for name in ("chip", "dtype", "seconds", *needed):
            if name not in row:
                raise DataError(f"{place}{name}: missing")
        try:
            return cls(
                kind=kind,
                chip=_text(row["chip"], "chip"),
                dtype=_dtype(row["dtype"]),
                seconds=_seconds(row["seconds"], "seconds"),
                stack=_stack(row.get("stack") or {}),
                op=_text(row["op"], "op") if kind == "operator" else "",
                attributes={
                    str(name): tuple(value) if isinstance(value, list) else value
                    for name, value in _table(row.get("attributes"), "attributes").items()
                },
                inputs=tuple(_shape(shape) for shape in _list(row.get("inputs"), "inputs")),
                network=_text(row["network"], "network") if kind == "network" else "",
                symbols={
                    str(name): _count(value, f"symbols.{name}")
                    for name, value in _table(row.get("symbols"), "symbols").items()
                },
                mode=cast(Mode, _choice(row.get("mode", "inference"), MODES, "mode")),
                part=_choice(row.get("part", "forward"), PARTS, "part"),
                cache=_choice(row.get("cache", "unknown"), CACHES, "cache"),
                kernel=_said(row.get("kernel"), "kernel"),
                set=_said(row.get("set"), "set"),
                order=None if row.get("order") is None else _count(row["order"], "order"),
                samples=tuple([_seconds(value, "samples") for value in _list(row.get("samples"), "samples")]),
                flags=tuple([_text(flag, "flags") for flag in _list(row.get("flags"), "flags")]),
                environment=str(row.get("environment", "")),
                provenance=str(row.get("provenance", "")),
                used_for_fit=bool(row.get("used_for_fit", False)),
                what=str(row.get("what", "")),
                fit=str(row.get("fit", "")),
            )
        except ValueError as error:
            raise DataError(f"{place}{error}") from None


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: expected a text, got {value!r}")
    return value


def _said(value: Any, name: str) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name}: expected a text, got {value!r}")
    return value or ""


def _seconds(value: Any, name: str) -> float:
    # a comparison with a NaN is false, so it is refused like a negative time
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise ValueError(f"{name}: expected a positive number of seconds, got {value!r}")
    return float(value)


def _count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or not math.isfinite(value):
        raise ValueError(f"{name}: expected a whole number, got {value!r}")
    if value != int(value):
        raise ValueError(f"{name}: expected a whole number, got {value!r}")
    return int(value)


def _list(value: Any, name: str) -> list[Any] | tuple[Any, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise ValueError(f"{name}: expected a list, got {value!r}")
    return value


def _table(value: Any, name: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}: expected names and values, got {value!r}")
    return value


def _shape(value: Any) -> tuple[int, ...]:
    return tuple([_count(size, "inputs") for size in _list(value, "inputs: a shape")])


def _choice(value: Any, allowed: tuple[str, ...], name: str) -> str:
    if value not in allowed:
        raise ValueError(f"{name}: expected {' or '.join(map(repr, allowed))}, got {value!r}")
    return str(value)


def _dtype(value: Any) -> str:
    name = _text(value, "dtype")
    problem = _dtype_problem(name)
    if problem:
        raise ValueError(f"dtype: {problem}")
    return str(precision(name))


@lru_cache(maxsize=64)
def _dtype_problem(name: str) -> str:
    try:
        precision(name)
    except UnknownName as error:
        return str(error)
    return ""


def _stack(value: Any) -> Stack:
    table = _table(value, "stack")
    for name, expected in _STACK.items():
        if name in table and type(table[name]) is not type(expected):
            raise ValueError(f"stack.{name}: expected {type(expected).__name__}, got {table[name]!r}")
    return Stack.from_dict(table)
