"""What is said about a language model that generates text?"""

from __future__ import annotations

from roofline.analysis.generate import Generation
from roofline.core.prediction import Interval
from roofline.render import headline, words
from roofline.render.table import Column, Table, table
from roofline.render.words import count, plural, seconds


def title(answer: Generation) -> str:
    """``llama-3-8b on a100-sxm-80gb: 94 tokens/s``."""
    part = answer.prefill
    return f"{part.workload} on {part.chip}: {count(answer.decode_tokens_per_s)} tokens/s"


def facts(answer: Generation) -> list[tuple[str, str]]:
    """Label and text of everything a reader needs beside the title."""
    prefill, last = answer.prefill, answer.last
    first, end = (seconds(part.seconds.middle) for part in (answer.first, last))
    growth = f"; from {first} to {end} as the KV cache fills" if first != end else ""
    asked = headline.question(prefill)
    lines = [
        ("settings", f"{plural(answer.tokens, 'token')} after a prompt of {plural(answer.prompt, 'token')}; {asked}"),
        ("first token", _between(answer.time_to_first_token)),
        ("per token", _between(answer.time_per_token) + growth),
        ("answer", f"{_between(answer.seconds)}; {count(answer.tokens_per_s)} tokens/s, prompt included"),
        ("tier", headline.tier(last)),
        ("prompt", f"bound by {words.shares(prefill.bounds)} of the time; {headline.work(prefill)}"),
        ("last token", f"bound by {words.shares(last.bounds)} of the time; {headline.work(last)}"),
        ("memory", headline.memory(answer.fullest)),
    ]
    return [*lines, *headline.worth(answer.worth, "tokens", ", prompt included")]


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
    return table("Phases of an answer", COLUMNS, rows)
