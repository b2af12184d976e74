"""Which file does a name mean?

An existing path comes first. Then the folders ``hw_specs`` (chips) or ``workloads`` (networks) are searched in the
current folder, in the user's configuration, and in the package; files hidden by an earlier one are reported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from roofline.errors import UnknownName, Unreadable
from roofline.files import read_bytes

Kind = Literal["chip", "workload"]

_FOLDERS: dict[Kind, str] = {"chip": "hw_specs", "workload": "workloads"}
_SAID: dict[Kind, str] = {"chip": "chip", "workload": "network"}
"""Names of the kinds for readers."""
PARTS = "architectures"
"""The folder of parts: files that chips extend."""

_LARGEST = 1_000_000
"""Largest file that is compared with its namesake [B]."""

_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Found:
    """The file of a name, and the files of that name it hides."""

    path: Path
    shadowed: tuple[Path, ...] = ()


def package_folder(folder: str) -> Path:
    """The folder that ships with the program: inside a wheel, or beside the package in a checkout."""
    inside = _PACKAGE / "data" / folder
    return inside if inside.is_dir() else _PACKAGE.parent / folder


def published_files() -> list[Path]:
    """The files of cited figures: ``reports/published`` here, or those that ship with the program."""
    inside = _PACKAGE / "data" / "published"
    for folder in (Path("reports/published"), inside, _PACKAGE.parent / "reports" / "published"):
        if folder.is_dir():
            return sorted(folder.glob("*.jsonl"))
    return []


def user_folder(folder: str) -> Path:
    """``$XDG_CONFIG_HOME/roofline/<folder>``, by default below ``~/.config``."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(base) / "roofline" / folder


def folders(kind: Kind) -> tuple[Path, ...]:
    """The folders searched for files of a kind, the nearest first; each folder once."""
    return tuple(_distinct(_FOLDERS[kind]))


def _distinct(folder: str) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in (Path(folder), user_folder(folder), package_folder(folder)):
        if path.is_dir() and path.resolve() not in seen:
            seen.add(path.resolve())
            yield path


def names(kind: Kind) -> dict[str, Path]:
    """Every known name with its file; only files directly in a folder count."""
    return {name: paths[0] for name, paths in sorted(_all(kind).items())}


def parts() -> list[Path]:
    """The files of ``architectures``, which chips extend and which are no chips themselves."""
    return [path for folder in folders("chip") for path in sorted((folder / PARTS).glob("*.yaml")) if path.is_file()]


def _all(kind: Kind) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in folders(kind):
        for path in sorted(folder.glob("*.yaml")):
            if path.is_file():
                found.setdefault(path.stem, []).append(path)
    return found


def find(kind: Kind, name: str | Path) -> Found:
    """The file of ``name``, or of an existing path.

    Raises
    ------
    UnknownName : with the nearest names.
    """
    if is_path(name):
        if not os.path.lexists(name):
            raise UnknownName(_SAID[kind], str(name), _all(kind), hint="and there is no such file")
        return Found(Path(name))
    paths = _named(kind, str(name)) or _named(kind, str(name).lower())
    if not paths:
        folder = _FOLDERS[kind]
        raise UnknownName(
            _SAID[kind], str(name), _all(kind), hint=f"or give the path of a YAML file; your own files go in ./{folder}"
        )
    return Found(paths[0], tuple(path for path in paths[1:] if not _same(path, paths[0])))


def _named(kind: Kind, name: str) -> list[Path]:
    """The files of that name, the nearest first; none of which is read."""
    if not name or "\0" in name:
        return []
    return [path for folder in folders(kind) if os.path.isfile(path := folder / f"{name}.yaml")]


def _same(path: Path, other: Path) -> bool:
    """Whether two files are equal: an installed copy beside its checkout hides nothing."""
    try:
        return read_bytes(path, _LARGEST) == read_bytes(other, _LARGEST)
    except Unreadable:
        return False


def is_path(name: str | Path) -> bool:
    """Whether a name means a file: one that exists, or with the spelling of a path."""
    text = str(name)
    if text.endswith((".yaml", ".yml")) or os.sep in text:
        return True
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def calibrations_for(chip_name: str, architecture: str, kind: str = "") -> list[Path]:
    """Calibration files of a chip, of its architecture, and of all chips of its kind; nearest folders first.

    They are in ``hw_specs/calibrations/<chip, architecture or any-kind>/*.yaml``.
    """
    found: list[Path] = []
    for owner in dict.fromkeys((chip_name, architecture, *([f"any-{kind}"] if kind else []))):
        for folder in folders("chip"):
            found += sorted(path for path in (folder / "calibrations" / owner).glob("*.yaml") if path.is_file())
    return found


def lenders(kind: str) -> list[Path]:
    """Calibration files of chips of a kind that are transferred to others: ``calibrations/cpus/*.yaml``."""
    return sorted((package_folder("hw_specs") / "calibrations" / f"{kind}s").glob("*.yaml"))
