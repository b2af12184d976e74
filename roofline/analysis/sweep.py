"""How fast is every network on every chip, at every batch and in every precision? Many predictions in one table.

A sweep is a product of axes. Its points come in a fixed order: networks, modes, optimizers, stacks, precisions, other
symbols, batches, changes of the chips, chips. Chips come last because a network is lowered once for all of them.
Every row is what :func:`roofline.predict` says; a point that cannot be predicted is a row with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from roofline import specs
from roofline.analysis.what_if import Change, changed
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.frames import data_frame
from roofline.core.prediction import Prediction
from roofline.core.stack import Stack
from roofline.errors import RooflineError, UsageError
from roofline.prediction.largest_batch import Batch
from roofline.prediction.predict import predict
from roofline.prediction.question import network_of
from roofline.prediction.select import resolve_chip

MOST_POINTS = 10**8
"""Points of a sweep: more take weeks."""
SEPARATOR = " | "
ALL = "all"
Progress = Callable[[int, int, str], None]
"""Called with (points done, points in all, what is being predicted)."""


@dataclass(frozen=True)
class Row:
    """One point of a sweep. Seconds, bytes, samples per second; None where nothing is known.

    symbols, what_if : as text, ``seq=512``, ``DRAM.bandwidth=600 GB/s``.
    bound_share : share of the time that the bound limits. warnings : joined by :data:`SEPARATOR`.
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
    warnings: str = ""
    refusal: str = ""


COLUMNS = tuple(column.name for column in fields(Row))


@dataclass(frozen=True, repr=False)
class Sweep:
    """A product of axes; iterating over it predicts its points one after the other, as :class:`Row` values.

    ``bind`` has the sizes of each symbol. In inference there is no optimizer, so its axis counts in training alone.
    """

    chips: Sequence[Any]
    networks: Sequence[Any]
    batch: Sequence[Batch] = (None,)
    dtype: Sequence[str] = ("fp32",)
    mode: Sequence[str] = ("inference",)
    optimizer: Sequence[str | None] = (None,)
    stack: Sequence[Any] = (None,)
    bind: Mapping[str, Sequence[int]] = field(default_factory=dict)
    what_if: Sequence[Change] = ({},)
    calibration: Any = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        for name, size in self._sizes().items():
            if not size:
                raise UsageError(f"{name} of the sweep is empty; give at least one")
        if self.points > MOST_POINTS:
            told = f"{self.points:,} points ({self._axes()})"
            raise UsageError(f"the sweep has {told}; at most {MOST_POINTS:,} are predicted")

    def _sizes(self) -> dict[str, int]:
        """The length of every axis."""
        names = ("chips", "networks", "batch", "dtype", "mode", "optimizer", "stack", "what_if")
        return {name: len(getattr(self, name)) for name in names} | {name: len(of) for name, of in self.bind.items()}

    def _axes(self) -> str:
        return " x ".join(f"{size:,} {name}" for name, size in self._sizes().items() if size > 1)

    @property
    def points(self) -> int:
        """How many points it has; ``len`` is the same, and cannot count beyond 2**63."""
        sizes = self._sizes()
        training = sum(mode == "training" for mode in self.mode)
        runs = len(self.mode) + training * (sizes.pop("optimizer") - 1)
        del sizes["mode"]
        return runs * prod(sizes.values())

    def __len__(self) -> int:
        return self.points

    def __repr__(self) -> str:
        return f"<Sweep: {self.points:,} points; {self._axes() or 'one of everything'}>"

    def __iter__(self) -> Iterator[Row]:
        done, total = 0, self.points
        chips = [[_found(partial(_changed, chip, change)) for chip in self.chips] for change in self.what_if]
        runs = [(mode, one) for mode in self.mode for one in (self.optimizer if mode == "training" else (None,))]
        for network in self.networks:
            found = _found(partial(network_of, network))
            for (mode, optimizer), stack, dtype, *sizes in product(runs, self.stack, self.dtype, *self.bind.values()):
                bind = dict(zip(self.bind, sizes, strict=True))
                how = {"mode": mode, "optimizer": optimizer, "stack": stack, "dtype": dtype, "bind": bind}
                for batch in self.batch:
                    for change, parts in zip(self.what_if, chips, strict=True):
                        for chip, part in zip(self.chips, parts, strict=True):
                            row = self._row(network, chip, change, part, found, how | {"batch": batch})
                            yield row
                            done += 1
                            if self.progress:
                                self.progress(done, total, f"{row.network} on {row.chip}")

    def _row(self, network: Any, chip: Any, change: Change, part: Any, found: Any, how: dict[str, Any]) -> Row:
        """One prediction, or the reason why there is none: of the network, of the chip, or of the two together."""
        mode, stack, batch = how["mode"], how["stack"], how["batch"]
        point = {
            "network": _name(network),
            "chip": _name(chip),
            "batch": batch if isinstance(batch, int) else None,
            "dtype": how["dtype"],
            "mode": mode,
            "optimizer": (how["optimizer"] or "sgd") if mode == "training" else "",
            "stack": str(stack) if isinstance(stack, Stack) else stack or "eager",
            "symbols": _text(how["bind"]),
            "what_if": _text(change),
        }
        for one in (found, part):
            if isinstance(one, RooflineError):
                return Row(**point, refusal=str(one))
        made = _found(partial(predict, part, found, calibration=self.calibration, **how))
        return Row(**point, refusal=str(made)) if isinstance(made, RooflineError) else _predicted(point, made)

    def to_frame(self) -> Any:
        """All rows as a ``pandas.DataFrame``.

        Raises
        ------
        MissingExtra : pandas is not installed.
        """
        return data_frame((tuple(vars(row).values()) for row in self), COLUMNS)


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
    return Sweep(
        chips=specs.chips() if chips == ALL else _several(chips),
        networks=specs.networks() if networks == ALL else _several(networks),
        batch=_several(batch),
        dtype=_several(dtype),
        mode=_several(mode),
        optimizer=_several(optimizer),
        stack=_several(stack),
        bind={name: _several(sizes) for name, sizes in (bind or {}).items()},
        what_if=({},) if what_if is None else _several(what_if),
        calibration=calibration,
        progress=progress,
    )


def _several(value: Any) -> Sequence[Any]:
    """A list, a tuple or a range as it is, anything else as the only entry."""
    return value if isinstance(value, list | tuple | range) else (value,)


def _found(make: Callable[[], Any]) -> Any:
    """What is made, or the error that says why not."""
    try:
        return make()
    except RooflineError as error:
        return error


def _changed(chip: Any, change: Change) -> Chip:
    return changed(resolve_chip(chip), change)


def _name(value: Any) -> str:
    return str(getattr(value, "name", value))


def _text(values: Mapping[str, Any]) -> str:
    return "; ".join(f"{name}={value}" for name, value in values.items())


def _predicted(point: dict[str, Any], made: Prediction) -> Row:
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
        warnings=SEPARATOR.join(made.warnings),
    )
