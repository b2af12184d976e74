"""How many rounds, and how long a burst, until a measurement repeats? The table of docs/measurements.md.

Some cold operators of the design are visited round after round with the bursts of a campaign. Then measurements made
of some of the rounds are compared with measurements made of as many others: |log(a / b)|, median and 90th percentile.

    python studies/rounds.py [SECONDS_OF_A_BURST] [ROUNDS] [OPERATORS]
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from roofline.campaign import bench
from roofline.campaign.allocator import pin_allocator
from roofline.campaign.design import design
from roofline.campaign.run import import_torch
from roofline.core.measurement import Measurement
from roofline.measurements.plan import Plan

ROWS, TAKEN = 100, (3, 5, 10, 20)
Floats = NDArray[np.float64]


def visited(rounds: int, operators: int = ROWS) -> Floats:
    """Seconds, a row of the matrix for every round and a column for every operator."""
    torch = import_torch()
    torch.set_num_threads(1)
    pin_allocator()
    asked = random.Random(1).sample(design(Plan().rows), operators)
    rows = [
        Measurement("operator", "here", "fp32", 0.0, op=q.op, attributes=q.attributes, inputs=q.inputs, part=q.part)
        for q in asked
    ]
    time_of, seconds = bench.bench_of("cpu", "fp32"), np.zeros((rounds, operators))
    with torch.inference_mode():
        for number in range(rounds):
            for place in random.Random(number).sample(range(operators), operators):
                seconds[number, place] = time_of(rows[place]).typical
    return seconds


def apart(seconds: Floats, count: int, made_of: Callable[..., Floats]) -> Floats:
    """|log(a / b)| of rows made of the first and of the last ``count`` rounds, and of pairs in between."""
    starts = range(0, len(seconds) - 2 * count + 1, count)
    pairs = [(seconds[at : at + count], seconds[at + count : at + 2 * count]) for at in starts]
    pairs.append((seconds[:count], seconds[-count:]))
    return np.abs(np.log([made_of(a, axis=0) / made_of(b, axis=0) for a, b in pairs])).ravel()


def main() -> None:
    bench.BURST_S = float(sys.argv[1]) if len(sys.argv) > 1 else bench.BURST_S
    seconds = visited(*map(int, sys.argv[2:] or (50,)))
    print(f"bursts of {1e3 * bench.BURST_S:g} ms")
    print("| rounds | best of them | their median |")
    print("|---|---|---|")
    for count in TAKEN:
        if 2 * count <= len(seconds):
            told = (apart(seconds, count, made_of) for made_of in (np.min, np.median))
            print(f"| {count} | " + " | ".join(f"{np.median(e):.1%} / {np.quantile(e, 0.9):.0%}" for e in told) + " |")


if __name__ == "__main__":
    main()
