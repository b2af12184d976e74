"""How do public sets of measurements become measurements here? One file for each set says which of its files it reads.

Another installed package adds a set as an entry point of the group :data:`BROUGHT`: a function from a
:class:`~roofline.measurements.public.files.Source` to measurements.
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
    """Profiles of a user, file by file."""
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
"""Every set with its reader; ``kineto`` reads a user's profile. Sets of other packages are added when they
are named.
"""
BROUGHT = "roofline.data_sets"
"""The entry point group of sets of other packages."""


def read_public(
    name: str, path: Path | str, *, chip: str = "", skipped: Counter[str] | None = None
) -> Iterator[Measurement]:
    """The measurements of a public set, one by one in the order of its files.

    Parameters
    ----------
    name : of the set.
    path : a folder or file of the public repository, or of a tidy copy.
    chip : the chip whose measurements are wanted, or the chip of the files where they do not name it.
    skipped : counts the measurements left out, by reason.

    Raises
    ------
    UnknownName : no such set.
    UsageError : no such file, the chip must be given, or the set of another package cannot be loaded.
    DataError : nothing readable, or an error with file and line.
    """
    return reader_named(name)(Source(Path(path), chip, Counter() if skipped is None else skipped))


def reader_named(name: str) -> Reader:
    """The reader of the set of that name, one that ships or one of another package; raises as :func:`read_public`."""
    if name not in SETS:
        SETS[name] = _brought(name)
    return SETS[name]


def _brought(name: str) -> Reader:
    found = plugins.named(BROUGHT, name)
    if found is None:
        raise UnknownName("public data set", name, [*SETS, *plugins.names(BROUGHT)])
    if not callable(found):
        raise plugins.wrong(BROUGHT, name, "is not a function from a source to measurements")
    reader: Reader = found
    return reader
