"""Names become files: a path, then here, the user's folder, the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from roofline import specs
from roofline.errors import SpecError, UnknownName
from roofline.specs import lookup

CHIP = "name: {name}\n"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """An empty working folder, user folder and package folder."""
    found = {
        "here": tmp_path / "here",
        "user": tmp_path / "config",
        "package": tmp_path / "site" / "roofline",
    }
    for path in found.values():
        path.mkdir(parents=True)
    monkeypatch.chdir(found["here"])
    monkeypatch.setenv("XDG_CONFIG_HOME", str(found["user"]))
    monkeypatch.setattr(lookup, "_PACKAGE", found["package"])
    return found


def put(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\ntitle: of {folder}\n")
    return path


def test_nearest_wins_and_the_rest_is_named(places: dict[str, Path]) -> None:
    here = put(places["here"] / "hw_specs", "a")
    user = put(places["user"] / "roofline/hw_specs", "a")
    package = put(places["package"] / "data/hw_specs", "a")
    found = lookup.find("chip", "a")
    assert found.path.resolve() == here
    assert found.shadowed == (user, package)
    user.write_bytes(here.read_bytes())  # a copy hides nothing
    assert lookup.find("chip", "a").shadowed == (package,)
    here.unlink()
    assert lookup.find("chip", "a").path == user


def test_a_path_wins(places: dict[str, Path]) -> None:
    put(places["here"] / "hw_specs", "a")
    own = put(places["here"] / "mine", "a")
    assert lookup.find("chip", "mine/a.yaml").path.resolve() == own
    assert lookup.find("chip", own).path == own
    assert lookup.find("chip", own).shadowed == ()
    with pytest.raises(UnknownName, match="no such file"):
        specs.load_chip("mine/b.yaml")
    with pytest.raises(SpecError, match="is a folder"):
        specs.load_chip(f"mine{os.sep}")


def test_wheel_and_checkout(places: dict[str, Path]) -> None:
    checkout = put(places["package"].parent / "workloads", "net")
    assert lookup.find("workload", "net").path == checkout
    wheel = put(places["package"] / "data/workloads", "net")
    assert lookup.find("workload", "net").path == wheel


def test_only_files_directly_in_the_folder_are_chips(places: dict[str, Path]) -> None:
    folder = places["here"] / "hw_specs"
    put(folder, "b")
    put(folder, "a")
    put(folder / "architectures", "turing")
    put(folder / "calibrations/a", "eager")
    (folder / "notes.txt").write_text("")
    (folder / "folder.yaml").mkdir()
    assert list(lookup.names("chip")) == ["a", "b"]
    assert lookup.names("workload") == {}


def test_the_same_folder_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert lookup.find("chip", "gtx-980").shadowed == ()


def test_unknown_names_suggest(places: dict[str, Path]) -> None:
    put(places["user"] / "roofline/hw_specs", "gtx-980")
    with pytest.raises(UnknownName, match="no chip named 'gtx980'; did you mean gtx-980"):
        lookup.find("chip", "gtx980")
    assert lookup.find("chip", "GTX-980").path.stem == "gtx-980"
    for odd in ("", "a\0b", "x" * 5000, "~"):
        with pytest.raises(UnknownName):
            lookup.find("chip", odd)


def test_calibrations_of_chip_then_architecture(places: dict[str, Path]) -> None:
    package = places["package"] / "data/hw_specs"
    package.mkdir(parents=True)
    of_architecture = put(places["here"] / "hw_specs/calibrations/turing", "eager")
    shipped = put(package / "calibrations/rtx-2070", "eager")
    own = put(places["user"] / "roofline/hw_specs/calibrations/rtx-2070", "mine")
    found = lookup.calibrations_for("rtx-2070", "turing")
    assert [path.resolve() for path in found] == [own, shipped, of_architecture]
    assert lookup.calibrations_for("zen4", "zen4") == []


def test_the_verbs_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "rtx-2070" in specs.list_chips()
    assert specs.load_chip("rtx-2070").name == "rtx-2070"
    assert specs.find("chip", "rtx-2070").path == specs.list_chips()["rtx-2070"]


def test_reading_a_chip_loads_no_heavy_library() -> None:
    import subprocess

    code = (
        "import sys; from roofline import specs; specs.load_chip('gtx-980'); "
        "print([m for m in ('pydantic', 'torch', 'matplotlib', 'scipy') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
