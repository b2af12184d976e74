"""What is the largest batch that fits in the memory of a chip?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from roofline import specs
from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.core.network import Network
from roofline.errors import UsageError
from roofline.predict import memory_of, resolve_chip, resolve_workload

LARGEST = 2**40
"""Where the search gives up: a net whose memory hardly grows with its batch."""


def largest_batch(
    chip: str | Path | Chip,
    workload: str | Path | Network,
    *,
    bind: Mapping[str, int] | None = None,
    dtype: str = "fp32",
) -> int:
    """The largest batch whose weights and activations fit; 0 where not even one sample does.

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
    if part.dram.capacity is None:
        raise UsageError(f"{part.name}: the capacity of {part.dram.name} is unknown, and so is the largest")
    wanted, capacity = precision(dtype), part.dram.capacity.value

    def need(batch: int) -> float:
        return memory_of(resolve_workload(network, batch=batch, bind=bind, precision=wanted)).total

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
            return LARGEST
    else:
        while not fits(low := max(high - step, 1)):
            high, step = low, 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
