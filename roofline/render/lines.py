"""How is a result said in one line, as Python shows it in a list or at its prompt? One function for each kind."""

from __future__ import annotations

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


def prediction(made: Prediction) -> str:
    fits = {True: "fits in memory", False: "does not fit in memory", None: "memory size unknown"}[made.fits]
    rate = "" if made.fits is False else f", {count(made.samples_per_s)} {samples(made)}/s"
    told = f"; {plural(len(made.warnings), 'warning')}" if made.warnings else ""
    asked = f"{made.workload} on {made.chip}, batch {made.batch:,}, {made.dtype}, {made.mode}"
    return f"{asked}: {between(made.seconds)}{rate}, bound by {made.bound}, tier {made.tier}, {fits}{told}"


def comparison(made: Comparison) -> str:
    best = max(made.predicted, key=lambda entry: entry.samples_per_s or 0.0)
    fastest = f"fastest {best.chip} in {best.dtype}, {count(best.samples_per_s or 0.0)} samples/s"
    return f"{made.workload} on {', '.join(made.chips)}: {plural(len(made.predicted), 'prediction')}, {fastest}"


def generation(made: Generation) -> str:
    asked = f"{made.tokens:,} tokens after a prompt of {made.prompt:,}, batch {made.batch:,}, {made.prefill.dtype}"
    first, each = between(made.time_to_first_token), between(made.time_per_token)
    on = f"{made.prefill.workload} on {made.prefill.chip}"
    return f"{on}, {asked}: first token {first}, per token {each}, tier {made.last.tier}"


def explanation(made: Explanation) -> str:
    kernels = plural(len(made.kernels), "kernel")
    return f"{made.layer} of {made.workload} on {made.chip}, {made.dtype}: {between(made.seconds)}, {kernels}"


def validation(made: Validation) -> str:
    kinds = [(kind, len(made.of_kind(kind))) for kind in ("operator", "network")]
    told = ", ".join(f"{plural(number, kind)}" for kind, number in kinds if number)
    return f"{told}: median error {made.median:.1%}"


def published(made: PublishedScores) -> str:
    return f"{plural(len(made.counted), 'published figure')}: median error {made.median:.1%}"


def chip(made: Chip) -> str:
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


def network(made: Network) -> str:
    sizes = ", ".join(f"{name}={default.text}" for name, default in made.symbols.items())
    return f"{made.name} ({made.title}): {sizes or 'no symbols'}"


def calibration(made: Calibration) -> str:
    number = len(made.families)
    families = f"{number} kernel {'family' if number == 1 else 'families'}"
    return f"{made.chip}, {made.dtype}: {families}" + (f", {made.file}" if made.file else "")
