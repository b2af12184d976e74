"""How is a result said in one line, as Python shows it in a list or at its prompt?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from roofline.analysis.explain import Explanation
from roofline.analysis.generate import Generation
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.comparison import Comparison
from roofline.core.network import Network
from roofline.core.prediction import Interval, Prediction
from roofline.core.validation import PublishedScores, Validation
from roofline.render.words import count, plural, samples, seconds
from roofline.units import format_bytes, format_si


def between(span: Interval) -> str:
    """``39.4 ms (35 to 44 ms)``."""
    return f"{seconds(span.middle)} ({seconds(span.low)} to {seconds(span.high)})"


def _prediction(made: Prediction) -> str:
    fits = {True: "fits in memory", False: "does not fit in memory", None: "memory size unknown"}[made.fits]
    rate = "" if made.fits is False else f", {count(made.samples_per_s)} {samples(made)}/s"
    told = f"; {plural(len(made.warnings), 'warning')}" if made.warnings else ""
    asked = f"{made.workload} on {made.chip}, batch {made.batch:,}, {made.dtype}, {made.mode}"
    return f"{asked}: {between(made.seconds)}{rate}, bound by {made.bound}, tier {made.tier}, {fits}{told}"


def _comparison(made: Comparison) -> str:
    best = max(made.predicted, key=lambda entry: entry.samples_per_s or 0.0)
    fastest = f"fastest {best.chip} in {best.dtype}, {count(best.samples_per_s or 0.0)} samples/s"
    return f"{made.workload} on {', '.join(made.chips)}: {plural(len(made.predicted), 'prediction')}, {fastest}"


def _generation(made: Generation) -> str:
    asked = f"{made.tokens:,} tokens after a prompt of {made.prompt:,}, batch {made.batch:,}, {made.prefill.dtype}"
    first, each = between(made.time_to_first_token), between(made.time_per_token)
    on = f"{made.prefill.workload} on {made.prefill.chip}"
    return f"{on}, {asked}: first token {first}, per token {each}, tier {made.last.tier}"


def _explanation(made: Explanation) -> str:
    kernels = plural(len(made.kernels), "kernel")
    return f"{made.layer} of {made.workload} on {made.chip}, {made.dtype}: {between(made.seconds)}, {kernels}"


def _validation(made: Validation) -> str:
    kinds = [(kind, len(made.of_kind(kind))) for kind in ("operator", "network")]
    told = ", ".join(f"{plural(number, kind)}" for kind, number in kinds if number)
    return f"{told}: median error {made.median:.1%}"


def _published(made: PublishedScores) -> str:
    return f"{plural(len(made.counted), 'published figure')}: median error {made.median:.1%}"


def _chip(made: Chip) -> str:
    peaks: dict[str, float] = {}
    for engine in made.engines:
        for precision in engine.rates:
            peaks[str(precision)] = max(peaks.get(str(precision), 0.0), engine.peak(precision))
    units = {"fp32": "FLOP/s", "fp16": "FLOP/s", "bf16": "FLOP/s", "int8": "OP/s"}
    shown = [f"{name} {format_si(peaks[name], unit)}" for name, unit in units.items() if name in peaks]
    bandwidth, capacity = made.dram.total_bandwidth, made.dram.total_capacity
    shown += [format_si(bandwidth, "B/s")] if bandwidth else []
    shown += [format_bytes(capacity)] if capacity else []
    return f"{made.name} ({made.title}, {made.architecture}): {', '.join(shown)}"


def _network(made: Network) -> str:
    sizes = ", ".join(f"{name}={default.text}" for name, default in made.symbols.items())
    return f"{made.name} ({made.title}): {sizes or 'no symbols'}"


def _calibration(made: Calibration) -> str:
    families = (
        plural(len(made.families), "kernel family") if len(made.families) == 1 else f"{len(made.families)} families"
    )
    return f"{made.chip}, {made.dtype}: {families}" + (f", {made.file}" if made.file else "")


_SAID: Mapping[type, Callable[[Any], str]] = {
    Prediction: _prediction,
    Comparison: _comparison,
    Generation: _generation,
    Explanation: _explanation,
    Validation: _validation,
    PublishedScores: _published,
    Chip: _chip,
    Network: _network,
    Calibration: _calibration,
}


def line(result: Any) -> str:
    """``<Prediction: resnet50 on rtx-2070, batch 32, fp32, inference: 56.5 ms (...)>``."""
    return f"<{type(result).__name__}: {_SAID[type(result)](result)}>"
