"""What is the answer in a few lines, before any table?"""

from __future__ import annotations

from collections.abc import Sequence

from roofline.analysis.count import Anatomy
from roofline.core.chip import Chip, Package
from roofline.core.dtype import precision
from roofline.core.prediction import Anchor, Memory, Merged, Prediction
from roofline.devices.kinds import model_of
from roofline.render import words
from roofline.render.words import count, gigabytes, percent, seconds
from roofline.units import format_bytes, format_si


def title(prediction: Prediction) -> str:
    """``resnet50 on rtx-2070: 616 images/s``."""
    rate = f"{count(prediction.samples_per_s)} {words.samples(prediction)}/s"
    return f"{prediction.workload} on {prediction.chip}: {rate}"


def facts(prediction: Prediction, chip: Chip) -> list[tuple[str, str]]:
    """Label and text of everything a reader needs beside the title."""
    span, noun = prediction.seconds, words.samples(prediction)
    slow, fast = prediction.batch / span.high, prediction.batch / span.low
    lines = [
        ("question", question(prediction, chip)),
        ("speed", f"{count(prediction.samples_per_s)} {noun}/s, between {count(slow)} and {count(fast)}"),
        ("time", f"{seconds(span.middle)} per batch, between {seconds(span.low)} and {seconds(span.high)}"),
    ]
    tokens = words.tokens_per_s(prediction)
    if tokens:
        lines.append(("tokens", f"{count(tokens)} tokens/s"))
    if prediction.mode == "training":
        lines += [("training", training(prediction)), ("parts", parts(prediction))]
    if prediction.anchor:
        lines.append(("anchor", anchor(prediction.anchor)))
    lines += [("tier", tier(prediction)), ("bound by", words.shares(prediction.bounds) + " of the time")]
    if prediction.covered["flops"] < 1 or prediction.covered["bytes"] < 1:
        known = prediction.covered
        lines.append(("covered", f"{percent(known['flops'])} of FLOP, {percent(known['bytes'])} of bytes"))
    if prediction.merged:
        lines.append(("merged", merged(prediction.merged, prediction.bytes)))
    lines += [("work", work(prediction)), ("memory", memory(prediction))]
    larger = [package for package in chip.packages if package.count.value > 1]
    each = prediction.samples_per_s / prediction.stack.chips
    if larger:
        lines.append(("sold as", sold_as(larger, each, noun)))
    if chip.price:
        lines.append(("price", f"{words.price(chip.price[0])}, {words.for_money(chip.price[0], each, noun)}"))
    if chip.power:
        lines.append(("energy", f"{count(each / chip.power.value)} {noun}/J at {chip.power.value:g} W a chip"))
    return lines


def sold_as(packages: Sequence[Package], per_s: float, noun: str) -> str:
    """``card of 2: 626 images/s``: what all devices of a package do, each with a batch of its own."""
    told = [f"{package.name} of {package.count.value:g}: {count(per_s * package.count.value)}" for package in packages]
    return f"{', '.join(told)} {noun}/s, each device with a batch of its own"


def question(prediction: Prediction, chip: Chip) -> str:
    """What was asked: symbols, precision, mode, software."""
    bound = {"batch": prediction.batch, **prediction.symbols}
    sizes = ", ".join(f"{name} {value:,}" for name, value in bound.items())
    stored = [
        f"{what} in {kept}"
        for what, kept in (("weights", prediction.run.weights), ("cache", prediction.run.cache))
        if kept
    ]
    known = prediction.run.host_dispatch
    told = [f"host {seconds(known)} a kernel"] if known is not None else []
    how = ", ".join([prediction.dtype, *stored, prediction.mode, *told])
    return f"{sizes}; {how}; {prediction.stack.words(model_of(chip).runs_on)}"


def anchor(found: Anchor) -> str:
    """``145 ms measured on gtx-980 in fp32, 114 ms predicted there; by the rule of thumb 84 ms here``."""
    return (
        f"{seconds(found.seconds)} measured on {found.chip} in {found.dtype}, {seconds(found.predicted)} predicted "
        f"there; by the two-number rule {seconds(found.rule)} here; interval of {found.pairs} pairs of 3 cards"
    )


def training(prediction: Prediction) -> str:
    """The recipe of a step: optimizer, precision, micro-batches, checkpointing."""
    recipe = prediction.run.recipe
    said: list[str] = ["no optimizer" if recipe.optimizer == "none" else recipe.optimizer]
    if recipe.implementation:
        said[0] += f" ({recipe.implementation})"
    if precision(prediction.dtype).storage.bits == 16:
        said.append("everything in 16 bits" if recipe.pure else "mixed precision over fp32 weights")
    if recipe.accumulate > 1:
        said.append(f"{recipe.accumulate} micro-batches")
    if recipe.checkpoint:
        said.append("checkpoints at repeated blocks")
    return ", ".join(said)


def parts(prediction: Prediction) -> str:
    """``forward 31 %, backward 59 %, optimizer 10 %``."""
    total = prediction.seconds.middle
    return words.shares({name: value / total for name, value in prediction.phases.items()}) + " of the time"


def tier(prediction: Prediction) -> str:
    """The tier and what it means; of several the share of time in each and the worst; and the file."""
    text = f"{prediction.tier}, {words.tier(prediction.tier, modelled=bool(prediction.calibration))}"
    if len(prediction.tiers) > 1:
        text = f"{words.shares(prediction.tiers)} of the time; by its worst part {prediction.tier}"
    return f"{text}; {prediction.calibration}" if prediction.calibration else text


def merged(spared: Merged, moved: float) -> str:
    """``439 kernels in place of 577, 3.72 GB (27 %) less moved``; ``moved`` are the bytes that still are."""
    less = f"{gigabytes(spared.saved_bytes)} ({percent(spared.saved_bytes / (moved + spared.saved_bytes))}) less moved"
    return f"{spared.kernels:,} kernels in place of {spared.eager_kernels:,}, {less}"


def work(prediction: Prediction) -> str:
    """Operations and bytes of the batch, and the rate they make."""
    flops, moved = prediction.flops, prediction.bytes
    rate = format_si(flops / prediction.seconds.middle, "FLOP/s")
    parameters = f"{count(prediction.parameters)} parameters"
    return f"{format_si(flops, 'FLOP')}, {gigabytes(moved)} moved, {parameters}; {rate}"


def memory(prediction: Prediction) -> str:
    """What it needs, of what there is, and whether that is enough."""
    need, text = prediction.memory, _parts(prediction.memory)
    if prediction.mode == "training":
        text = f"at its fullest {text}"
    if prediction.capacity is None:
        return f"{text}; the capacity is not known"
    text += f" of {format_bytes(prediction.capacity)}"
    if prediction.fits:
        return f"{text}, fits"
    return f"{text}: does not fit, {format_bytes(need.total - prediction.capacity)} too much"


def anatomy_facts(net: Anatomy) -> list[tuple[str, str]]:
    """Label and text of what a net is and must do."""
    sizes = ", ".join(f"{name} {value:,}" for name, value in net.symbols.items())
    per_sample = format_si(net.flops / net.batch, "FLOP")
    return [
        ("title", net.title),
        ("source", net.source or "none given"),
        ("file", net.file or "none"),
        ("symbols", f"{sizes}; {net.dtype}"),
        ("parameters", f"{net.parameters:,}"),
        ("work", f"{format_si(net.flops, 'FLOP')}, {per_sample} per sample"),
        ("traffic", f"{gigabytes(net.bytes)}, {count(net.flops / net.bytes if net.bytes else 0.0)} FLOP/B"),
        ("memory", _parts(net.memory)),
        ("layers", f"{len(net.layers):,} that do work"),
    ]


def _parts(need: Memory) -> str:
    """``6.6 GB (weights 102 MB, gradients 102 MB...)``, without what is not there."""
    amounts = {name: value for name, value in need.to_dict().items() if name != "total" and value}
    return (
        f"{format_bytes(need.total)} ({', '.join(f'{name} {format_bytes(value)}' for name, value in amounts.items())})"
    )
