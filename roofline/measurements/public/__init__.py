"""How do public sets of measurements become rows? One file for each set says which of its files are understood.

Another installed package brings a set as an entry point of the group :data:`BROUGHT`: a function from a
:class:`~roofline.measurements.public.files.Source` to rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from roofline.core import plugins
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


Reader = Callable[[Source], Iterator[Measurement]]

SETS: dict[str, Reader] = {
    "neusight": neusight.read,
    "deepbench": deepbench.read,
    "caffe": caffe.read,
    "aiconfigurator": aiconfigurator.read,
    "kineto": _profiles,
}
"""Every set with its reader; ``kineto`` is anybody's profile. Those that others bring are added when they are named."""
BROUGHT = "roofline.data_sets"
"""The group of entry points of sets that other packages bring."""


def read_public(
    name: str, path: Path | str, *, chip: str = "", skipped: Counter[str] | None = None
) -> Iterator[Measurement]:
    """The rows of a public set, one by one in the order of its files.

    path : a folder or file of the public repository, or of a tidy copy. chip : the chip whose rows are wanted, or
    the one the files are of where they do not say it. skipped : gets the rows left out, counted by reason.

    Raises
    ------
    UnknownName : no such set. UsageError : no such file, the chip must be said, or what another package brings under
    that name cannot be loaded.
    DataError : nothing that is understood, or something wrong in it, with file and line.
    """
    return reader_named(name)(Source(Path(path), chip, Counter() if skipped is None else skipped))


def reader_named(name: str) -> Reader:
    """What reads the set of that name, one that ships or one that another package brings; raises as above."""
    if name not in SETS:
        SETS[name] = _brought(name)
    return SETS[name]


def _brought(name: str) -> Reader:
    found = plugins.named(BROUGHT, name)
    if found is None:
        raise UnknownName("public set", name, [*SETS, *plugins.names(BROUGHT)])
    if not callable(found):
        raise plugins.wrong(BROUGHT, name, "is no function from a source to rows")
    reader: Reader = found
    return reader
