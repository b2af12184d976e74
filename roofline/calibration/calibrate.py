"""What do measurements say about a chip? The one entry to the fits of all kinds of device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from roofline import specs
from roofline.calibration.kinds import fitting_of
from roofline.calibration.machine import chip_of
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.errors import DataError, UsageError
from roofline.measurements.store import read_measurements


def calibrate(
    measurements: str | Path | Sequence[Measurement],
    chip: str | Chip | None = None,
    *,
    dtype: str = "fp32",
    architecture: str | None = None,
    alone: bool = False,
    origin: Mapping[str, str] | None = None,
) -> Calibration:
    """Fit the model of a kind of device to measurements.

    ``roofline.predict(chip, network, calibration=roofline.calibrate("here.jsonl"))``

    Parameters
    ----------
    measurements : the path of a file of measurements, or measurements.
    chip : whose measurements to use, where there are several; a value where no file describes the chip.
    dtype : of a CPU: the precision whose measurements to use.
    architecture : of GPUs: parameters for every card of an architecture, ``any`` for all GPUs; of NPUs and TPUs: the
        constants of their software for another architecture that it runs on.
    alone : of a CPU: without parameters transferred from other CPUs to operators of few measurements.
    origin : what the calibration says of where it is from; by default the name and SHA-256 of the file.

    Returns
    -------
    Calibration
        Parameters, their uncertainty, held-out errors; ``print`` shows them by family of kernels.

    Raises
    ------
    DataError : no measurement of that chip, or of several chips without a choice.
    UsageError : both a chip and an architecture.
    """
    if architecture and chip:
        raise UsageError("chip and architecture exclude each other; give one of them")
    if isinstance(measurements, str | Path):
        read = read_measurements(Path(measurements))
        rows: Sequence[Measurement] = read.measurements
        header = read.header
        origin = origin or {"file": Path(measurements).name, "sha256": read.sha256}
    else:
        rows, header = measurements, None
    data = dict(origin or {})
    if architecture:
        return _architecture(rows, architecture, data)
    part = chip if isinstance(chip, Chip) else chip_of(rows, chip or only_chip(rows), header)
    return fitting_of(part.kind).calibrate(rows, part, dtype, alone, data)


def only_chip(measurements: Sequence[Measurement]) -> str:
    """The one chip that the measurements are of.

    Raises
    ------
    DataError : they are of several chips, or there are none.
    """
    names = sorted({row.chip for row in measurements})
    if len(names) == 1:
        return names[0]
    if not names:
        raise DataError("there are no measurements to fit")
    raise DataError(f"the measurements are of {', '.join(names)}; choose one chip (--chip)")


def _architecture(measurements: Sequence[Measurement], architecture: str, data: dict[str, str]) -> Calibration:
    """The parameters of all chips of an architecture, or of all chips of a kind."""
    known = specs.list_chips()
    chips = {name: specs.load_chip(name) for name in {row.chip for row in measurements} if name in known}
    fits = {name: fitting_of(chip.kind) for name, chip in chips.items()}
    able = list(dict.fromkeys(fit.architecture for fit in fits.values() if fit.architecture))
    if len(able) != 1:
        have = ", ".join(chips) or f"no known chip ({', '.join(sorted({row.chip for row in measurements}))})"
        why = (
            "which are fitted by different models; fit one kind at a time"
            if able
            else "none of which shares parameters with other chips"
        )
        raise DataError(f"--architecture {architecture}: the file has measurements of {have}, {why}")
    (fit,) = able
    return fit(measurements, architecture, {n: c for n, c in chips.items() if fits[n].architecture is fit}, data)
