"""How is a comparison shown? A table with bars, then the reasons."""

from __future__ import annotations

from rich.console import Console

from roofline.core.comparison import Comparison
from roofline.core.tiers import TIERS, meaning_of
from roofline.render.tables import comparison_table
from roofline.render.terminal import print_paragraph, print_table
from roofline.render.words import times


def reasons(comparison: Comparison) -> list[tuple[str, str]]:
    """(whom it is about, why), one for each speed-up."""
    first = comparison.chips[0]
    told = []
    for entry in comparison.predicted:
        if entry.chip == first and entry is comparison.entries[0]:
            continue
        about = f"{entry.chip}, {entry.dtype}"
        if entry.chip == first:
            told.append((about, f"computed by {entry.path}"))
        elif entry.reason:
            rule = f" (rule of thumb {times(entry.rule)})" if entry.rule else ""
            told.append((f"{about} over {first}", f"{entry.reason}{rule}; computed by {entry.path}"))
        else:
            others = [e.prediction for e in comparison.predicted if e.chip == first and e.dtype == entry.dtype]
            fitted = "one prediction is fitted and the other is an upper bound on speed"
            why = fitted if others else f"{first} does not support {entry.dtype}"
            told.append((about, f"computed by {entry.path}; no ratio: {why}"))
    return told


def tier_note(comparison: Comparison) -> str:
    """What the figures rest on, said plainly."""
    made = [entry.prediction for entry in comparison.predicted if entry.prediction]
    told = [(one.tier, meaning_of(one.tier, modelled=one.unfitted)) for one in made]
    ordered = sorted(dict.fromkeys(told), key=lambda one: TIERS.index(one[0]))
    return "; ".join(f"tier {name}: {meaning}" for name, meaning in ordered)


def stack_note(comparison: Comparison) -> str:
    """The software of the comparison, and of chips that bring their own."""
    (first, *_), mixed = comparison.runs_on, ""
    if len(set(comparison.runs_on)) > 1:
        own = [chip for chip, software in zip(comparison.chips, comparison.runs_on, strict=True) if software]
        mixed = f"; {', '.join(own)}: on {next(filter(None, comparison.runs_on))}"
        first = ""
    return f"stack: {comparison.stack.words(first)}{mixed}"


def print_comparison(comparison: Comparison, screen: Console) -> None:
    """Everything about a comparison, for a person."""
    print_table(comparison_table(comparison), screen)
    screen.print()
    for about, why in reasons(comparison):
        print_paragraph(why, screen, lead=f"{about}: ")
    screen.print()
    print_paragraph(tier_note(comparison), screen, style="dim")
    print_paragraph(stack_note(comparison), screen, style="dim")
