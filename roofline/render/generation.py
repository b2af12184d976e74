"""What is said about a language model that answers?"""

from __future__ import annotations

from roofline.analysis.generate import Generation
from roofline.core.chip import Chip
from roofline.core.prediction import Interval
from roofline.render import headline, words
from roofline.render.table import Column, Table, table
from roofline.render.words import count, seconds


def title(answer: Generation) -> str:
    """``llama-3-8b on a100-sxm-80gb: 94 tokens/s``."""
    part = answer.prefill
    return f"{part.workload} on {part.chip}: {count(answer.decode_tokens_per_s)} tokens/s"


def facts(answer: Generation, chip: Chip) -> list[tuple[str, str]]:
    """Label and text of everything a reader needs beside the title."""
    prefill, last = answer.prefill, answer.last
    first, end = (seconds(part.seconds.middle) for part in (answer.first, last))
    growth = f"; from {first} to {end} as the cache fills" if first != end else ""
    asked = headline.question(prefill, chip)
    lines = [
        ("question", f"{answer.tokens:,} tokens after a prompt of {answer.prompt:,}; {asked}"),
        ("first token", _between(answer.time_to_first_token)),
        ("per token", _between(answer.time_per_token) + growth),
        ("answer", f"{_between(answer.seconds)}; {count(answer.tokens_per_s)} tokens/s, reading the prompt included"),
        ("tier", headline.tier(last)),
        ("prompt", f"bound by {words.shares(prefill.bounds)} of the time; {headline.work(prefill)}"),
        ("last token", f"bound by {words.shares(last.bounds)} of the time; {headline.work(last)}"),
        ("memory", headline.memory(answer.fullest)),
    ]
    if chip.price:
        price = chip.price[0]
        lines.append(
            ("price", f"{words.price(price)}, {words.for_money(price, answer.tokens_per_s, 'tokens')}, prompt included")
        )
    if chip.power:
        each = count(answer.tokens_per_s / chip.power.value)
        lines.append(("energy", f"{each} tokens/J at {chip.power.value:g} W, prompt included"))
    return lines


def _between(span: Interval) -> str:
    return f"{seconds(span.middle)}, between {seconds(span.low)} and {seconds(span.high)}"


COLUMNS = (
    Column("part", "part"),
    Column("tokens", "tokens", right=True),
    Column("context", "context", right=True),
    Column("low_s", "low", seconds, right=True),
    Column("seconds", "time", seconds, right=True),
    Column("high_s", "high", seconds, right=True),
    Column("bound", "bound by"),
)


def generation_table(answer: Generation) -> Table:
    """The prompt, the first and the last token after it."""
    parts = [("prompt", answer.prefill)]
    if answer.tokens > 1:
        parts += [("second token", answer.first), ("last token", answer.last)]
    rows = [
        (
            name,
            part.symbols["seq"],
            part.symbols["context"],
            part.seconds.low,
            part.seconds.middle,
            part.seconds.high,
            part.bound,
        )
        for name, part in parts
    ]
    return table("Parts of an answer", COLUMNS, rows)
