"""How is the time of one layer explained? The formula with its numbers filled in, line by line."""

from __future__ import annotations

from collections.abc import Iterator

from roofline.analysis.explain import Explanation, KernelAccount, Part
from roofline.core.resources import RESOURCES
from roofline.core.tiers import meaning_of
from roofline.devices.account import Term
from roofline.render.table import Column, Table, table
from roofline.render.words import count, percent, seconds, times
from roofline.units import format_si


def title(account: Explanation) -> str:
    """``layer3.0.conv2 of resnet50 on rtx-2070: 991 us``."""
    return f"{account.layer} of {account.workload} on {account.chip}: {seconds(account.seconds.middle)}"


def facts(account: Explanation) -> list[tuple[str, str]]:
    """What is asked, and what the layer touches."""
    attributes = ", ".join(f"{name} {_attribute(value)}" for name, value in account.attributes.items())
    lines = [
        ("layer", f"{account.op} {account.shapes}" + (f"; {attributes}" if attributes else "")),
        ("settings", f"batch {account.batch:,}, {account.dtype}"),
        ("share", f"{percent(account.share)} of the time of the network"),
    ]
    for operand in account.operands:
        shape = " x ".join(f"{size:,}" for size in operand.shape) or "scalar"
        lines.append((operand.role, f"{operand.name}: {shape} x {operand.dtype} = {format_si(operand.bytes, 'B')}"))
    if account.calibration:
        lines.append(("calibration", account.calibration))
    lines += [("note", warning) for warning in account.warnings]
    return lines


def _attribute(value: object) -> str:
    if isinstance(value, tuple | list):
        return "x".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def kernel_facts(kernel: KernelAccount) -> Iterator[tuple[str, str]]:
    """The arithmetic of one kernel, in the order one would do it by hand."""
    yield "operations", f"{kernel.work} = {format_si(kernel.flops, 'FLOP')}" if kernel.flops else "none"
    moved = kernel.reads + kernel.weights + kernel.writes
    named = (("inputs", kernel.reads), ("weights", kernel.weights), ("outputs", kernel.writes))
    operands = " + ".join(f"{name} {format_si(size, 'B')}" for name, size in named if size)
    yield "bytes", f"{operands} = {format_si(moved, 'B')}" if operands else "none"
    if kernel.engine:
        yield "peak", f"{kernel.engine}: {kernel.peak}"
    yield from ((part.resource, _part(part, kernel)) for part in kernel.parts)
    bare = not kernel.plan and kernel.tier == "datasheet"
    if bare and kernel.seconds.middle > kernel.plain * (1 + 1e-9):
        yield "formula", f"{kernel.formula} = {seconds(kernel.plain)}"
        yield "time", f"{seconds(kernel.seconds.middle)}, the speed-of-light bound, because the formula gives less"
    else:
        yield "time", f"{kernel.formula} = {seconds(kernel.seconds.middle)}"
    yield "interval", f"{seconds(kernel.seconds.low)} to {seconds(kernel.seconds.high)}"
    yield "lower bound", f"{seconds(kernel.light)}: the speed-of-light bound, at the top clock from the nearest memory"
    if not bare:
        ratio = kernel.seconds.middle / kernel.plain if kernel.plain else float("inf")
        yield "plain roofline", f"{seconds(kernel.plain)}; the prediction is {times(ratio)} as long"
    if kernel.ridge is not None:
        where = _where(kernel)
        yield "intensity", f"{count(kernel.intensity)} FLOP/B: {where}"
        yield "balance", f"{count(kernel.ridge)} FLOP/B, the machine balance (ridge point) of {kernel.engine} and DRAM"
    yield "tier", f"{kernel.tier}: {meaning_of(kernel.tier, modelled=kernel.modelled)}"


def _part(part: Part, kernel: KernelAccount) -> str:
    largest = "  <- largest" if part.resource == kernel.bound and len(kernel.parts) > 1 else ""
    arithmetic = f"{part.arithmetic} = " if part.arithmetic else ""
    return f"{arithmetic}{seconds(part.seconds)}{largest}"


def _where(kernel: KernelAccount) -> str:
    """Which side of the ridge point; whether that decides, or the fitted model sees something else as the limit."""
    assert kernel.ridge is not None
    left = kernel.intensity < kernel.ridge
    side, limit = ("below", "memory-bound") if left else ("above", "compute-bound")
    computes = kernel.bound in (kernel.engine, "compute")
    if len(kernel.parts) > 1 and (computes == left or kernel.bound in ("launch", "host")):
        bound = RESOURCES.get(kernel.bound, kernel.bound)
        return f"{side} the machine balance, {limit} at full rates; in this prediction the limit is {bound}"
    return f"{side} the machine balance, so {limit}"


def term_table(kernel: KernelAccount) -> Table:
    """Every fitted parameter with its value, its uncertainty and what it adds to the time."""
    columns = (
        Column("term", "parameter"),
        Column("value", "value", lambda value: f"{value:.4g}", right=True),
        Column("uncertainty", "+/-", lambda value: f"{value * 100:.0f} %", right=True),
        Column("adds_s", "adds", _signed, right=True),
        Column("adds_share", "of the time", lambda share: f"{share * 100:+.0f} %", right=True),
    )

    def row(term: Term) -> tuple[object, ...]:
        share = term.seconds / kernel.seconds.middle if term.seconds is not None else None
        return term.name, term.value, term.uncertainty, term.seconds, share

    caption = f"Fitted parameters of plan {kernel.plan!r}"
    return table(
        caption,
        columns,
        [row(term) for term in kernel.terms],
        "adds: time with the parameter minus time without it; a rate cannot be removed",
    )


def _signed(value: float) -> str:
    return "0" if abs(value) < 1e-12 else ("-" if value < 0 else "+") + seconds(abs(value))


def account_table(account: Explanation) -> Table:
    """One row for each resource of each kernel, for CSV."""
    columns = [
        Column(key, key)
        for key in (
            *("layer", "kernel", "family", "flops", "reads", "weights", "writes"),
            *("resource", "resource_s", "seconds", "low_s", "high_s", "bound", "tier", "plan"),
        )
    ]
    rows = []
    for index, kernel in enumerate(account.kernels):
        own = (account.layer, index, kernel.family, kernel.flops, kernel.reads, kernel.weights, kernel.writes)
        span = (kernel.seconds.middle, kernel.seconds.low, kernel.seconds.high, kernel.bound, kernel.tier)
        rows += [(*own, part.resource, part.seconds, *span, kernel.plan) for part in kernel.parts]
    return table(title(account), columns, rows)
