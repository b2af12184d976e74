"""How do predictions compare with figures that vendors and papers published?

Every figure of ``reports/published`` is predicted like a measurement, and again by the model of its chip with nothing
fitted. Figures of networks with unpublished layers are counted, not predicted.
"""

from __future__ import annotations

from roofline import specs
from roofline.core.calibration import Calibration
from roofline.core.dtype import precision as parse_precision
from roofline.core.measurement import Measurement
from roofline.core.validation import PublishedScores, Scored
from roofline.errors import DataError
from roofline.measurements.store import read_measurements
from roofline.prediction.select import mismatch, resolve_chip
from roofline.validation.validate import validate

UNKNOWN = "unknown shapes"
"""Flag of a figure whose network is not known in detail."""


def score_published(calibration: Calibration | str | None = None) -> PublishedScores:
    """Score every published figure; ``calibration`` as for :func:`roofline.validation.validate.validate`.

    Raises
    ------
    DataError : there are no files of published figures.
    """
    files = specs.published_files()
    if not files:
        raise DataError("no folder reports/published here, and none is installed; run in a source checkout")
    rows = [row for file in files for row in read_measurements(file).measurements]
    known = [row for row in rows if UNKNOWN not in row.flags]
    found = validate(known, calibration=calibration)
    bare = tuple(_unfitted(row) for row in found.rows)
    apart = {f"{row.network}: {row.what}": 1 for row in rows if UNKNOWN in row.flags}
    return PublishedScores(found.rows, bare, {**found.skipped, **apart})


def _unfitted(row: Scored) -> float:
    """Seconds of the chip's model with nothing fitted, where it has one; else the plain roofline."""
    measured: Measurement = row.measurement
    chip, unfitted = resolve_chip(measured.chip), specs.load_unfitted()
    if mismatch(unfitted, chip, parse_precision(measured.dtype), measured.stack):
        return row.plain
    return validate([measured], calibration=unfitted).rows[0].predicted
