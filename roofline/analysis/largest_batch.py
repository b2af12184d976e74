"""What is the largest batch that fits in the memory of a chip?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from roofline import specs
from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.core.network import Network
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.devices.kinds import model_of
from roofline.errors import UsageError
from roofline.lowering.program import peak_memory, with_tf32
from roofline.prediction.select import resolve_chip, together

LARGEST = 2**40
"""Where the search gives up: a net whose memory hardly grows with its batch."""


def largest_batch(
    chip: str | Path | Chip,
    workload: str | Path | Network,
    *,
    bind: Mapping[str, int] | None = None,
    dtype: str = "fp32",
    stack: Stack | str | None = None,
    run: Run | str | None = None,
) -> int:
    """The largest batch that fits, of inference or of a training step; 0 where not even the smallest does.

    With micro-batches the batch is a multiple of their number.

    Memory grows with the batch, almost on a line: a line through two batches gives the next guess, until
    neighbours are found of which one fits and one does not.

    Raises
    ------
    UsageError : the net has no ``batch``, or the capacity of the chip is unknown.
    """
    on, task = Stack.of(stack), Run.of(run)
    part = together(resolve_chip(chip), on)
    network = workload if isinstance(workload, Network) else specs.load_network(workload)
    if "batch" not in network.symbols:
        raise UsageError(f"{network.name} has no symbol 'batch', so there is no largest one")
    capacity = part.dram.total_capacity
    if capacity is None:
        raise UsageError(f"{part.name}: the capacity of {part.dram.name} is unknown, and so is the largest")
    wanted, unit = with_tf32(precision(dtype), part, on), task.recipe.accumulate if task.training else 1

    cuda = model_of(part).cuda

    @cache
    def need(units: int) -> float:
        size = units * unit
        how: dict[str, Any] = {"bind": bind, "precision": wanted, "stack": on, "run": task}
        return peak_memory(network, batch=size, cuda=cuda, **how).total

    if need(1) > capacity:
        return 0
    low, high = 1, LARGEST + 1  # low fits, high does not or is too far to look
    other = 2  # a second batch, for the line that gives the next guess
    while high - low > 1:
        slope = (need(other) - need(low)) / (other - low)
        guess = low + int((capacity - need(low)) / slope) if slope > 0 else 2 * low
        guess = min(max(guess, low + 1), high - 1, LARGEST)
        if need(guess) <= capacity:
            other, low = low, guess
            if guess == LARGEST:
                break
        else:
            other = high = guess
            if need(high - 1) <= capacity:  # on a straight line the guess is one too many at most
                low = high - 1
            else:
                high -= 1
    return low * unit
