"""How does a number with a unit become an SI float, and back?

``parse("448 GB/s", "B/s")`` is 4.48e11. Decimal (k M G T P) and binary (Ki Mi Gi Ti) prefixes are
different things and both are understood; ``KB`` is refused because it means either. Bits become
bytes (``14 Gbit/s`` is 1.75e9 B/s). Plain numbers are SI already.
"""

from __future__ import annotations

import math
import re

from roofline.errors import UsageError

_DECIMAL = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_SMALL = {"m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9, "p": 1e-12}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}

# unit as written -> (dimension, factor, prefixes it may take)
_UNITS: dict[str, tuple[str, float, dict[str, float]]] = {
    "B": ("B", 1.0, _DECIMAL | _BINARY),
    "bit": ("B", 0.125, _DECIMAL | _BINARY),
    "B/s": ("B/s", 1.0, _DECIMAL | _BINARY),
    "bit/s": ("B/s", 0.125, _DECIMAL | _BINARY),
    "bps": ("B/s", 0.125, _DECIMAL | _BINARY),
    "Hz": ("Hz", 1.0, _DECIMAL),
    "s": ("s", 1.0, {"": 1.0} | _SMALL),
    "min": ("s", 60.0, {"": 1.0}),
    "W": ("W", 1.0, {"": 1.0, "m": 1e-3, "k": 1e3}),
    "m": ("m", 1.0, {"": 1.0} | _SMALL),
    "FLOP/s": ("op/s", 1.0, _DECIMAL),
    "OP/s": ("op/s", 1.0, _DECIMAL),
    "OPS": ("op/s", 1.0, _DECIMAL),
    "FLOPS": ("op/s", 1.0, _DECIMAL),
    "FLOP": ("op", 1.0, _DECIMAL),
    "FMA": ("FMA", 1.0, _DECIMAL),
    "%": ("", 0.01, {"": 1.0}),
}

_SPELLINGS: dict[str, tuple[str, float]] = {
    prefix + unit: (dimension, factor * scale)
    for unit, (dimension, factor, prefixes) in _UNITS.items()
    for prefix, scale in prefixes.items()
}

_QUANTITY = re.compile(r"\s*([-+]?(?:\d[\d_,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S.*?)?\s*$")


def parse(text: str | float | int, dimension: str) -> float:
    """The SI value of a quantity.

    Parameters
    ----------
    text : ``"1620 MHz"``, ``"4 MiB"``, or a plain number taken as SI.
    dimension : ``B``, ``B/s``, ``Hz``, ``s``, ``W``, ``m``, ``op/s``, ``op``, ``FMA`` or ``""``.

    Raises
    ------
    UsageError : not a number, not finite, an unknown unit, or a unit of another dimension.
    """
    if isinstance(text, bool):
        raise UsageError(f"expected a quantity in {dimension or 'plain numbers'}, got {text!r}")
    if isinstance(text, int | float):
        return _finite(float(text), str(text))
    match = _QUANTITY.match(text)
    if match is None:
        raise UsageError(f"{text!r} is not a quantity; write a number and a unit, such as {_example(dimension)}")
    number, unit = match.group(1).replace("_", "").replace(",", ""), match.group(2) or ""
    value = _finite(float(number), text)
    if not unit:
        return value
    if unit.startswith("K") and not unit.startswith("Ki"):
        raise UsageError(f"{text!r}: K is ambiguous; write k{unit[1:]} (1000) or Ki{unit[1:]} (1024)")
    if re.fullmatch(r"[kMGTP]?b(/s)?", unit):
        bits, whole = unit.replace("b", "bit"), unit.replace("b", "B")
        raise UsageError(f"{text!r}: {unit!r} can mean bits or bytes; write {bits} for bits or {whole} for bytes")
    if unit not in _SPELLINGS:
        raise UsageError(f"{text!r}: unknown unit {unit!r}; write for example {_example(dimension)}")
    found, factor = _SPELLINGS[unit]
    if found != dimension:
        raise UsageError(
            f"{text!r} is in {found or 'plain numbers'}, "
            f"expected {dimension or 'a plain number'}, such as {_example(dimension)}"
        )
    return _finite(value * factor, text)


def _finite(value: float, text: str) -> float:
    if not math.isfinite(value):
        raise UsageError(f"{text!r} is not a finite number")
    return value


def _example(dimension: str) -> str:
    return {
        "B": "'8 GB' or '4 MiB'",
        "B/s": "'448 GB/s'",
        "Hz": "'1620 MHz'",
        "s": "'5 us'",
        "W": "'175 W'",
        "m": "'12 nm'",
        "op/s": "'59.7 TFLOP/s'",
        "op": "'2 GFLOP'",
        "FMA": "'128 FMA'",
        "": "'0.85'",
    }.get(dimension, dimension)


def format_si(value: float, unit: str, digits: int = 3) -> str:
    """A short human spelling: ``format_si(4.48e11, "B/s")`` is ``"448 GB/s"``.

    Only ``s`` and ``m`` go below one; zero and non-finite values print as they are.
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}".rstrip()
    scales: list[tuple[str, float]] = [("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0)]
    if unit in ("s", "m"):
        scales = [("", 1.0), ("m", 1e-3), ("u", 1e-6), ("n", 1e-9)]
    # rounding first, so that 999.9 k does not print as 1e+03 k
    large = (pair for pair in scales if abs(float(f"{value / pair[1]:.{digits}g}")) >= 1)
    prefix, scale = next(large, scales[-1])
    return f"{_plain(value / scale, digits)} {prefix}{unit}".rstrip()


def _plain(value: float, digits: int) -> str:
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:.0f}" if abs(rounded) >= 10 ** (digits - 1) else f"{rounded:.{digits}g}"


def format_bytes(value: float, digits: int = 3) -> str:
    """Memory in binary units, as operating systems and frameworks count it: ``"3.9 GiB"``."""
    for prefix, scale in (("Ti", 2.0**40), ("Gi", 2.0**30), ("Mi", 2.0**20), ("Ki", 2.0**10)):
        if abs(value) >= scale:
            return f"{_plain(value / scale, digits)} {prefix}B"
    return f"{value:.0f} B"


def plural(number: int, noun: str, nouns: str = "") -> str:
    """``1 layer``, ``3 layers``; ``nouns`` where the plural does not end in s alone."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
