"""What is the largest batch that fits in the memory of a chip?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from roofline import specs
from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.core.network import Network
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.errors import UsageError
from roofline.predict import resolve_chip
from roofline.program import peak_memory, with_tf32

LARGEST = 2**40
"""Where the search gives up: a net whose memory hardly grows with its batch."""


def largest_batch(
    chip: str | Path | Chip,
    workload: str | Path | Network,
    *,
    bind: Mapping[str, int] | None = None,
    dtype: str = "fp32",
    stack: Stack | None = None,
    run: Run | None = None,
) -> int:
    """The largest batch that fits, of inference or of a training step; 0 where not even the smallest does.

    With micro-batches the batch is a multiple of their number.

    Memory grows with the batch, almost on a line: a line through two batches gives a guess, steps that
    double away from it and bisection make it exact.

    Raises
    ------
    UsageError : the net has no ``batch``, or the capacity of the chip is unknown.
    """
    part = resolve_chip(chip)
    network = workload if isinstance(workload, Network) else specs.load_network(workload)
    if "batch" not in network.symbols:
        raise UsageError(f"{network.name} has no symbol 'batch', so there is no largest one")
    capacity = part.dram.total_capacity
    if capacity is None:
        raise UsageError(f"{part.name}: the capacity of {part.dram.name} is unknown, and so is the largest")
    stack, run = stack or Stack(), run or Run()
    wanted, unit = with_tf32(precision(dtype), part, stack), run.recipe.accumulate if run.training else 1

    def need(units: int) -> float:
        size = units * unit
        return peak_memory(network, part, batch=size, bind=bind, precision=wanted, stack=stack, run=run).total

    def fits(batch: int) -> bool:
        return need(batch) <= capacity

    if not fits(1):
        return 0
    first, growth = need(1), need(2) - need(1)
    guess = LARGEST if growth <= 0 else max(1, min(int((capacity - first) / growth) + 1, LARGEST))
    step, low, high = 1, guess, guess
    if fits(guess):
        while high < LARGEST and fits(high := min(low + step, LARGEST)):
            low, step = high, 2 * step
        if low == LARGEST:
            return LARGEST * unit
    else:
        while not fits(low := max(high - step, 1)):
            high, step = low, 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low * unit
