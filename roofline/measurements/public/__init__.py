"""Public sets of measurements as rows: one file for each set says which of its files are understood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from roofline.core.measurement import Measurement
from roofline.errors import UnknownName
from roofline.measurements.public import aiconfigurator, caffe, deepbench, kineto, neusight
from roofline.measurements.public.files import Source, understood


def _profiles(source: Source) -> Iterator[Measurement]:
    """Anybody's profiles, file by file."""
    paths = source.files(".json")
    understood(source.path, paths, "traces that torch.profiler exported (.json)")
    for path in paths:
        yield from kineto.read(path, source.chip, source.skipped)


SETS: dict[str, Callable[[Source], Iterator[Measurement]]] = {
    "neusight": neusight.read,
    "deepbench": deepbench.read,
    "caffe": caffe.read,
    "aiconfigurator": aiconfigurator.read,
    "kineto": _profiles,
}
"""Every set with its reader; ``kineto`` is anybody's profile."""


def read_public(
    name: str, path: Path | str, *, chip: str = "", skipped: Counter[str] | None = None
) -> Iterator[Measurement]:
    """The rows of a public set, one by one in the order of its files.

    path : a folder or file of the public repository, or of a tidy copy. chip : the chip whose rows are wanted, or
    the one the files are of where they do not say it. skipped : gets the rows left out, counted by reason.

    Raises
    ------
    UnknownName : no such set. UsageError : no such file, or the chip must be said.
    DataError : nothing that is understood, or something wrong in it, with file and line.
    """
    if name not in SETS:
        raise UnknownName("public set", name, SETS)
    return SETS[name](Source(Path(path), chip, Counter() if skipped is None else skipped))
