"""How does one draw chips and a network on them with one call?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.core.prediction import Prediction
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.devices.kinds import model_of
from roofline.errors import Unsupported, UsageError
from roofline.prediction.largest_batch import Batch
from roofline.prediction.predict import predict
from roofline.prediction.question import network_of
from roofline.prediction.select import resolve_chip
from roofline.render.roofplot import roofline_figure
from roofline.render.roofs import Facet

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Dots:
    """The networks of a picture on one chip: predictions of each by precision, and the refusals of others."""

    chip: Chip
    networks: tuple[tuple[Prediction, ...], ...]
    refusals: tuple[str, ...]

    def facet(self, dtypes: Sequence[str]) -> Facet:
        """One network shows its layers; of several, each is one dot."""
        if len(self.networks) < 2:
            return Facet(self.chip, self.networks[0] if self.networks else (), dtypes=tuple(dtypes))
        return Facet(self.chip, dtypes=tuple(dtypes), wholes=tuple(one for several in self.networks for one in several))


def plot(
    chips: Any,
    workload: Any = None,
    *,
    inputs: Any = None,
    batch: Batch = None,
    bind: Mapping[str, int] | None = None,
    dtypes: Sequence[str] | str = (),
    stack: Stack | str | None = None,
    calibration: str | Path | Calibration | None = None,
    run: Run | str | None = None,
    mode: str | None = None,
    optimizer: str | None = None,
    title: str = "",
) -> Figure:
    """Draw the rooflines of chips side by side, with a network on them, as a Matplotlib figure.

    ``roofline.plot("rtx-2070", "resnet50").savefig("roofline.svg")``

    Parameters
    ----------
    chips : one chip or several, as names, paths or values; or a :class:`Prediction`, drawn on its own chip.
    workload : None for roofs alone, a network as for :func:`roofline.predict` (its layers become dots, sized by their
        share of the time), or a list of networks (each becomes one dot).
    dtypes : precisions of the roofs and the dots. By default every roof, with dots in fp32 and fp16 (fp32 on a CPU).

    Other parameters are those of :func:`roofline.predict`.

    Returns
    -------
    matplotlib.figure.Figure
        One panel for each chip: performance [op/s] over arithmetic intensity [op/B], on common axes.

    Raises
    ------
    UsageError : no chip. Unsupported : a chip that has none of the precisions.
    """
    names = (dtypes,) if isinstance(dtypes, str) else tuple(dtypes)
    if isinstance(chips, Prediction):
        if chips.hardware is None or workload is not None:
            raise UsageError("a prediction is drawn on its own chip with its own network; give no other")
        seen = as_used(chips.hardware, chips.stack)
        return roofline_figure([Dots(seen, ((chips,),), ()).facet((*names, chips.dtype))], title)
    several = [chips] if isinstance(chips, str | Path | Chip) else list(chips)
    if not several:
        raise UsageError("nothing to draw: name at least one chip")
    task, on = Run.of(run, mode, optimizer), Stack.of(stack)
    wanted = list(workload) if isinstance(workload, list | tuple) else [] if workload is None else [workload]
    networks = [network_of(one, inputs, mode=task.mode) for one in wanted]
    how: dict[str, Any] = {"batch": batch, "bind": bind, "calibration": calibration, "run": task}
    made = [dots(resolve_chip(chip), networks, names, stack=on, **how) for chip in several]
    return roofline_figure([one.facet(names) for one in made], title)


def dots(chip: Chip, networks: Sequence[Any], dtypes: Sequence[str], *, stack: Stack, **how: Any) -> Dots:
    """Every network in each precision the chip can do; the first one it has where none was asked for.

    Raises
    ------
    Unsupported : the chip has none of the precisions.
    """
    usual = [name for name in model_of(chip).precisions if _has(chip, name)]
    made, refusals = [], dict[str, Unsupported]()
    for network in networks:
        own = []
        for dtype in dtypes or usual or (str(chip.precisions()[0]),):
            try:
                own.append(predict(chip, network, dtype=dtype, stack=stack, **how))
            except Unsupported as error:
                refusals[str(error)] = error
        if not own:
            raise next(iter(refusals.values()))
        made.append(tuple(own))
    return Dots(as_used(chip, stack) if networks else chip, tuple(made), tuple(refusals))


def _has(chip: Chip, dtype: str) -> bool:
    """Whether a chip computes in a precision, or emulates it."""
    try:
        chip.resolve(precision(dtype))
    except Unsupported:
        return False
    return True


def as_used(chip: Chip, stack: Stack) -> Chip:
    """The chip as the stack uses it: where threads count, only their cores do, and the title says so."""
    model, threads = model_of(chip), stack.threads
    said = f", {threads} thread{'s' if threads > 1 else ''}" if "threads" in model.options else ""
    return replace(model.part(chip, stack), title=chip.title + said)
