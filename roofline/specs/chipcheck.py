"""Is a chip file correct? Its faults, the recomputed peaks, and whether its name is that of the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from roofline.core.chip import Chip
from roofline.errors import Fault, SpecError
from roofline.specs import lookup
from roofline.specs.chipfile import read_chip
from roofline.specs.extends import is_part
from roofline.specs.yamlio import load_document


@dataclass(frozen=True)
class Checked:
    """The result of checking one file.

    Parameters
    ----------
    part : True for a part that chips extend; its contents were checked.
    rederived : stated peaks that equal the computed ones.
    explained : stated peaks that explain the difference.
    """

    faults: tuple[Fault, ...] = ()
    part: bool = False
    rederived: int = 0
    explained: int = 0


def check_chip(path: str | Path) -> Checked:
    """Check one file, of a chip or of a part that chips extend."""
    try:
        document = load_document(path)
    except SpecError as error:
        return Checked(error.faults)
    part = is_part(document)
    try:
        chip = read_chip(document, partial=part)
    except SpecError as error:
        return Checked(error.faults, part)
    misnamed = "" if part else why_misnamed(chip)
    faults = [document.fault(("name",), misnamed)] if misnamed else []
    peaks = [peak for engine in chip.engines for peak in engine.stated_peaks.values()]
    explained = sum(bool(peak.disagrees_because) for peak in peaks)
    return Checked(tuple(faults), part, len(peaks) - explained, explained)


def why_misnamed(chip: Chip) -> str:
    """Why the name of a chip is not that of its file, as in a copy; empty if it does not matter.

    A chip is found by the name of its file, so a file in a folder of chips must have the name of its chip. A file
    elsewhere may have any name, unless the chip it names has a file of its own.
    """
    file = Path(chip.file)
    if chip.name == file.stem:
        return ""
    listed = lookup.names("chip")
    other = listed.get(chip.name)
    if other is not None and other.resolve() != file.resolve():
        return f"the name {chip.name!r} belongs to {other}; give the copy its own name: write {file.stem}"
    if file.resolve() in (path.resolve() for path in listed.values()):
        return f"the name {chip.name!r} in {file} must equal the file name; write {file.stem}"
    return ""
