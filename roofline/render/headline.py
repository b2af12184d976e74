"""What is the answer in a few lines, before any table?"""

from __future__ import annotations

from collections.abc import Sequence

from roofline.analysis.count import Anatomy
from roofline.core.chip import Package
from roofline.core.dtype import precision
from roofline.core.prediction import Anchor, Memory, Merged, Prediction
from roofline.core.tiers import meaning_of
from roofline.core.worth import Worth
from roofline.devices.kinds import model_of
from roofline.render import words
from roofline.render.words import count, gigabytes, percent, seconds
from roofline.units import format_bytes, format_si, plural

SAID = ("tier ", "does not fit")
"""Beginnings of warnings that title and facts repeat."""


def title(prediction: Prediction) -> str:
    """``resnet50 on rtx-2070: 616 images/s``; of what does not fit in memory no speed, for it does not run."""
    asked = f"{prediction.workload} on {prediction.chip}"
    if prediction.fits is False and prediction.capacity is not None:
        need, have = format_bytes(prediction.memory.total), format_bytes(prediction.capacity)
        return f"{asked}: does not fit, needs {need} of {have}"
    return f"{asked}: {count(prediction.samples_per_s)} {words.samples(prediction)}/s"


def facts(prediction: Prediction) -> list[tuple[str, str]]:
    """Label and text of everything a reader needs beside the title."""
    span, noun = prediction.seconds, words.samples(prediction)
    slow, fast = prediction.batch / span.high, prediction.batch / span.low
    lines = [
        ("settings", question(prediction)),
        ("speed", f"{count(prediction.samples_per_s)} {noun}/s, between {count(slow)} and {count(fast)}"),
        ("time", f"{seconds(span.middle)} per batch, between {seconds(span.low)} and {seconds(span.high)}"),
    ]
    if prediction.tokens_per_s:
        lines.append(("tokens", f"{count(prediction.tokens_per_s)} tokens/s"))
    if prediction.mode == "training":
        lines += [("training", training(prediction)), ("phases", parts(prediction))]
    if prediction.anchor:
        lines.append(("anchor", anchor(prediction.anchor)))
    lines += [("tier", tier(prediction)), ("bound by", words.shares(prediction.bounds) + " of the time")]
    known = prediction.covered
    if known["flops"] is None:
        lines.append(
            ("covered", f"unknown share of the FLOP, {percent(known['bytes'] or 0)} of the bytes by a formula")
        )
    if prediction.merged:
        lines.append(("fusion", merged(prediction.merged, prediction.bytes)))
    lines += [("work", work(prediction)), ("memory", memory(prediction))]
    return [*lines, *worth(prediction.worth, noun)]


def worth(value: Worth, noun: str, note: str = "") -> list[tuple[str, str]]:
    """What it is sold in, price and energy, as far as they are known; ``noun`` is what the speed counts."""
    lines, each = [], value.samples_per_s or 0.0
    if value.packages:
        lines.append(("sold as", sold_as(value.packages, each, noun)))
    if value.price:
        lines.append(("price", f"{words.price(value.price)}, {words.for_money(value.price, each, noun)}{note}"))
    if value.power_w:
        joule = count(each / value.power_w)
        lines.append(("energy", f"{joule} {noun}/J at the power limit of {value.power_w:g} W per chip{note}"))
    return lines


def sold_as(packages: Sequence[Package], per_s: float, noun: str) -> str:
    """``card with 2 devices: 626 images/s``: what all devices of a package do, each with its own batch."""
    told = [
        f"{package.name} with {package.count.value:g} devices: {count(per_s * package.count.value)} {noun}/s"
        for package in packages
    ]
    return f"{', '.join(told)}; each device runs its own batch"


def question(prediction: Prediction) -> str:
    """What was asked: symbols, precision, mode, software."""
    bound = {"batch": prediction.batch, **prediction.symbols}
    sizes = ", ".join(f"{name} {value:,}" for name, value in bound.items())
    stored = [
        f"{what} in {kept}"
        for what, kept in (("weights", prediction.run.weights), ("KV cache", prediction.run.cache))
        if kept
    ]
    known = prediction.run.host_dispatch
    told = [f"host dispatch {seconds(known)} per kernel"] if known is not None else []
    runs_on = model_of(prediction.hardware).runs_on if prediction.hardware else ""
    how = ", ".join([prediction.dtype, *stored, prediction.mode, *told])
    return f"{sizes}; {how}; {prediction.stack.words(runs_on)}"


def anchor(found: Anchor) -> str:
    """What was measured on another chip, what is predicted there, and how the interval was found."""
    return (
        f"{seconds(found.seconds)} measured on {found.chip} in {found.dtype} ({seconds(found.predicted)} predicted "
        f"there); rule of thumb for this chip: {seconds(found.rule)}; the interval is the 90 % range of errors over "
        f"{found.pairs} transfers between 3 GPUs"
    )


def training(prediction: Prediction) -> str:
    """The recipe of a step: optimizer, precision, micro-batches, checkpointing."""
    recipe = prediction.run.recipe
    said: list[str] = ["no optimizer" if recipe.optimizer == "none" else recipe.optimizer]
    if recipe.implementation:
        said[0] += f" ({recipe.implementation})"
    if precision(prediction.dtype).storage.bits == 16:
        said.append("all tensors in 16 bits" if recipe.pure else "mixed precision with fp32 weights")
    if recipe.accumulate > 1:
        said.append(f"{recipe.accumulate} micro-batches")
    if recipe.checkpoint:
        said.append("activation checkpointing of repeated blocks")
    return ", ".join(said)


def parts(prediction: Prediction) -> str:
    """``forward 31 %, backward 59 %, optimizer 10 %``."""
    total = prediction.seconds.middle
    return words.shares({name: value / total for name, value in prediction.phases.items()}) + " of the time"


def tier(prediction: Prediction) -> str:
    """The tier and what it means; of several the share of time in each and all their meanings; and the file."""
    modelled, several = prediction.unfitted, len(prediction.tiers) > 1
    text = f"{words.shares(prediction.tiers)} of the time; " if several else ""
    named = prediction.tiers if several else (prediction.tier,)
    text += "; ".join(f"{name}: {meaning_of(name, modelled=modelled)}" for name in named)
    return f"{text} ({prediction.calibration})" if prediction.calibration else text


def merged(spared: Merged, moved: float) -> str:
    """``439 kernels instead of 577, 3.72 GB (27 %) less traffic``; ``moved`` are the bytes that still are."""
    share = percent(spared.saved_bytes / (moved + spared.saved_bytes))
    less = f"{gigabytes(spared.saved_bytes)} ({share}) less traffic"
    return f"{plural(spared.kernels, 'kernel')} instead of {spared.eager_kernels:,}, {less}"


def work(prediction: Prediction) -> str:
    """Operations and bytes of the batch, and the rate they make."""
    flops, moved = prediction.flops, prediction.bytes
    rate = format_si(flops / prediction.seconds.middle, "FLOP/s")
    parameters = f"{count(prediction.parameters)} parameters"
    return f"{format_si(flops, 'FLOP')}, {gigabytes(moved)} of memory traffic, {parameters}; {rate}"


def memory(prediction: Prediction) -> str:
    """What it needs, of what there is, and whether that is enough."""
    need, text = prediction.memory, _parts(prediction.memory)
    text = f"peak {text}"
    if prediction.capacity is None:
        return f"{text}; the memory capacity of the chip is not known"
    text += f" of {format_bytes(prediction.capacity)}"
    if prediction.fits:
        return f"{text}; fits"
    return f"{text}; does not fit, {format_bytes(need.total - prediction.capacity)} too much"


def anatomy_facts(net: Anatomy) -> list[tuple[str, str]]:
    """Label and text of what a network is and must do."""
    sizes = ", ".join(f"{name} {value:,}" for name, value in net.symbols.items())
    per_sample = format_si(net.flops / net.batch, "FLOP")
    intensity = count(net.flops / net.bytes if net.bytes else 0.0)
    return [
        ("title", net.title),
        ("source", net.source or "none given"),
        ("file", net.file or "none"),
        ("symbols", f"{sizes}; {net.dtype}"),
        ("parameters", f"{net.parameters:,}"),
        ("work", f"{format_si(net.flops, 'FLOP')}, {per_sample} per sample"),
        ("traffic", f"{gigabytes(net.bytes)}, arithmetic intensity {intensity} FLOP/B"),
        ("memory", _parts(net.memory)),
        ("layers", f"{len(net.layers):,} that launch kernels"),
    ]


def _parts(need: Memory) -> str:
    """``6.6 GB (weights 102 MB, gradients 102 MB...)``, without what is not there."""
    amounts = {name: value for name, value in need.to_dict().items() if name != "total" and value}
    return (
        f"{format_bytes(need.total)} ({', '.join(f'{name} {format_bytes(value)}' for name, value in amounts.items())})"
    )
