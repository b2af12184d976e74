"""How is a comparison told? A table with bars, then why."""

from __future__ import annotations

from rich.console import Console

from roofline.core.comparison import Comparison
from roofline.core.prediction import TIERS
from roofline.render.tables import comparison_table
from roofline.render.terminal import print_paragraph, print_table
from roofline.render.words import tier, times


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
            why = "a fitted time over an upper bound on speed is no ratio" if others else f"{first} lacks {entry.dtype}"
            told.append((about, f"computed by {entry.path}; no ratio: {why}"))
    return told


def tier_note(comparison: Comparison) -> str:
    """What the figures rest on, said plainly."""
    made = [entry.prediction for entry in comparison.predicted if entry.prediction]
    told = [(one.tier, tier(one.tier, modelled=bool(one.calibration))) for one in made]
    ordered = sorted(dict.fromkeys(told), key=lambda one: TIERS.index(one[0]))
    return "; ".join(f"tier {name}: {meaning}" for name, meaning in ordered)


def print_comparison(comparison: Comparison, screen: Console) -> None:
    """Everything about a comparison, for a person."""
    print_table(comparison_table(comparison), screen)
    screen.print()
    for about, why in reasons(comparison):
        print_paragraph(why, screen, lead=f"{about}: ")
    screen.print()
    print_paragraph(tier_note(comparison), screen, style="dim")
    (first, *_), mixed = comparison.runs_on, ""
    if len(set(comparison.runs_on)) > 1:
        own = [chip for chip, software in zip(comparison.chips, comparison.runs_on, strict=True) if software]
        mixed = f"; {', '.join(own)}: what {next(filter(None, comparison.runs_on))} makes of it"
        first = ""
    told = comparison.stack.words(first)
    print_paragraph(f"stack: {told}{mixed}", screen, style="dim")
