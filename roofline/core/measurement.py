"""What did it take? One row type for our runs, public data sets and published figures.

The JSON form of a row is a public contract: docs/measurements.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from roofline.core.stack import Stack
from roofline.errors import DataError

SCHEMA = 1


@dataclass(frozen=True)
class Measurement:
    """One measured operator or network.

    kind : ``operator`` (``op``, ``attributes``, ``inputs``) or ``network`` (``network``, ``symbols``).
    seconds : the best estimate in seconds; ``samples`` holds every raw sample behind it.
    cache : ``cold`` (inputs pushed out of the private caches first), ``warm`` or ``unknown``.
    flags : what may be wrong with it, such as ``contended``.
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
    mode: str = "inference"
    cache: str = "unknown"
    samples: tuple[float, ...] = ()
    flags: tuple[str, ...] = ()
    environment: str = ""
    provenance: str = ""
    used_for_fit: bool = False

    @property
    def key(self) -> str:
        """Identity of the question asked: equal keys measure the same thing."""
        if self.kind == "network":
            what: list[Any] = [self.network, sorted(self.symbols.items()), self.mode]
        else:
            what = [self.op, sorted(self.attributes.items()), [list(shape) for shape in self.inputs]]
        text = json.dumps([self.kind, self.chip, self.dtype, self.cache, str(self.stack), what])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        if self.kind == "network":
            return f"{self.network}({', '.join(f'{k}={v}' for k, v in self.symbols.items())})"
        shapes = " ".join("x".join(map(str, shape)) for shape in self.inputs)
        return f"{self.op} {shapes} {' '.join(f'{k}={v}' for k, v in self.attributes.items())}".strip()

    def to_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {"record": "measurement", "schema": SCHEMA, "kind": self.kind}
        if self.kind == "operator":
            row |= {"op": self.op, "attributes": dict(self.attributes), "inputs": [list(s) for s in self.inputs]}
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
        needed = ("op", "inputs") if kind == "operator" else ("network",)
        for name in ("chip", "dtype", "seconds", *needed):
            if name not in row:
                raise DataError(f"{place}{name}: missing")
        seconds = row["seconds"]
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e9:
            raise DataError(f"{place}seconds: expected a positive number of seconds, got {seconds!r}")
        try:
            return cls(
                kind=kind,
                chip=str(row["chip"]),
                dtype=str(row["dtype"]),
                seconds=float(seconds),
                stack=Stack.from_dict(row.get("stack") or {}),
                op=str(row.get("op", "")),
                attributes={
                    key: tuple(value) if isinstance(value, list) else value
                    for key, value in (row.get("attributes") or {}).items()
                },
                inputs=tuple(tuple(int(size) for size in shape) for shape in row.get("inputs") or ()),
                network=str(row.get("network", "")),
                symbols={str(key): int(value) for key, value in (row.get("symbols") or {}).items()},
                mode=str(row.get("mode", "inference")),
                cache=str(row.get("cache", "unknown")),
                samples=tuple(float(sample) for sample in row.get("samples") or ()),
                flags=tuple(str(flag) for flag in row.get("flags") or ()),
                environment=str(row.get("environment", "")),
                provenance=str(row.get("provenance", "")),
                used_for_fit=bool(row.get("used_for_fit", False)),
            )
        except (TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{place}a field has the wrong form: {error}") from None
