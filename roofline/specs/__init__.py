"""How do YAML files become chips and nets, and which files are there?

The only part of the program that reads YAML. Whatever is wrong in a file becomes a
:class:`~roofline.errors.SpecError` that lists every fault with its line. Nothing is imported before
it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from roofline.errors import Fault, SpecError, UnknownName

if TYPE_CHECKING:
    from roofline.core.calibration import Calibration
    from roofline.core.chip import Chip, TileList
    from roofline.core.network import Network
    from roofline.specs.chipcheck import Checked
    from roofline.specs.lookup import Found, Kind


def find(kind: Kind, name: str | Path) -> Found:
    """The file a name stands for, and those it hides; see :func:`roofline.specs.lookup.find`."""
    from roofline.specs import lookup

    return lookup.find(kind, name)


def list_chips() -> dict[str, Path]:
    """Every chip by name, with its file."""
    from roofline.specs import lookup

    return lookup.names("chip")


def list_parts() -> list[Path]:
    """The files for chips to extend, ``architectures/*.yaml``."""
    from roofline.specs import lookup

    return lookup.parts()


def list_networks() -> dict[str, Path]:
    """Every net by name, with its file."""
    from roofline.specs import lookup

    return lookup.names("workload")


def load_chip(name: str | Path) -> Chip:
    """The chip of that name or path.

    Raises
    ------
    UnknownName : no such chip.
    SpecError : its file is wrong.
    """
    from roofline.specs import chipfile

    return chipfile.load_chip(find("chip", name).path)


def load_network(name: str | Path) -> Network:
    """The net of that name or path, its symbols still unbound. Raises as :func:`load_chip` does."""
    from roofline.specs import netfile

    return netfile.load_network(find("workload", name).path)


def tiles_of(part: str) -> Mapping[str, TileList]:
    """The tiles in the file of an architecture, by kind of product; none where there is no such file."""
    from roofline.specs import chipfile, lookup

    path = next((path for path in lookup.parts() if path.stem == part), None)
    return chipfile.read_part(path).tiles if path else {}


def check(name: str | Path, kind: Kind = "chip") -> list[Fault]:
    """The faults of one file, in its order; none where it is good."""
    path = find(kind, name).path
    if kind == "chip":
        return list(check_chip(path).faults)
    try:
        load_network(path)
    except SpecError as error:
        return list(error.faults)
    return []


def check_chip(name: str | Path) -> Checked:
    """As :func:`check`, with what was checked beside the faults."""
    from roofline.specs import chipcheck

    return chipcheck.check_chip(find("chip", name).path)


def why_misnamed(chip: Chip) -> str:
    """Why a chip's name is not that of its file; see :func:`roofline.specs.chipcheck.why_misnamed`."""
    from roofline.specs import chipcheck

    return chipcheck.why_misnamed(chip)


def load_datasheet_spread(kind: str) -> Calibration | None:
    """How far measured kernels lie above the plain roofline of an uncalibrated chip of a kind, by operator family.

    None where no file says.
    """
    return _shipped(f"datasheet-{kind}.yaml")


def load_lenders(kind: str) -> tuple[Calibration, ...]:
    """What was fitted on each chip of a kind that was measured, for others to borrow."""
    from roofline.specs import lookup

    return _all_of(tuple(lookup.lenders(kind)))


def load_borrowed_spread(kind: str) -> Calibration | None:
    """How far off the kernels of a chip are by the numbers of others of its kind; None where no file says."""
    return _shipped(f"borrowed-{kind}.yaml")


@cache
def _all_of(paths: tuple[Path, ...]) -> tuple[Calibration, ...]:
    return tuple(load_calibration(path) for path in paths)


@cache
def _shipped(name: str) -> Calibration | None:
    """A file of the calibrations that ship; None where there is none of that name."""
    from roofline.specs import lookup

    path = lookup.package_folder("hw_specs") / "calibrations" / name
    return load_calibration(path) if path.is_file() else None


def published_files() -> list[Path]:
    """The files of figures that vendors and papers published, each row with its source."""
    from roofline.specs import lookup

    return lookup.published_files()


def load_unfitted(kind: str = "array") -> Calibration:
    """The model of a kind with nothing fitted: where its constants are taken to lie without evidence.

    Raises
    ------
    UnknownName : that model has no such constants.
    """
    found = _shipped(f"any-{kind}/unfitted.yaml")
    if found is None:
        raise UnknownName("kind of device with constants of its own", kind, ("array",))
    return found


def dump_chip(chip: Chip) -> str:
    """The YAML of a chip, which loads back equal to it."""
    from roofline.specs import chipdump

    return chipdump.dump_chip(chip)


def detect_cpu(measured: Mapping[str, float] | None = None) -> Chip:
    """This machine's CPU as a chip; see :func:`roofline.specs.detect.detect_cpu`."""
    from roofline.specs import detect

    return detect.detect_cpu(measured)


def calibrations_for(chip_name: str, architecture: str, kind: str = "") -> list[Path]:
    """Calibration files of a chip, of its architecture, of all chips of its kind; nearest folders first."""
    from roofline.specs import lookup

    return lookup.calibrations_for(chip_name, architecture, kind)


def load_calibration(path: str | Path) -> Calibration:
    """The fitted numbers in a file."""
    from roofline.specs import calfile

    return calfile.load_calibration(path)


def save_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write fitted numbers, whole or not at all."""
    from roofline.specs import calfile

    calfile.save_calibration(calibration, path)
