"""How fast is every network on every chip, at every batch and in every precision? Many predictions in one table.

A sweep is a product of axes. Its points come in a fixed order: networks, modes, optimizers, stacks, precisions, other
symbols, batches, changes of the chips, chips. Chips come last because a network is lowered once for all of them.
Every row is what :func:`roofline.predict` says; a point that cannot be predicted is a row with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from roofline.analysis.what_if import Change, changed
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.prediction import Prediction
from roofline.core.stack import Stack
from roofline.errors import MissingExtra, RooflineError, UsageError
from roofline.prediction.largest_batch import Batch
from roofline.prediction.predict import predict
from roofline.prediction.question import network_of
from roofline.prediction.select import resolve_chip

MOST_POINTS = 10**8
"""Points of a sweep: more take weeks."""
Progress = Callable[[int, int, str], None]
"""Called with (points done, points in all, what is being predicted)."""


@dataclass(frozen=True)
class Row:
    """One point of a sweep. Seconds, bytes, samples per second; None where nothing is known.

    symbols, what_if : as text, ``seq=512``, ``DRAM.bandwidth=600 GB/s``.
    bound_share : share of the time that the bound limits. warnings : the number of them.
    refusal : why there is no prediction; empty where there is one.
    """

    network: str
    chip: str
    batch: int | None
    dtype: str
    mode: str
    optimizer: str
    stack: str
    symbols: str
    what_if: str
    low_s: float | None = None
    seconds: float | None = None
    high_s: float | None = None
    samples_per_s: float | None = None
    tokens_per_s: float | None = None
    bound: str = ""
    bound_share: float | None = None
    tier: str = ""
    flops: float | None = None
    bytes: float | None = None
    memory: float | None = None
    capacity: float | None = None
    fits: bool | None = None
    power_w: float | None = None
    samples_per_joule: float | None = None
    price: float | None = None
    currency: str = ""
    samples_per_s_per_price: float | None = None
    samples_per_rent: float | None = None
    calibration: str = ""
    warnings: int = 0
    refusal: str = ""


COLUMNS = tuple(field.name for field in fields(Row))


@dataclass(frozen=True)
class Sweep:
    """A product of axes; iterating over it predicts its points one after the other, as :class:`Row` values."""

    chips: tuple[Any, ...]
    networks: tuple[Any, ...]
    batch: tuple[Batch, ...] = (None,)
    dtype: tuple[str, ...] = ("fp32",)
    mode: tuple[str, ...] = ("inference",)
    optimizer: tuple[str | None, ...] = (None,)
    stack: tuple[Any, ...] = (None,)
    bind: tuple[Mapping[str, int], ...] = ({},)
    what_if: tuple[Change, ...] = ({},)
    calibration: Any = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        for name in _AXES:
            if not getattr(self, name):
                raise UsageError(f"{name} of the sweep is empty; give at least one")
        if len(self) > MOST_POINTS:
            sizes = " x ".join(f"{len(getattr(self, n)):,} {n}" for n in _AXES if len(getattr(self, n)) > 1)
            raise UsageError(f"the sweep has {len(self):,} points ({sizes}); at most {MOST_POINTS:,} are predicted")

    def __len__(self) -> int:
        return prod(len(getattr(self, name)) for name in _AXES)

    def __iter__(self) -> Iterator[Row]:
        done, total = 0, len(self)
        chips = [[_changed(chip, change) for chip in self.chips] for change in self.what_if]
        for network in self.networks:
            found = _found(lambda network=network: network_of(network))  # type: ignore[misc]
            axes = (self.mode, self.optimizer, self.stack, self.dtype, self.bind, self.batch)
            for mode, optimizer, stack, dtype, bind, batch in product(*axes):
                for change, parts in zip(self.what_if, chips, strict=True):
                    for chip, part in zip(self.chips, parts, strict=True):
                        point = _point(network, chip, batch, dtype, mode, optimizer, stack, bind, change)
                        asked = {"batch": batch, "bind": bind, "dtype": dtype, "stack": stack}
                        asked |= {"mode": mode, "optimizer": optimizer, "calibration": self.calibration}
                        yield _row(point, part, found, asked)
                        done += 1
                        if self.progress:
                            self.progress(done, total, f"{point['network']} on {point['chip']}")

    def to_frame(self) -> Any:
        """All rows as a ``pandas.DataFrame``.

        Raises
        ------
        MissingExtra : pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise MissingExtra("a data frame", "pandas") from None
        return pandas.DataFrame([vars(row) for row in self], columns=list(COLUMNS))


_AXES = ("chips", "networks", "batch", "dtype", "mode", "optimizer", "stack", "bind", "what_if")


def sweep(
    chips: Any,
    networks: Any,
    *,
    batch: Batch | Sequence[Batch] = None,
    dtype: str | Sequence[str] = "fp32",
    mode: str | Sequence[str] = "inference",
    optimizer: str | Sequence[str | None] | None = None,
    stack: Stack | str | Sequence[Stack | str | None] | None = None,
    bind: Mapping[str, int | Sequence[int]] | None = None,
    what_if: Change | Sequence[Change] | None = None,
    calibration: str | Path | Calibration | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Many predictions: every combination of these, each of which may be one value or a list.

    ``for row in roofline.sweep(["gtx-980", "rtx-2070"], "resnet50", batch=[1, 8, 64]): print(row.samples_per_s)``

    Parameters
    ----------
    chips, networks : as for :func:`roofline.predict`; ``"all"`` is every one that has a file.
    batch, dtype, mode, optimizer, stack : as for :func:`roofline.predict`.
    bind : symbol -> size or sizes: ``{"seq": [128, 512]}``.
    what_if : figures of the chips to replace, see :func:`roofline.analysis.what_if.changed`; each change is a point.
    calibration : one for all points.
    progress : called with (points done, points in all, what is being predicted).

    Returns
    -------
    Sweep
        Its length is known; iterating over it predicts, ``to_frame()`` makes a data frame.

    Raises
    ------
    UsageError : an empty axis, or more than :data:`MOST_POINTS` points.
    """
    symbols = {name: _several(sizes) for name, sizes in (bind or {}).items()}
    return Sweep(
        chips=_all(chips, "chip"),
        networks=_all(networks, "network"),
        batch=_several(batch),
        dtype=_several(dtype),
        mode=_several(mode),
        optimizer=_several(optimizer),
        stack=_several(stack),
        bind=tuple(dict(zip(symbols, sizes, strict=True)) for sizes in product(*symbols.values())),
        what_if=({},) if what_if is None else (what_if,) if isinstance(what_if, Mapping) else tuple(what_if),
        calibration=calibration,
        progress=progress,
    )


def _several(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple | range) else (value,)


def _all(value: Any, kind: str) -> tuple[Any, ...]:
    from roofline import specs

    if isinstance(value, str) and value == "all":
        return tuple(specs.chips() if kind == "chip" else specs.networks())
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, str | Path | Chip) else (value,)


def _found(make: Callable[[], Any]) -> Any:
    """What is made, or the error that says why not."""
    try:
        return make()
    except RooflineError as error:
        return error


def _changed(chip: Any, change: Change) -> Any:
    return _found(lambda: changed(resolve_chip(chip), change))


def _point(
    network: Any,
    chip: Any,
    batch: Batch,
    dtype: str,
    mode: str,
    optimizer: str | None,
    stack: Any,
    bind: Mapping[str, int],
    change: Change,
) -> dict[str, Any]:
    """What is asked, as the first columns of a row."""
    return {
        "network": _name(network),
        "chip": _name(chip),
        "batch": batch if isinstance(batch, int) else None,
        "dtype": dtype,
        "mode": mode,
        "optimizer": (optimizer or "sgd") if mode == "training" else "",
        "stack": str(stack) if isinstance(stack, Stack) else stack or "eager",
        "symbols": _text(bind),
        "what_if": _text(change),
    }


def _name(value: Any) -> str:
    return str(getattr(value, "name", value))


def _text(values: Mapping[str, Any]) -> str:
    return "; ".join(f"{name}={value}" for name, value in values.items())


def _row(point: dict[str, Any], chip: Any, network: Any, asked: dict[str, Any]) -> Row:
    """One prediction, or the reason why there is none."""
    for found in (network, chip):
        if isinstance(found, RooflineError):
            return Row(**point, refusal=str(found))
    if asked["mode"] != "training":
        asked = asked | {"optimizer": None}
    try:
        made: Prediction = predict(chip, network, **asked)
    except RooflineError as error:
        return Row(**point, refusal=str(error))
    worth, bounds = made.worth, made.bounds
    return Row(
        **point | {"batch": made.batch, "chip": made.chip, "network": made.workload},
        low_s=made.seconds.low,
        seconds=made.seconds.middle,
        high_s=made.seconds.high,
        samples_per_s=made.samples_per_s,
        tokens_per_s=made.tokens_per_s,
        bound=next(iter(bounds), ""),
        bound_share=next(iter(bounds.values()), None),
        tier=made.tier,
        flops=made.flops,
        bytes=made.bytes,
        memory=made.memory.total,
        capacity=made.capacity,
        fits=made.fits,
        power_w=worth.power_w,
        samples_per_joule=worth.per_joule,
        price=worth.price.amount if worth.price else None,
        currency=worth.price.currency if worth.price else "",
        samples_per_s_per_price=worth.per_price,
        samples_per_rent=worth.per_rent,
        calibration=made.calibration,
        warnings=len(made.warnings),
    )
