"""Do products measured here agree with the public ones of an H200? Ask the same shapes, compare at the recorded clock.

    ROOFLINE_DATA=<folder> python studies/h200_gemm.py measure rows.jsonl [--count 300]     on an H200
    ROOFLINE_DATA=<folder> python studies/h200_gemm.py compare rows.jsonl

The public set (aiconfigurator) replayed CUDA graphs at clocks locked to the maximum; ours are never touched, so the
clock that was recorded with each of our samples is what a product bound by arithmetic is brought to theirs by. A
product bound by memory is compared as it is. Rows agree within 15 %; below 50 us floors of launches decide, and they
are shown, not judged. Rows kept apart for the last score (gpu_data.py) are not looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from gpu_data import APART, digest, folder

from roofline import specs
from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.core.measurement import Measurement
from roofline.devices import ceiling
from roofline.measurements.public import read_public

CHIP, DTYPE = "h200-sxm", "bf16"
LOCKED_MHZ = 1980.0
"""Their clock: 'locked to maximum', which is 1980 MHz on this card; not stated with the rows, so unverified."""
JUDGED_S, WITHIN = 5e-5, 0.15


@dataclass(frozen=True)
class Pair:
    """One shape (m, n, k): seconds here, there, and what ours would be at their clock."""

    shape: tuple[int, int, int]
    ours: float
    theirs: float
    at_their_clock: float

    @property
    def off(self) -> float:
        """Ours at their clock over theirs, less one."""
        return self.at_their_clock / self.theirs - 1.0

    @property
    def judged(self) -> bool:
        return self.theirs >= JUDGED_S


def shape_of(row: Measurement) -> tuple[int, int, int]:
    """m, n, k of a linear layer."""
    return row.inputs[0][0], int(row.attributes["out"]), row.inputs[0][1]


def products(rows: Iterable[Measurement]) -> dict[tuple[int, int, int], Measurement]:
    """Plain products in bf16 by shape; what has a bias or another direction is none."""
    return {
        shape_of(row): row
        for row in rows
        if (row.kind, row.op, row.dtype, row.part) == ("operator", "linear", DTYPE, "forward")
        and not row.attributes.get("bias", True)
        and len(row.inputs[0]) == 2
    }


def clocks(samples: Mapping[tuple[str, int], Mapping[str, Any]]) -> dict[str, float]:
    """The median clock of the best sample of every row [MHz], by key."""
    best: dict[str, tuple[float, float]] = {}
    for (key, _), sample in samples.items():
        if clock := sample.get("sm_clock_mhz"):
            best[key] = min(best.get(key, (np.inf, 0.0)), (float(sample["seconds"]), float(clock)))
    return {key: clock for key, (_, clock) in best.items()}


def pairs(
    ours: Sequence[Measurement], theirs: Sequence[Measurement], clock_of: Mapping[str, float], chip: Chip
) -> list[Pair]:
    """Every shape that both have; without a recorded clock ours stay as they are."""
    there, found = products(theirs), []
    _, peak = ceiling.engine_and_rate(chip, precision(DTYPE), matrix=True)
    bandwidth = ceiling.dram_bandwidth(chip) or np.inf
    for shape, row in products(ours).items():
        if shape in there:
            m, n, k = shape
            computes = 2.0 * m * n * k / peak > 2.0 * (m * k + k * n + m * n) / bandwidth
            factor = clock_of.get(row.key, LOCKED_MHZ) / LOCKED_MHZ if computes else 1.0
            found.append(Pair(shape, row.seconds, there[shape].seconds, row.seconds * factor))
    return found


def report(found: Sequence[Pair]) -> list[str]:
    """What is said of them, the worst last."""
    judged = [pair for pair in found if pair.judged]
    lines = [f"{len(found)} shapes in both, {len(judged)} of them above {JUDGED_S * 1e6:.0f} us"]
    if judged:
        off = np.array([pair.off for pair in judged])
        lines.append(
            f"{np.mean(np.abs(off) <= WITHIN):.0%} agree within {WITHIN:.0%}; median {np.median(off):+.1%} at their "
            f"clock, {np.median([pair.ours / pair.theirs - 1 for pair in judged]):+.1%} as measured"
        )
    for pair in sorted(judged, key=lambda pair: abs(pair.off))[-10:]:
        shape = "x".join(map(str, pair.shape))
        lines.append(f"  {shape}: {pair.ours * 1e6:.1f} us here, {pair.theirs * 1e6:.1f} there, {pair.off:+.1%}")
    return lines


def public(data: Path) -> list[Measurement]:
    rows = read_public("aiconfigurator", data / "aiconfigurator")
    return [row for row in rows if row.dtype == DTYPE and digest(row)[0] not in APART]


def measure(path: Path, count: int, theirs: Sequence[Measurement]) -> None:
    """Ask ``count`` of their shapes here, three times each, in the order of their hashes."""
    from roofline.campaign import campaign
    from roofline.campaign.campaign import run_campaign
    from roofline.campaign.design import Question
    from roofline.measurements.plan import Plan

    chosen = islice(sorted(theirs, key=digest), count)
    asked = [Question("linear", row.op, dict(row.attributes), row.inputs) for row in chosen]
    campaign.design, campaign.ladder = (lambda rows, **_: asked), list  # type: ignore[assignment]
    run_campaign(path, CHIP, Plan(rows=count, rounds=3, networks={}), dtype=DTYPE, device="cuda")


def main() -> None:
    from roofline.measurements.store import read_measurements

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure", "compare"])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--count", type=int, default=300)
    said = parser.parse_args()
    theirs = public(folder())
    if said.what == "measure":
        measure(said.rows, said.count, theirs)
    read = read_measurements(said.rows)
    mine = [row for row in read.measurements if row.chip == CHIP]
    print("\n".join(report(pairs(mine, theirs, clocks(read.samples), specs.load_chip(CHIP)))))


if __name__ == "__main__":
    main()
