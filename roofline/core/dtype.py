"""Which number formats exist, how wide are they, and in which format are products accumulated?"""

from __future__ import annotations

from dataclasses import dataclass

from roofline.errors import UnknownName, UsageError


@dataclass(frozen=True, order=True)
class DType:
    """A storage format: ``bits`` per element, ``kind`` float or int."""

    name: str
    bits: int
    kind: str

    @property
    def bytes(self) -> float:
        """Bytes per element; half a byte for 4-bit formats."""
        return self.bits / 8


_TABLE = {
    d.name: d
    for d in (
        DType("fp64", 64, "float"),
        DType("fp32", 32, "float"),
        DType("fp16", 16, "float"),
        DType("bf16", 16, "float"),
        DType("fp8_e4m3", 8, "float"),
        DType("fp8_e5m2", 8, "float"),
        DType("int64", 64, "int"),
        DType("int32", 32, "int"),
        DType("int16", 16, "int"),
        DType("int8", 8, "int"),
        DType("int4", 4, "int"),
        DType("bool", 8, "int"),
    )
}

_ALIASES = {
    "float64": "fp64",
    "double": "fp64",
    "float32": "fp32",
    "float": "fp32",
    "single": "fp32",
    "float16": "fp16",
    "half": "fp16",
    "bfloat16": "bf16",
    "fp8": "fp8_e4m3",
    "float8_e4m3fn": "fp8_e4m3",
    "float8_e5m2": "fp8_e5m2",
    "long": "int64",
    "int": "int32",
    "i8": "int8",
}


def dtype(name: str) -> DType:
    """The storage format of that name or alias (``float16``, ``half`` and ``fp16`` are one)."""
    key = name.strip().lower().removeprefix("torch.")
    key = _ALIASES.get(key, key)
    if key not in _TABLE:
        raise UnknownName("dtype", name, [*_TABLE, "tf32"])
    return _TABLE[key]


@dataclass(frozen=True, order=True)
class Precision:
    """How a chip multiplies: the format of the factors and the format of the accumulation.

    ``tf32`` multiplies fp32 storage with a 10-bit mantissa, so it is a way of computing and not of storing: ``storage``
    is fp32.
    """

    compute: str
    accumulate: str

    def __str__(self) -> str:
        """``fp16`` where it accumulates as PyTorch does, else ``fp16/fp16``; :func:`precision` parses it back."""
        default = self.accumulate == _ACCUMULATES.get(self.compute, "fp32")
        return self.compute if default else f"{self.compute}/{self.accumulate}"

    @property
    def storage(self) -> DType:
        return _TABLE["fp32"] if self.compute == "tf32" else _TABLE[self.compute]


_ACCUMULATES = {
    "fp64": "fp64",
    "int64": "int64",
    "int32": "int32",
    "int16": "int32",
    "int8": "int32",
    "int4": "int32",
    "bool": "int32",
}


def precision(text: str) -> Precision:
    """Parse ``fp16``, ``fp16/fp16``, ``tf32``, ``int8``...

    The default accumulator is what PyTorch uses: fp32 for every float narrower than fp64, int32 for
    integers. ``fp16`` therefore means ``fp16/fp32``.
    """
    if not isinstance(text, str):
        raise UsageError(f"dtype: expected a word such as fp16, got {text!r}")
    compute, _, accumulate = text.strip().lower().partition("/")
    name = "tf32" if compute == "tf32" else dtype(compute).name
    return Precision(name, dtype(accumulate).name if accumulate else _ACCUMULATES.get(name, "fp32"))
