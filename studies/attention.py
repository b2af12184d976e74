"""How well is fused attention predicted, on its own card and with a card left out? What do its figures come from?

    roofline import aiconfigurator FOLDER --out rows.jsonl
    python studies/attention.py rows.jsonl [--fit]

Scores go through ``validate``. ``--fit`` fits the figures of the kernels and of the module, prints them and scores each
card with the other's figures: its kernel has the efficiency of its paper, and the rest of the other kernel.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from roofline import read_measurements, validate
from roofline.core.dtype import precision
from roofline.core.measurement import Measurement
from roofline.core.schedule import Schedule
from roofline.devices.gpu import attention, attention_errors, attention_kernels
from roofline.devices.gpu.fitted import part
from roofline.devices.gpu.model import gpu_times
from roofline.devices.gpu.parameters import Parameters
from roofline.lowering import lower, single
from roofline.prediction.select import resolve_chip

SHARED = ("PORT", "FLOOR_S", "WRITE_SHARE")
KERNELS = ("efficiency", "start", "alone", "combine", "each")
OF = {"a100-sxm-80gb": "flash-2", "h200-sxm": "flash-3"}
PAPERS = {"flash-2": {"efficiency": 0.73, "turns": 1.5e-6}, "flash-3": {"efficiency": 0.92, "each": 0.0, "prompt": 0.0}}
"""arXiv:2307.08691: 50 to 73 % of peak; arXiv:2407.08608: 75 %. The combination of FlashAttention-3 reads all parts at
once; copies of two small tensors. These last two choices were made after a look at the card that is left out."""
Figures = Mapping[str, float]
Scores = NDArray[np.float64]


def apart(row: Measurement) -> bool:
    """Whether a row was kept from the fit that ships: one in eight, by its shape."""
    (batch, heads, queries, width), (_, shared, keys, _) = row.inputs[:2]
    stored = "fp8" if row.attributes.get("cache_bits") else "bfloat16"
    window = row.attributes.get("window", 0)
    said = f"attention,{batch},{heads},{shared},{width},{queries},{keys},{window},{stored}"
    return hashlib.sha256(said.encode()).hexdigest()[0] in "01"


@contextmanager
def figures(shared: Figures, kernels: Mapping[str, Figures]) -> Iterator[None]:
    """The model with other figures."""
    table = tuple(replace(kernel, **kernels.get(kernel.name, {})) for kernel in attention_kernels.KERNELS)
    with patch.multiple(attention, KERNELS=table, **shared), patch.object(attention_kernels, "KERNELS", table):
        yield


def groups(rows: Sequence[Measurement]) -> dict[str, list[Measurement]]:
    """The rows of each line of the table; a row may be in several."""
    found: dict[str, list[Measurement]] = {}
    for row in rows:
        (_, heads, queries, _), (_, shared, _, _) = row.inputs[:2]
        names = ["prefill" if row.attributes["causal"] else "decode"]
        names += [f"{names[0]}, windows and fp8"] if row.attributes.keys() & {"window", "cache_bits"} else []
        names += ["prefill, over 4,096 tokens"] if queries > 4096 else []
        names += ["decode, over 8 queries a key head"] if names[0] == "decode" and heads > 8 * shared else []
        for name in names:
            found.setdefault(name, []).append(row)
    return found


def score(rows: Sequence[Measurement], title: str) -> Scores:
    """Prints the table, and gives the logarithms of measured over predicted."""
    for chip in OF:
        for name, some in groups([row for row in rows if row.chip == chip]).items():
            scored = validate(some).rows
            error = np.mean([abs(one.predicted / one.measured - 1) for one in scored])
            inside = np.mean([one.low <= one.measured <= one.high for one in scored])
            print(f"{title:10} {chip:14} {name:34} {len(some):6,} {error:6.1%}  inside {inside:4.0%}")
    return np.log([one.measured / one.predicted for one in (validate(rows).rows if rows else ())])


def spread(errors: Scores) -> str:
    """Quantiles, for :mod:`roofline.devices.gpu.attention_errors`."""
    if not len(errors):
        return "no calls"
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    off = np.abs(np.exp(-errors) - 1)
    found = dict(zip(levels, np.quantile(errors, levels).round(3).tolist(), strict=True))
    return f"{found}, {len(errors)} calls, median {np.median(off):.3f}, 90th percentile {np.quantile(off, 0.9):.3f}"


def fitted(rows: Sequence[Measurement], chip: str) -> tuple[Figures, Figures]:
    """The shared figures and those of the card's kernel."""
    from scipy.optimize import least_squares

    rows = [row for row in rows if row.chip == chip and not apart(row)][::4]
    found = (lower(single(r.op, dict(r.attributes), r.inputs, precision(r.dtype)), r.stack) for r in rows)
    schedule, stack = Schedule.concatenate(list(found)), rows[0].stack
    card = part(resolve_chip(chip), stack)
    measured = np.log([row.seconds for row in rows])
    kernel = next(one for one in attention_kernels.KERNELS if one.name == OF[chip])
    start = np.array([*(getattr(attention, name) for name in SHARED), *(getattr(kernel, name) for name in KERNELS)])

    def named(factors: Sequence[float]) -> tuple[Figures, Figures]:
        values = (start * np.exp(factors)).tolist()
        shared = dict(zip(SHARED, values, strict=False))
        return shared, dict(zip(KERNELS, values[len(SHARED) :], strict=True))

    def residual(factors: Sequence[float]) -> np.ndarray:
        shared, own = named(factors)
        with figures(shared, {kernel.name: own}):
            return np.log(gpu_times(schedule, card, Parameters(), stack).total) - measured

    return named(least_squares(residual, np.zeros(len(start)), loss="soft_l1", f_scale=0.1, diff_step=0.02).x)


def _none(schedule: Schedule, *_: object) -> NDArray[np.bool_]:
    """No kernel was measured on the card that is left out."""
    return np.zeros(len(schedule), dtype=bool)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows")
    parser.add_argument("--fit", action="store_true")
    said = parser.parse_args()
    rows = [row for row in read_measurements(said.rows).measurements if row.op == "attention" and row.chip in OF]
    print(spread(score(rows, "own")))
    print(spread(score([row for row in rows if apart(row)], "unseen")))
    left = []
    for chip, other in (tuple(OF), tuple(OF)[::-1]) if said.fit else ():
        shared, own = fitted(rows, other)
        print(other, {name: f"{value:.3g}" for name, value in {**shared, **own}.items()})
        here = [row for row in rows if row.chip == chip]
        with (
            figures(shared, {OF[chip]: {**own, **PAPERS[OF[chip]]}}),
            patch.object(attention_errors, "measured", _none),
        ):
            left.append(score(here, "left out"))
    if left:
        print(spread(np.concatenate(left)))


if __name__ == "__main__":
    main()
