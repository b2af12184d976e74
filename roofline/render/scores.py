"""A validation as tables and as points to draw."""

from __future__ import annotations

from dataclasses import dataclass

from roofline.core.calibration import NOTHING_HELD_OUT, Calibration
from roofline.core.validation import SEEN, PublishedScores, Score, Scored, Validation
from roofline.render.table import Column, Table, table
from roofline.render.words import percent, seconds
from roofline.units import format_si

_SCORES = (
    Column("rows", "count", lambda n: f"{n:,}", right=True),
    Column("median", "median\nerror", percent, right=True),
    Column("mean", "mean", percent, right=True, spare=3),
    Column("p90", "p90", percent, right=True),
    Column("worst", "worst", percent, right=True, spare=2),
    Column("bias", "bias", lambda x: f"{x:+.1%}", right=True, spare=1),
    Column("interval_coverage", "inside\ninterval", percent, right=True),
    Column("interval_width", "high / low\n(median)", lambda x: f"{x:.2f}", right=True),
    Column("rank_correlation", "rank\ncorrelation", lambda x: f"{x:.3f}", right=True, spare=4),
    Column("plain_median", "plain roofline,\nmedian error", percent, right=True),
)


_HELD_OUT = {
    "card left out": "by fits without each GPU in turn",
    "half of the calls seen": "by fits to the other half of the calls of each GPU",
}


@dataclass(frozen=True)
class Pair:
    """A prediction with its measurement, in seconds; ``group`` is what it is coloured by.

    ``name`` is written beside it where there is room; ``low`` and ``high`` are the predicted interval.
    """

    group: str
    predicted: float
    measured: float
    low: float | None = None
    high: float | None = None
    name: str = ""


def _cells(score: Score) -> list[float | int | None]:
    values = score.to_dict()
    return [values[column.key] for column in _SCORES]


def _how(validation: Validation, kind: str) -> str:
    """What the predictions of one kind of measurements rest on."""
    rows = validation.of_kind(kind)
    if {row.tier for row in rows} == {"datasheet"}:
        return "by the plain roofline of the spec sheets"
    mixed = " (chips without a calibration: by the plain roofline)" if "datasheet" in {r.tier for r in rows} else ""
    if any(row.held_out in ("in the fit", "published") for row in rows):
        return "with constants of software stacks, which were fitted to such figures"
    # rows of several kernels are in no fit
    held = {row.held_out for row in rows if row.tier != "datasheet"} - {"rows of other kinds"} or {"shape group"}
    if kind == "network" and held <= {"network"}:
        return f"from operator measurements alone{mixed}"
    if len(held) == 1 and not held & {"shape group", "other data", SEEN}:
        (how,) = held
        return _HELD_OUT.get(how, f"with held-out {how}")
    words = {
        frozenset({"shape group"}): "held out by shape group",
        frozenset({"other data"}): "by a fit to other data",
        frozenset({SEEN}): "by a fit that includes them",
    }
    return words.get(frozenset(held), "held out where the fit includes their shapes") + mixed


def score_table(validation: Validation, kind: str) -> Table:
    """Scores of operators by family, or of networks one by one, the total first."""
    if kind == "operator":
        total, groups, what = validation.operators, validation.by("operator", lambda row: row.family), "family"
        caption = f"Operators, predicted {_how(validation, kind)}"
    else:
        total, groups, what = (
            validation.networks,
            validation.by("network", lambda row: row.measurement.label),
            "network",
        )
        caption = f"Networks, predicted {_how(validation, kind)}"
    rows: list[list[object]] = [] if total is None else [["all", *_cells(total)]]
    rows += [[name, *_cells(value)] for name, value in groups.items()]
    return table(caption, [Column(what, what), *_SCORES], rows)


def network_table(validation: Validation) -> Table:
    """Every measured network: seconds, prediction, interval, error, and the plain roofline's error."""
    columns = [
        Column("network", "network"),
        Column("measured_s", "measured", seconds, right=True),
        Column("predicted_s", "predicted", seconds, right=True),
        Column("low_s", "from", seconds, right=True, spare=2),
        Column("high_s", "to", seconds, right=True, spare=2),
        Column("error", "error", lambda x: f"{x:+.1%}", right=True),
        Column("plain_error", "plain roofline", lambda x: f"{x:+.0%}", right=True),
        Column("tier", "tier", spare=1),
    ]
    rows = [
        [
            row.measurement.label,
            row.measured,
            row.predicted,
            row.low,
            row.high,
            row.error,
            row.plain / row.measured - 1,
            row.tier,
        ]
        for row in validation.of_kind("network")
    ]
    return table("Networks: predicted against measured", columns, rows)


def published_table(scored: PublishedScores) -> Table:
    """Every cited figure: measured, predicted, and the errors of the model with nothing fitted and of the roofline."""
    columns = [
        Column("chip", "chip"),
        Column("figure", "figure", wrap=True),
        Column("serving", "serving", spare=3),
        Column("measured_s", "measured", seconds, right=True),
        Column("predicted_s", "predicted", seconds, right=True),
        Column("low_s", "from", seconds, right=True, spare=1),
        Column("high_s", "to", seconds, right=True, spare=1),
        Column("error", "error", lambda x: f"{x:+.1%}", right=True),
        Column("unfitted_error", "unfitted\nmodel", lambda x: f"{x:+.0%}", right=True),
        Column("plain_error", "plain\nroofline", lambda x: f"{x:+.0%}", right=True),
        Column("tier", "tier", spare=4),
        Column("seen", "in its\nfit", spare=2),
        Column("flags", "note", ", ".join, wrap=True, spare=5),
        Column("what", "what was measured", data_only=True),
        Column("provenance", "source", data_only=True),
    ]
    rows = [
        [
            row.measurement.chip,
            row.measurement.label,
            row.measurement.stack.serving,
            row.measured,
            row.predicted,
            row.low,
            row.high,
            row.error,
            bare / row.measured - 1,
            row.plain / row.measured - 1,
            row.tier,
            "yes" if row.measurement.fit else "no",
            list(row.measurement.flags),
            row.measurement.what,
            row.measurement.provenance,
        ]
        for row, bare in zip(scored.rows, scored.unfitted, strict=True)
    ]
    return table("Published figures: predicted against measured", columns, rows, *scored.summary())


def worst_table(validation: Validation, count: int = 10) -> Table:
    """The measurements that were predicted worst."""
    columns = [
        Column("family", "family"),
        Column("row", "what", wrap=True),
        Column("measured_s", "measured", seconds, right=True),
        Column("predicted_s", "predicted", seconds, right=True),
        Column("error", "error", lambda x: f"{x:+.0%}", right=True),
    ]
    rows = [
        [row.family, row.measurement.label, row.measured, row.predicted, row.error] for row in validation.worst(count)
    ]
    return table("Worst predictions", columns, rows)


def rows_table(result: Validation) -> Table:
    """Every scored measurement: for CSV and data frames."""
    keys = (
        *("kind", "family", "chip", "dtype", "label", "measured_s", "predicted_s", "low_s", "high_s"),
        *("plain_s", "error", "tier", "held_out"),
    )
    rows = [
        (
            *(row.measurement.kind, row.family, row.measurement.chip, row.measurement.dtype, row.measurement.label),
            *(row.measured, row.predicted, row.low, row.high, row.plain, row.error, row.tier, row.held_out),
        )
        for row in result.rows
    ]
    return table("Scored measurements", [Column(key, key) for key in keys], rows)


def fit_table(fitted: Calibration) -> Table:
    """How well each plan of a calibration predicts what was held out of its fit."""
    columns = [
        Column("plan", "plan"),
        Column("points", "count", lambda n: f"{n:,}", right=True),
        Column("median_error", "median\nerror", percent, right=True),
        Column("p90_error", "p90", percent, right=True),
        Column("parameters", "parameters", str, right=True),
        Column("borrowed", "operators\nborrowed", str, right=True),
        Column("smallest_flops", "from", lambda x: format_si(x, "FLOP"), right=True, spare=1),
        Column("largest_flops", "to", lambda x: format_si(x, "FLOP"), right=True, spare=1),
    ]
    rows = [
        [
            *(name, fit.points, *((None, None) if others else (fit.median_error, fit.p90_error))),
            *(len(fit.parameters), len(fit.borrowed)),
            *fit.range.get("flops", (None, None)),
        ]
        for name, fit in fitted.families.items()
        # of a plan with too few rows to hold any out, the errors are those of other machines
        for others in [not fit.range]
    ]
    what = "held-out errors of the fitted plans" if _held_out(fitted) else "errors on the figures in the fit"
    return table(f"{fitted.chip}, {fitted.dtype}: {what}", columns, rows)


def _held_out(fitted: Calibration) -> bool:
    """Whether the errors of a fit are of what it had not seen."""
    return fitted.data.get("held_out") != NOTHING_HELD_OUT


def pairs_of(rows: tuple[Scored, ...]) -> list[Pair]:
    """Scored rows as points of a scatter; networks carry their names and intervals."""
    return [
        Pair(row.family, row.predicted, row.measured, row.low, row.high, row.measurement.network)
        if row.measurement.kind == "network"
        else Pair(row.family, row.predicted, row.measured)
        for row in rows
    ]
