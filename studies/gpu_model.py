"""How good is the GPU model, and which numbers does it ship? Fits, scores and pictures, from the public sets.

    ROOFLINE_DATA=<folder of the sets> python studies/gpu_model.py [--write] [--apart N] [--out FOLDER] [--quick]

Writes reports/validation/gpu.md with its pictures: by operator family, card and net, the plain roofline, the model
with the card left out, and with half of its calls seen. ``--write`` ships the numbers shared by all GPUs and
those of each card (hw_specs/calibrations). ``--apart N`` also scores the rows that nothing was fitted
or chosen on, and says that N variants of the model were tried before. ``--out`` writes to another folder than reports;
``--quick`` takes few calls of three cards and fits of few steps.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from gpu_data import SETS, drifting, folder, judges, networks, operators

from roofline import specs
from roofline.calibration.gpu import fit as gpu_fit
from roofline.calibration.gpu.calibrate import calibrate_any, calibrate_card
from roofline.calibration.gpu.rows import parts_of
from roofline.calibration.left_out import How
from roofline.core.measurement import Measurement
from roofline.core.validation import Score, Scored, Validation, score
from roofline.render.charts import Pair, scatter_figure
from roofline.render.style import save_figure
from roofline.validation.leave_out import validate_held_out
from roofline.validation.validate import validate

ROOT = Path(__file__).resolve().parent.parent
QUICK = ("deepbench", "aiconfigurator")
"""Sets of ``--quick``: those that are read fast."""

NEUSIGHT = {
    "linear": (20.0, 13.9),
    "bmm": (26.0, 13.8),
    "elementwise": (14.0, 19.3),
    "softmax": (19.3, 13.9),
    "norm": (20.0, 56.7),
    "inference": (9.7, 9.7),
    "training": (7.3, 7.3),
}
"""Mean errors in per cent that NeuSight's authors report on cards in and out of its training set (of whole nets on
all together): S. Lee, A. Phanishayee, D. Mahajan, ASPLOS 2025. Another split of the same collection."""


def plain(rows: Iterable[Scored]) -> list[Scored]:
    """The same rows predicted by the plain roofline."""
    return [
        Scored(r.measurement, r.family, r.measured, r.plain, r.plain, r.plain, r.plain, "datasheet", "nothing fitted")
        for r in rows
    ]


def _table(title: str, groups: Mapping[str, list[Scored]], *, published: bool = False) -> list[str]:
    """Rows of Markdown: one for each group, errors in per cent."""
    head = ["", "count", "median", "mean", "p90", "bias", "inside 90 %", "high / low", "rank"]
    head += ["NeuSight in / out"] if published else []
    lines = [f"### {title}", "", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, rows in groups.items():
        if not rows:
            continue
        cells = [name, *_cells(score(rows))]
        if published:
            known = NEUSIGHT.get(name)
            cells.append(f"{known[0]:g} / {known[1]:g}" if known else "")
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def _cells(found: Score) -> list[str]:
    percent = [f"{100 * value:.1f}" for value in (found.median, found.mean, found.p90)]
    interval = [f"{100 * found.coverage:.0f} %", f"{found.width:.2f}"] if found.width > 1 else ["", ""]
    return [f"{found.rows:,}", *percent, f"{100 * found.bias:+.1f}", *interval, f"{found.rank_correlation:.3f}"]


def _by(rows: Iterable[Scored], key: Callable[[Scored], str]) -> dict[str, list[Scored]]:
    groups: dict[str, list[Scored]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return dict(sorted(groups.items()))


def _set_and_card(row: Scored) -> str:
    part = "" if row.measurement.part == "forward" else f" ({row.measurement.part})"
    return f"{row.family.split(' ')[0]}, {row.measurement.set.split('/')[0]}{part}: {row.measurement.chip}"


def _net(row: Scored) -> str:
    m = row.measurement
    sizes = [f"{name} {m.symbols[name]}" for name in ("batch", "seq") if name in m.symbols]
    return f"{m.chip}: {', '.join([f'{m.network} {m.mode}', *sizes])}"


def pairs_ranked(rows: Iterable[Scored], apart: float = 0.15) -> tuple[int, int]:
    """Of pairs of cards that took the same call more than 15 % apart: how many, and how many ranked right."""
    asked: dict[str, list[Scored]] = {}
    for row in rows:
        asked.setdefault(f"{row.measurement.set} {row.measurement.label} {row.measurement.dtype}", []).append(row)
    pairs = right = 0
    for found in asked.values():
        for index, one in enumerate(found):
            for other in found[index + 1 :]:
                if abs(np.log(one.measured / other.measured)) > np.log1p(apart):
                    pairs += 1
                    right += (one.measured > other.measured) == (one.predicted > other.predicted)
    return pairs, right


def _worst(validation: Validation, count: int = 10) -> list[str]:
    lines = ["| card | call | measured | predicted | error |", "|---|---|---|---|---|"]
    for row in validation.worst(count):
        ms = f"{1e3 * row.measured:.3g} ms | {1e3 * row.predicted:.3g} ms | {100 * row.error:+.0f} %"
        lines.append(f"| {row.measurement.chip} | {row.family}: {row.measurement.label} | {ms} |")
    return [*lines, ""]


INTRODUCTION = f"""\
Made by `ROOFLINE_DATA=<folder> python studies/gpu_model.py` from public measurements: {"; ".join(SETS.values())}.

Errors are |predicted / measured - 1| in per cent. Bias is the median of predicted / measured, less one. A call is one
timed operator. Every call, or network, counts the same. *Inside 90 %* is the share of calls in their nominal 90 %
interval; *high / low* is the median width of that interval; *rank* is the rank correlation of predicted and measured
times.

- *Card left out*: predicted by the parameters of the other cards, the clock that the chip file allows, and the tiles of
  a neighbouring architecture. The launch floor of its set (launch and host time) is taken from its fastest calls. The
  interval comes from the errors of the other cards.
- *Half of the calls seen*: own parameters of the card, fitted on every second call and scored on the others. The
  interval comes from the half that was fitted.
- *NeuSight in / out*: mean errors that NeuSight's authors report on cards in / out of their training set, on another
  split of the same collection.

Families: `bmm` is a GEMM of two activations, usually batched; `conv` a convolution of 3x3 or larger; `norm` layer norm;
`tensor` a linear layer on tensor cores; `tensor-other` other work on tensor cores, here convolutions; `tensor-odd` a
convolution whose channels do not fill tensor cores, so it runs on CUDA cores. *(data)* and *(weights)* are gradients.
What follows from these tables: [evidence-gpu.md](../../docs/evidence-gpu.md)."""


JUDGED = "Recurrent layers and Caffe's layers: not fitted, predicted by the shipped parameters of the Titan X"
HELD_OUT: dict[How, str] = {
    "device": "Calls kept apart until the end, card left out",
    "half": "Calls kept apart until the end, own parameters of each card",
}


def page(results: Mapping[str, Validation], others: Mapping[str, Validation]) -> str:
    """The scoreboard as Markdown."""
    lines = [
        "# Scoreboard of the GPU model",
        "",
        INTRODUCTION,
        "",
    ]
    for how, validation in results.items():
        calls, nets = validation.of_kind("operator"), validation.of_kind("network")
        lines += [f"## {how}", ""]
        lines += _table("Calls by family", _by(calls, lambda row: row.family), published=True)
        lines += _table("Calls by family, set and card", _by(calls, _set_and_card))
        pairs, right = pairs_ranked(calls)
        if pairs:
            lines += [
                f"Pairs of cards more than 15 % apart on the same call: {pairs:,}, ranked right: {right / pairs:.1%}.",
                "",
            ]
        if nets:
            published = [row for row in nets if row.measurement.set.startswith("neusight")]
            lines += _table(
                "Whole transformers (NeuSight)", _by(published, lambda row: row.measurement.mode), published=True
            )
            lines += _table(
                "Whole networks by card", _by(nets, lambda row: f"{row.measurement.chip}, {row.measurement.set}")
            )
            lines += ["Ratio of predicted to measured, network by network:", ""]
            lines += [
                f"- {_net(row)}: {row.predicted / row.measured:.2f} (plain {row.plain / row.measured:.2f})"
                for row in nets
            ]
            lines += [""]
        lines += ["### The ten worst calls", "", *_worst(validation)]
    for how, validation in others.items():
        lines += _table(how, _by(validation.of_kind("operator"), _set_and_card))
    lines += ["![Predicted against measured calls, card left out](../figures/gpu-left-out.png)", ""]
    lines += ["![Predicted against measured calls, half seen](../figures/gpu-half.png)", ""]
    return "\n".join(lines)


def write_calibrations(rows: list[Measurement], around: list[Measurement]) -> None:
    """Ship the shared parameters and those of each card; docs/evidence-gpu.md says why none of an architecture ship."""
    target = ROOT / "hw_specs" / "calibrations"
    chips = {name: specs.load_chip(name) for name in sorted({row.chip for row in rows})}
    parts = parts_of(rows, chips, around=around)
    data = {"sets": ", ".join(SETS.values())}
    shared = calibrate_any(parts, data)
    specs.save_calibration(shared, target / "any-gpu" / "public.yaml")
    for name, chip in chips.items():
        specs.save_calibration(calibrate_card(parts, chip, shared, data), target / name / "public.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--write", action="store_true", help="ship the numbers")
    parser.add_argument("--apart", type=int, metavar="N", help="score the rows kept apart; N variants were tried")
    parser.add_argument("--out", type=Path, default=ROOT / "reports", metavar="FOLDER", help="in place of reports")
    parser.add_argument("--quick", action="store_true", help="few calls, fits of few steps")
    asked = parser.parse_args()
    data = folder()
    if asked.quick:
        gpu_fit.ROUNDS = 2
        rows, nets, around = operators(data, most=10, sets=QUICK), networks(data, ("caffe",)), []
    else:
        rows, nets, around = operators(data), networks(data), drifting(data)
    whole = [*rows, *nets]
    with ProcessPoolExecutor(2) as pool:
        jobs = {how: pool.submit(validate_held_out, whole, how, around=around) for how in ("device", "half")}
        more = {}
        if asked.apart is not None:
            kept = operators(data, apart=True, **({"most": 10, "sets": QUICK} if asked.quick else {}))
            for how, words in HELD_OUT.items():
                title = f"{words} ({asked.apart} variants of the model were tried before)"
                more[title] = pool.submit(validate_held_out, rows, how, apart=kept, around=around)
        if asked.write:
            pool.submit(write_calibrations, rows, around).result()
        out, half = jobs["device"].result(), jobs["half"].result()
        others = {JUDGED: validate(judges(data)), **{title: job.result() for title, job in more.items()}}
    nothing = Validation(tuple(plain(out.rows)), out.skipped)
    results = {"Plain roofline": nothing, "Card left out": out, "Half of the calls seen": half}
    for place in ("validation", "figures"):
        (asked.out / place).mkdir(parents=True, exist_ok=True)
    (asked.out / "validation" / "gpu.md").write_text(page(results, others), encoding="utf-8")
    for name, validation, title in (("left-out", out, "each card left out"), ("half", half, "half of its calls seen")):
        pairs = [Pair(row.family, row.predicted, row.measured) for row in validation.of_kind("operator")]
        save_figure(scatter_figure(pairs, f"Calls on GPUs, {title}"), asked.out / "figures" / f"gpu-{name}.png")
    for how, validation in results.items():
        print(how)
        for family, found in validation.by("operator", lambda row: row.family).items():
            print(f"  {family:22s}" + " ".join(f"{cell:>8s}" for cell in _cells(found)))
        for mode, found in validation.by(
            "network", lambda row: f"{row.measurement.set} {row.measurement.mode}"
        ).items():
            print(f"  {mode:36s}" + " ".join(f"{cell:>8s}" for cell in _cells(found)))


if __name__ == "__main__":
    main()
