"""Which file does a name stand for?

A path that exists wins. Then the folders ``hw_specs`` (chips) or ``workloads`` (nets) are searched
here, in the user's configuration, and in the package; what an earlier one hides is reported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from roofline.errors import UnknownName

Kind = Literal["chip", "workload"]

_FOLDERS: dict[Kind, str] = {"chip": "hw_specs", "workload": "workloads"}
PARTS = "architectures"
"""The folder of parts: files for chips to extend."""

_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Found:
    """The file a name stands for, and the files of that name it hides."""

    path: Path
    shadowed: tuple[Path, ...] = ()


def package_folder(folder: str) -> Path:
    """The folder that ships with the program: inside a wheel, beside the package in a checkout."""
    inside = _PACKAGE / "data" / folder
    return inside if inside.is_dir() else _PACKAGE.parent / folder


def published_files() -> list[Path]:
    """The files of cited figures: ``reports/published`` here, or what ships with the program."""
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
    """Where files of a kind are looked for, the nearest first; each folder once."""
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
    """The files of ``architectures``, which chips extend and which are none by themselves."""
    return [path for folder in folders("chip") for path in sorted((folder / PARTS).glob("*.yaml")) if path.is_file()]


def _all(kind: Kind) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in folders(kind):
        for path in sorted(folder.glob("*.yaml")):
            if path.is_file():
                found.setdefault(path.stem, []).append(path)
    return found


def find(kind: Kind, name: str | Path) -> Found:
    """The file that ``name``, or an existing path, stands for.

    Raises
    ------
    UnknownName : with the nearest names there are.
    """
    known = _all(kind)
    if is_path(name):
        if not os.path.lexists(name):
            raise UnknownName(kind, str(name), known, hint="and no such file")
        return Found(Path(name))
    paths = known.get(str(name)) or known.get(str(name).lower())
    if paths is None:
        folder = _FOLDERS[kind]
        raise UnknownName(kind, str(name), known, hint=f"or give the path of a YAML file; own ones in ./{folder}")
    return Found(paths[0], tuple(path for path in paths[1:] if not _same(path, paths[0])))


def _same(path: Path, other: Path) -> bool:
    """Whether two files say the same: an installed copy beside its checkout hides nothing."""
    try:
        return path.read_bytes() == other.read_bytes()
    except OSError:
        return False


def is_path(name: str | Path) -> bool:
    """Whether a name means a file: one that exists, or spelt so that it can mean nothing else."""
    text = str(name)
    if text.endswith((".yaml", ".yml")) or os.sep in text:
        return True
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def calibrations_for(chip_name: str, architecture: str, kind: str = "") -> list[Path]:
    """Calibration files of a chip, of its architecture, of all chips of its kind; nearest folders first.

    They lie in ``hw_specs/calibrations/<chip, architecture or any-kind>/*.yaml``.
    """
    found: list[Path] = []
    for owner in dict.fromkeys((chip_name, architecture, *([f"any-{kind}"] if kind else []))):
        for folder in folders("chip"):
            found += sorted(path for path in (folder / "calibrations" / owner).glob("*.yaml") if path.is_file())
    return found


def lenders(kind: str) -> list[Path]:
    """The files of chips of a kind whose numbers others borrow: ``calibrations/cpus/*.yaml``."""
    return sorted((package_folder("hw_specs") / "calibrations" / f"{kind}s").glob("*.yaml"))
