"""What is the largest batch that fits in the memory of a chip?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.core.network import Network
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.devices.kinds import model_of
from roofline.errors import UsageError
from roofline.lowering.program import peak_memory, with_tf32
from roofline.prediction.question import network_of, unbound
from roofline.prediction.select import resolve_chip, together

Batch = int | Literal["max"] | None
"""A number of samples, ``"max"`` for the largest batch that fits, or None for the default of the network."""
LARGEST = 2**40
"""The search stops here: the memory of the network hardly grows with its batch."""


def largest_batch(
    chip: str | Path | Chip,
    workload: Any,
    *,
    inputs: Any = None,
    bind: Mapping[str, int] | None = None,
    dtype: str = "fp32",
    stack: Stack | str | None = None,
    run: Run | str | None = None,
    mode: str | None = None,
    optimizer: str | None = None,
) -> int:
    """The largest batch that fits in memory, of inference or of a training step; 0 if not even the smallest fits.

    With micro-batches the batch is a multiple of their number. Memory grows almost linearly with the batch, so a line
    through two batches gives the next guess, until two neighbouring batches are found of which only one fits.

    Parameters are those of :func:`roofline.predict`.

    Raises
    ------
    UsageError : the network has no ``batch``, or the capacity of the chip is unknown.
    """
    on, task = Stack.of(stack), Run.of(run, mode, optimizer)
    part = together(resolve_chip(chip), on)
    network = unbound(network_of(workload, inputs, mode=task.mode))
    if "batch" not in network.symbols:
        raise UsageError(f"{network.name} has no symbol 'batch', so there is no largest batch")
    capacity = part.dram.total_capacity
    if capacity is None:
        raise UsageError(
            f"{part.name}: the capacity of {part.dram.name} is unknown, and so is the largest batch; add it to the "
            "chip file"
        )
    wanted, unit = with_tf32(precision(dtype), part, on), task.recipe.accumulate if task.training else 1

    cuda = model_of(part).cuda

    @cache
    def need(units: int) -> float:
        size = units * unit
        how: dict[str, Any] = {"bind": bind, "precision": wanted, "stack": on, "run": task}
        return peak_memory(network, batch=size, cuda=cuda, **how).total

    if need(1) > capacity:
        return 0
    low, high = 1, LARGEST + 1  # low fits, high does not or is beyond the search
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
            if need(high - 1) <= capacity:  # on a straight line the guess is at most one too many
                low = high - 1
            else:
                high -= 1
    return low * unit


def batch_of(
    batch: Batch,
    chip: Chip,
    network: Network | Workload,
    *,
    bind: Mapping[str, int] | None,
    dtype: str,
    stack: Stack,
    run: Run,
) -> int | None:
    """The batch as a number; for ``"max"`` the largest that fits, or the smallest batch if not even that fits.

    Raises
    ------
    UsageError : neither a number nor ``"max"``, or as :func:`largest_batch` does.
    """
    if batch is None or not isinstance(batch, str):
        return batch
    if batch != "max":
        raise UsageError(f"batch: expected a whole number of at least 1, or 'max', got {batch!r}")
    largest = largest_batch(chip, network, bind=bind, dtype=dtype, stack=stack, run=run)
    return largest or (run.recipe.accumulate if run.training else 1)
