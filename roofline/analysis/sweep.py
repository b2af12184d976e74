"""How fast is every network on every chip, at every batch and in every precision? Many predictions in one table.

A sweep is a product of axes. Its points come in a fixed order: networks, modes, optimizers, stacks, precisions, other
symbols, batches, changes of the chips, chips. Chips come last because a network is lowered once for all of them.
Every row is what :func:`roofline.predict` says; a point that cannot be predicted is a row with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Any

from roofline import specs
from roofline.analysis.rows import COLUMNS, SEPARATOR, Row, figures_of
from roofline.analysis.what_if import Change, changed
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.frames import data_frame
from roofline.core.network import Network
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.errors import RooflineError, UsageError
from roofline.prediction.answers import Question, answers
from roofline.prediction.largest_batch import Batch
from roofline.prediction.question import network_of, notes_of
from roofline.prediction.select import resolve_chip
from roofline.prediction.setting import Setting

CHUNK = 10_000
"""Points that are asked together."""
MOST_POINTS = 10**8
"""Points of a sweep: more take weeks."""
ALL = "all"
Progress = Callable[[int, int, str], None]
"""Called with (points done, points in all, what is being predicted)."""


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
        done, total, points = 0, self.points, self._points()
        while some := list(islice(points, CHUNK)):
            questions = {index: one for index, (_, one, _) in enumerate(some) if isinstance(one, Question)}
            made = answers(list(questions.values()), figures_of)
            found = dict(zip(questions, made, strict=True))
            for index, (point, one, notes) in enumerate(some):
                row = Row(**point | (found.get(index) or {"refusal": str(one)}), notes=SEPARATOR.join(notes))
                yield row
                done += 1
                if self.progress:
                    self.progress(done, total, f"{row.network} on {row.chip}")

    def _points(self) -> Iterator[tuple[dict[str, Any], Question | RooflineError, tuple[str, ...]]]:
        """The points in their order: how each is written, what it asks (or why it cannot), notes of its network."""
        runs = [(mode, one) for mode in self.mode for one in (self.optimizer if mode == "training" else (None,))]
        variants = [(change, chip) for change in self.what_if for chip in self.chips]
        chips = [_found(partial(_changed, chip, change)) for change, chip in variants]
        where = [{"chip": _name(chip), "what_if": _text(change)} for change, chip in variants]
        settings: dict[tuple[int, int], list[Any]] = {}
        for network in self.networks:
            net = _found(partial(network_of, network))
            notes = notes_of(net) if isinstance(net, Network | Workload) else ()
            ways = product(runs, enumerate(self.stack), enumerate(self.dtype), *self.bind.values())
            for run, (i, on), (j, kind), *sizes in ways:
                bind = dict(zip(self.bind, sizes, strict=True))
                if (i, j) not in settings:
                    settings[i, j] = [_found(partial(self._setting, chip, kind, on)) for chip in chips]
                task = _found(partial(Run.of, None, *run))
                how = {
                    "network": _name(network),
                    "dtype": kind,
                    "mode": run[0],
                    "optimizer": (run[1] or "sgd") if run[0] == "training" else "",
                    "stack": str(on) if isinstance(on, Stack) else on or "eager",
                    "symbols": _text(bind),
                }
                for batch in self.batch:
                    point = how | {"batch": batch if isinstance(batch, int) else None}
                    programs: dict[Any, Any] = {}
                    for place, setting in zip(where, settings[i, j], strict=True):
                        wrong = next((one for one in (setting, task, net) if isinstance(one, RooflineError)), None)
                        yield point | place, wrong or _asked(setting, net, batch, bind, task, programs), notes

    def _setting(self, chip: Chip | RooflineError, dtype: str, stack: Any) -> Setting:
        if isinstance(chip, RooflineError):
            raise chip
        return Setting.of(chip, dtype, stack, self.calibration)

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


def _asked(
    setting: Setting, network: Any, batch: Batch, bind: Mapping[str, int], run: Run, programs: dict[Any, Any]
) -> Question | RooflineError:
    """The question of one point; ``programs`` has those of the points beside it, which differ in chips alone."""
    same = id(setting) if isinstance(batch, str) else (setting.model.cuda, setting.precision)
    if same not in programs:
        programs[same] = _found(partial(setting.program, network, batch=batch, bind=bind, run=run))
    program = programs[same]
    return program if isinstance(program, RooflineError) else Question(setting, program)


def _changed(chip: Any, change: Change) -> Chip:
    return changed(resolve_chip(chip), change)


def _name(value: Any) -> str:
    return str(getattr(value, "name", value))


def _text(values: Mapping[str, Any]) -> str:
    return "; ".join(f"{name}={value}" for name, value in values.items())
