"""How do YAML files become chips and networks, and which files are there?

The only part of the program that reads YAML. Errors of a file become a :class:`~roofline.errors.SpecError` that lists
every fault with its line. Nothing is imported before it is needed.
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
    """The file of a name, and the files that it hides; see :func:`roofline.specs.lookup.find`."""
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
    """Every network by name, with its file."""
    from roofline.specs import lookup

    return lookup.names("workload")


def chips() -> list[str]:
    """The names of all chips, including files in the current folder and of this user; each loads as
    ``load_chip(name)``.
    """
    return sorted(list_chips())


def networks() -> list[str]:
    """The names of all networks that have a file; each loads as ``load_network(name)``."""
    return sorted(list_networks())


def load_chip(name: str | Path) -> Chip:
    """The chip of that name or path.

    Raises
    ------
    UnknownName : no such chip.
    SpecError : its file is wrong.
    """
    from roofline.specs import chipfile
    from roofline.specs.remembered import remembered

    return remembered("chip", find("chip", name).path, chipfile.load_chip)


def load_network(name: str | Path) -> Network:
    """The network of that name or path, its symbols still unbound. Raises as :func:`load_chip` does."""
    from roofline.specs import netfile
    from roofline.specs.remembered import remembered

    return remembered("network", find("workload", name).path, netfile.load_network)


def tiles_of(part: str) -> Mapping[str, TileList]:
    """The tiles in the file of an architecture, by kind of matrix multiplication; empty if there is no such file."""
    from roofline.specs import chipfile, lookup
    from roofline.specs.remembered import remembered

    path = next((path for path in lookup.parts() if path.stem == part), None)
    return remembered("part", path, chipfile.read_part).tiles if path else {}


def check(name: str | Path, kind: Kind = "chip") -> list[Fault]:
    """The faults of one file, in its order; empty if it has none."""
    path = find(kind, name).path
    if kind == "chip":
        return list(check_chip(path).faults)
    try:
        load_network(path)
    except SpecError as error:
        return list(error.faults)
    return []


def check_chip(name: str | Path) -> Checked:
    """As :func:`check`, with what was checked."""
    from roofline.specs import chipcheck

    return chipcheck.check_chip(find("chip", name).path)


def why_misnamed(chip: Chip) -> str:
    """Why a chip's name differs from that of its file; see :func:`roofline.specs.chipcheck.why_misnamed`."""
    from roofline.specs import chipcheck

    return chipcheck.why_misnamed(chip)


def load_datasheet_spread(kind: str) -> Calibration | None:
    """Quantiles of log(measured / plain roofline) for an uncalibrated chip of a kind, by operator family.

    None where no file has them.
    """
    return _shipped(f"datasheet-{kind}.yaml")


def load_lenders(kind: str) -> tuple[Calibration, ...]:
    """The calibrations of measured chips of a kind, from which parameters are transferred to others."""
    from roofline.specs import lookup

    return _all_of(tuple(lookup.lenders(kind)))


def load_borrowed_spread(kind: str) -> Calibration | None:
    """The errors of kernels of a chip predicted from other chips of its kind; None where no file has them."""
    return _shipped(f"borrowed-{kind}.yaml")


@cache
def _all_of(paths: tuple[Path, ...]) -> tuple[Calibration, ...]:
    return tuple(load_calibration(path) for path in paths)


@cache
def _shipped(name: str) -> Calibration | None:
    """A calibration file that ships; None if there is none of that name."""
    from roofline.specs import lookup

    path = lookup.package_folder("hw_specs") / "calibrations" / name
    return load_calibration(path) if path.is_file() else None


def published_files() -> list[Path]:
    """The files of figures that vendors and papers published, each figure with its source."""
    from roofline.specs import lookup

    return lookup.published_files()


def load_unfitted(kind: str = "array") -> Calibration:
    """The model of a kind with nothing fitted: the assumed ranges of its constants.

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
    """Calibration files of a chip, of its architecture, and of all chips of its kind; nearest folders first."""
    from roofline.specs import lookup

    return lookup.calibrations_for(chip_name, architecture, kind)


def load_calibration(path: str | Path) -> Calibration:
    """The calibration in a file."""
    from roofline.specs import calfile
    from roofline.specs.remembered import remembered

    return remembered("calibration", path, calfile.load_calibration)


def save_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write a calibration, completely or not at all."""
    from roofline.specs import calfile

    calfile.save_calibration(calibration, path)
