"""What does a result show at a prompt, in a notebook and as a data frame? One view of each kind of result.

The same titles, facts and tables that the command line prints: a result says no less in Python.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from roofline.analysis.count import anatomy
from roofline.analysis.explain import Explanation
from roofline.analysis.generate import Generation
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.comparison import Comparison
from roofline.core.frames import data_frame
from roofline.core.network import Network
from roofline.core.plain_text import markup as escape
from roofline.core.prediction import Prediction
from roofline.core.validation import PublishedScores, Validation
from roofline.render import chips, comparison, explanation, generation, headline, lines, scores, tables
from roofline.render.page import html_table
from roofline.render.table import Table
from roofline.render.terminal import print_facts, print_paragraph, print_table

TOP = 5
"""Layers of a prediction on one screen: those that take longest."""
WIDEST = 100
"""Columns of a screen, where the window has no fewer."""


@dataclass(frozen=True)
class View:
    """A title, facts as (label, text), tables, sentences as (lead, text), warnings, and the table of the data frame."""

    title: str
    facts: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()
    sentences: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    data: Table | None = None


def _prediction(made: Prediction) -> View:
    told = [warning for warning in made.warnings if not warning.startswith(headline.SAID)]
    short, whole = tables.layer_table(made, TOP), tables.layer_table(made)
    return View(headline.title(made), headline.facts(made), [short], (), told, whole)


def _comparison(made: Comparison) -> View:
    table = tables.comparison_table(made)
    why = [(f"{about}: ", reason) for about, reason in comparison.reasons(made)]
    last = [("", comparison.tier_note(made)), ("", comparison.stack_note(made))]
    return View("", (), [table], [*why, *last], made.warnings, table)


def _generation(made: Generation) -> View:
    told = [warning for warning in made.warnings if not warning.startswith(headline.SAID)]
    table = generation.generation_table(made)
    return View(generation.title(made), generation.facts(made), [table], (), told, table)


def _explanation(made: Explanation) -> View:
    facts = explanation.facts(made)
    for index, kernel in enumerate(made.kernels):
        facts += [
            ("", ""),
            (f"kernel {index + 1}", f"{kernel.family} ({kernel.op})"),
            *explanation.kernel_facts(kernel),
        ]
    return View(explanation.title(made), facts, data=explanation.account_table(made))


def _validation(made: Validation) -> View:
    kinds = [kind for kind in ("network", "operator") if made.of_kind(kind)]
    skipped = [*made.warnings, *(f"{count:,} not scored: {why}" for why, count in made.skipped.items())]
    found = [scores.score_table(made, kind) for kind in kinds]
    return View("", (), found, [("", f"calibration: {made.calibration or 'none'}")], skipped, scores.rows_table(made))


def _published(made: PublishedScores) -> View:
    table = scores.published_table(made)
    return View("", (), [table], (), [f"{count:,} not scored: {why}" for why, count in made.skipped.items()], table)


def _chip(made: Chip) -> View:
    return View(f"{made.name}: {made.title}", chips.summary(made), data=chips.chip_table(made))


def _network(made: Network) -> View:
    counted = anatomy(made)
    facts = headline.anatomy_facts(counted)
    return View(made.name, facts, warnings=made.notes, data=tables.anatomy_table(counted))


def _calibration(made: Calibration) -> View:
    table = scores.fit_table(made)
    return View("", (), [table], (), (), table)


KINDS: Mapping[type, tuple[Callable[[Any], str], Callable[[Any], View]]] = {
    Prediction: (lines.prediction, _prediction),
    Comparison: (lines.comparison, _comparison),
    Generation: (lines.generation, _generation),
    Explanation: (lines.explanation, _explanation),
    Validation: (lines.validation, _validation),
    PublishedScores: (lines.published, _published),
    Chip: (lines.chip, _chip),
    Network: (lines.network, _network),
    Calibration: (lines.calibration, _calibration),
}
"""Each kind of result, in one line and as a view."""


def _view(result: Any) -> View:
    return KINDS[type(result)][1](result)


def line(result: Any) -> str:
    """One line: what was asked, the answer, how sure it is."""
    return f"<{type(result).__name__}: {KINDS[type(result)][0](result)}>"


def text(result: Any) -> str:
    """One screen, as wide as the window and at most :data:`WIDEST` columns."""
    view, out = _view(result), io.StringIO()
    width = min(shutil.get_terminal_size((80, 24)).columns, WIDEST)
    screen = Console(file=out, width=width, highlight=False, markup=False, color_system=None)
    if view.title or view.facts:
        print_facts(view.title, view.facts, screen)
    for table in view.tables:
        print_table(table, screen)
        screen.print()
    for lead, sentence in view.sentences:
        print_paragraph(sentence, screen, lead=lead)
    for warning in view.warnings:
        print_paragraph(warning, screen, lead="warning: ")
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().splitlines())


def html(result: Any) -> str:
    """The same for a notebook: a title, facts as a table, tables, warnings as a list. Everything is escaped."""
    view = _view(result)
    parts = [f"<h4>{escape(view.title)}</h4>"] if view.title else []
    if view.facts:
        rows = (f'<tr><th scope="row">{escape(label)}</th><td>{escape(said)}</td></tr>' for label, said in view.facts)
        parts.append(f"<table>\n{chr(10).join(rows)}\n</table>")
    parts += [html_table(table) for table in view.tables]
    parts += [f"<p><strong>{escape(lead)}</strong>{escape(said)}</p>" for lead, said in view.sentences]
    if view.warnings:
        parts.append(f"<ul>{''.join(f'<li>warning: {escape(said)}</li>' for said in view.warnings)}</ul>")
    return f'<div class="roofline">{chr(10).join(parts)}</div>'


def frame(result: Any) -> Any:
    """The rows of the table of a result as a ``pandas.DataFrame``, columns named as in CSV; unknown is missing."""
    source = _view(result).data
    assert source is not None
    keep = [index for index, column in enumerate(source.columns) if not column.text_only]
    rows = ([row[index] for index in keep] for row in source.rows)
    return data_frame(rows, [source.columns[index].key for index in keep])
