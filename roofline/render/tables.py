"""Which tables does a prediction, a comparison, a chip or a network make?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from roofline.analysis.count import Anatomy, LayerWork
from roofline.core.comparison import Comparison
from roofline.core.prediction import LayerPrediction, Prediction
from roofline.render.table import Column, Table, table
from roofline.render.words import count, gigabytes, percent, plural, seconds, times
from roofline.units import format_si

BAR = 20
"""Characters of the longest bar."""


@dataclass(frozen=True)
class Fold:
    """Layers that do the same work, told once: the first of them, and how many there are."""

    name: str
    layers: tuple[LayerPrediction, ...]

    @property
    def seconds(self) -> float:
        return sum(layer.seconds.middle for layer in self.layers)

    @property
    def flops(self) -> float:
        return sum(layer.flops for layer in self.layers)

    @property
    def bytes(self) -> float:
        return sum(layer.bytes for layer in self.layers)


def fold(layers: Sequence[LayerPrediction]) -> list[Fold]:
    """Layers of one template and equal shapes, in the order of the first of each."""
    groups: dict[tuple[str, ...], list[LayerPrediction]] = {}
    for layer in layers:
        key = (layer.template or layer.name, layer.op, layer.shapes, layer.bound, layer.phase)
        groups.setdefault(key, []).append(layer)
    return [Fold(key[0] if len(group) > 1 else group[0].name, tuple(group)) for key, group in groups.items()]


def _flops(value: float) -> str:
    return format_si(value, "") if value else "0"


LAYER_COLUMNS = (
    Column("layer", "layer"),
    Column("repeats", "", lambda n: f"x{n}" if n > 1 else "", right=True),
    Column("phase", "phase"),
    Column("kind", "kind", spare=3),
    Column("shapes", "shapes", spare=2),
    Column("flops", "FLOP", _flops, right=True, spare=1),
    Column("bytes", "bytes", gigabytes, right=True, spare=1),
    Column("low_s", "low", seconds, right=True, data_only=True),
    Column("seconds", "time", seconds, right=True),
    Column("high_s", "high", seconds, right=True, data_only=True),
    Column("share", "share", percent, right=True),
    Column("bound", "bound by"),
    Column("tier", "tier"),
)


def layer_table(prediction: Prediction, top: int | None = None) -> Table:
    """The layers in program order, equal ones folded; with ``top`` only those that take longest."""
    folds = fold(prediction.layers)
    whole = prediction.seconds.middle or 1.0
    kept = folds
    if top is not None and top < len(folds):
        largest = sorted(folds, key=lambda group: -group.seconds)[:top]
        kept = [group for group in folds if group in largest]
    rows = [_layer_row(group, whole) for group in kept]
    notes = []
    if len(kept) < len(folds):
        rest = [group for group in folds if group not in kept]
        number = sum(len(group.layers) for group in rest)
        share = sum(group.seconds for group in rest) / whole
        takes = "takes" if number == 1 else "take"
        notes.append(f"{plural(number, 'more layer')} {takes} {percent(share)} of the time; --layers all shows all")
    result = table("Layers in program order", LAYER_COLUMNS, rows, *notes)
    for key, values in (
        ("tier", {layer.tier for layer in prediction.layers}),
        ("phase", {layer.phase for layer in prediction.layers}),
    ):
        if len(values) == 1:
            result = without(result, key, text_only=True)
    return result


def _layer_row(group: Fold, whole: float) -> list[Any]:
    first, layers = group.layers[0], group.layers
    return [
        group.name,
        len(layers),
        first.phase,
        first.op,
        first.shapes,
        group.flops,
        group.bytes,
        sum(layer.seconds.low for layer in layers),
        group.seconds,
        sum(layer.seconds.high for layer in layers),
        group.seconds / whole,
        first.bound,
        first.tier,
    ]


def without(source: Table, key: str, *, text_only: bool = False) -> Table:
    """The table with a column removed, or (``text_only``) kept for CSV alone."""
    index = [column.key for column in source.columns].index(key)
    if text_only:
        column = source.columns[index]
        columns = (*source.columns[:index], replace(column, data_only=True), *source.columns[index + 1 :])
        return Table(source.caption, columns, source.rows, source.notes)
    columns = source.columns[:index] + source.columns[index + 1 :]
    rows = tuple(row[:index] + row[index + 1 :] for row in source.rows)
    return Table(source.caption, columns, rows, source.notes)


def bar(value: float, largest: float) -> str:
    """A horizontal bar in eighths of a character."""
    eighths = round(value / largest * BAR * 8) if largest > 0 else 0
    whole, rest = divmod(max(eighths, 1), 8)
    return "█" * whole + ("▏▎▍▌▋▊▉"[rest - 1] if rest else "")


def comparison_table(comparison: Comparison) -> Table:
    """Chips beside each other with bars; one that lacks the precision says so in its row."""
    largest = max((entry.samples_per_s or 0.0 for entry in comparison.entries), default=0.0)
    first, base = comparison.chips[0], comparison.predicted[0]
    batches = {entry.prediction.batch for entry in comparison.predicted if entry.prediction}
    # one column, one currency: prices in others are not comparable and stay out
    currency = next((entry.price.currency for entry in comparison.entries if entry.price), "")
    columns = [
        Column("chip", "chip"),
        Column("dtype", "dtype"),
        Column("batch", "batch", lambda n: f"{n:,}", right=True, data_only=len(batches) == 1),
        Column("low_s", "low", seconds, right=True, data_only=True),
        Column("seconds", "per batch", seconds, right=True, spare=2),
        Column("high_s", "high", seconds, right=True, data_only=True),
        Column("samples_per_s", "samples/s", count, right=True),
        Column("between", "between", text_only=True, right=True),
        Column("bar", "", text_only=True, spare=1),
        Column("fits", "memory", lambda fits: "" if fits else "does not fit"),
        Column("speedup", f"vs {first},\nsame dtype", times, right=True),
        Column("speedup_over_first", f"vs {base.chip},\n{base.dtype}", times, right=True),
        Column("rule", "rule of thumb", times, right=True, data_only=True),
        Column(f"samples_per_s_per_{currency or 'price'}", f"samples/s\nper {currency}", count, right=True, spare=3),
        Column(f"samples_per_{currency or 'price'}_of_rent", f"samples\nper {currency}", count, right=True, spare=3),
        Column("samples_per_joule", "samples\nper joule", count, right=True, spare=4),
        Column("tier", "tier", data_only=True),
        Column("refusal", "refusal", data_only=True),
        Column("reason", "reason", data_only=True),
    ]
    rows = []
    for entry in comparison.entries:
        prediction = entry.prediction
        span = prediction.seconds if prediction else None
        rows.append(
            [
                entry.chip,
                entry.dtype,
                prediction.batch if prediction else None,
                span.low if span else None,
                span.middle if span else None,
                span.high if span else None,
                entry.samples_per_s,
                _between(prediction) if prediction else None,
                bar(entry.samples_per_s, largest) if entry.samples_per_s else "not supported",
                prediction.fits if prediction else None,
                entry.speedup if entry.chip != first else None,
                entry.speedup_over_first,
                entry.rule,
                entry.per_price if entry.price and entry.price.currency == currency else None,
                entry.per_rent if entry.price and entry.price.currency == currency else None,
                entry.per_watt,
                prediction.tier if prediction else None,
                entry.refusal or None,
                entry.reason or None,
            ]
        )
    refusals = [entry.refusal for entry in comparison.entries if entry.refusal]
    size = f", batch {batches.pop():,}" if len(batches) == 1 else ""
    result = table(f"{comparison.workload}{size}: samples per second", columns, rows, *dict.fromkeys(refusals))
    hideable = [column.key for column in columns if column.key.startswith(("samples_per_", "speedup"))]
    for key in hideable:
        result = _hide_if_empty(result, key)
    if all(entry.prediction is None or entry.prediction.fits is not False for entry in comparison.entries):
        result = without(result, "fits", text_only=True)
    if len(comparison.dtypes) == 1:
        result = without(result, "speedup_over_first", text_only=True)
    return result


def _between(prediction: Prediction) -> str:
    """The interval of the samples per second."""
    ends = (prediction.batch / end for end in (prediction.seconds.high, prediction.seconds.low))
    return " to ".join(map(count, ends))


def _hide_if_empty(source: Table, key: str) -> Table:
    index = [column.key for column in source.columns].index(key)
    return source if any(row[index] is not None for row in source.rows) else without(source, key, text_only=True)


def anatomy_table(net: Anatomy) -> Table:
    """The layers of a network in program order, equal ones folded."""
    groups: dict[tuple[str, str, str, int], list[LayerWork]] = {}
    for layer in net.layers:
        groups.setdefault((layer.template, layer.op, layer.shapes, layer.parameters), []).append(layer)

    def total(group: list[LayerWork], read: Callable[[LayerWork], float]) -> float:
        return sum(read(layer) for layer in group)

    columns = (
        Column("layer", "layer"),
        Column("repeats", "", lambda n: f"x{n}" if n > 1 else "", right=True),
        Column("kind", "kind"),
        Column("shapes", "shapes", spare=2),
        Column("parameters", "parameters", lambda n: f"{n:,}", right=True),
        Column("flops", "FLOP", _flops, right=True),
        Column("bytes", "bytes", gigabytes, right=True),
        Column("intensity", "FLOP/B", count, right=True),
        Column("kernels", "kernels", str, right=True, data_only=True),
    )
    rows = []
    for (template, op, shapes, parameters), group in groups.items():
        flops, moved = total(group, lambda layer: layer.flops), total(group, lambda layer: layer.bytes)
        name = template if len(group) > 1 else group[0].name
        kernels = sum(layer.kernels for layer in group)
        own = parameters * len(group)
        rows.append([name, len(group), op, shapes, own, flops, moved, flops / moved if moved else 0.0, kernels])
    return table(f"{net.title}: layers in program order", columns, rows)
