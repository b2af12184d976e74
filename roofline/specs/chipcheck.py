"""Is a file of a chip right? Its faults, the peaks that were derived again, and whose name it bears."""

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
    """What a look at one file found.

    part : it is no chip, but for chips to extend; what is there was checked.
    rederived : stated peaks that equal their arithmetic. ``explained``: those that say why they do not.
    """

    faults: tuple[Fault, ...] = ()
    part: bool = False
    rederived: int = 0
    explained: int = 0


def check_chip(path: str | Path) -> Checked:
    """Check one file, of a chip or of a part for chips to extend."""
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
    """Why the name of a chip is not that of its file, as in a copy; empty where it is no matter.

    A chip is found by the name of its file, so a file in a folder of chips must be named as its chip. A
    file elsewhere may be named as it likes, unless the chip it says it is has a file of its own.
    """
    file = Path(chip.file)
    if chip.name == file.stem:
        return ""
    listed = lookup.names("chip")
    other = listed.get(chip.name)
    if other is not None and other.resolve() != file.resolve():
        return f"{chip.name!r} is the chip of {other}; a copy needs a name of its own: write {file.stem}"
    if file.resolve() in (path.resolve() for path in listed.values()):
        return f"{chip.name!r} in {file}, the file of a chip found as {file.stem!r}; write {file.stem}"
    return ""
