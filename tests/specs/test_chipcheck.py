"""What ``specs check`` says of good files: peaks derived again, parts, and copies that kept their name."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from roofline import specs
from roofline.cli.app import cli as main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hw_specs").mkdir()
    return tmp_path


def copy(name: str, to: Path) -> Path:
    """A chip that ships, whole in one file."""
    to.parent.mkdir(exist_ok=True)
    to.write_text(specs.dump_chip(specs.load_chip(ROOT / "hw_specs" / f"{name}.yaml")), encoding="utf-8")
    return to


def test_a_copy_in_a_folder_of_chips_needs_a_name_of_its_own(here: Path) -> None:
    path = copy("gtx-980", here / "hw_specs" / "my-card.yaml")
    (fault,) = specs.check(path)
    assert (fault.line, fault.path) == (1, "name")
    assert fault.message.startswith("the name 'gtx-980' belongs to ")
    assert fault.message.endswith("gtx-980.yaml; give the copy its own name: write my-card")
    result = CliRunner().invoke(main, ["specs", "list"])
    assert "warning: the name 'gtx-980' belongs to" in result.stderr
    assert result.exit_code == 0
    assert CliRunner().invoke(main, ["specs", "check"]).exit_code == 1


def test_a_listed_file_is_named_as_its_chip(here: Path) -> None:
    path = copy("gtx-980", here / "hw_specs" / "my-card.yaml")
    path.write_text(path.read_text().replace("name: gtx-980", "name: another"))
    (fault,) = specs.check(path)
    assert "'another' in" in fault.message
    assert fault.message.endswith("must equal the file name; write my-card")
    path.write_text(path.read_text().replace("name: another", "name: my-card"))
    assert specs.check(path) == []


def test_a_file_elsewhere_may_be_named_as_it_likes(here: Path) -> None:
    path = copy("gtx-980", here / "draft.yaml")
    assert "belongs to" in specs.check(path)[0].message  # unless that chip is another file
    path.write_text(path.read_text().replace("name: gtx-980", "name: another"))
    assert specs.check(path) == []
    same = copy("gtx-980", here / "own" / "gtx-980.yaml")  # as one that replaces it
    assert specs.check(same) == []


def test_peaks_are_derived_again() -> None:
    checked = specs.check_chip("gtx-980")
    stated = [peak for engine in specs.load_chip("gtx-980").engines for peak in engine.stated_peaks.values()]
    assert checked.rederived + checked.explained == len(stated) > 0
    result = CliRunner().invoke(main, ["specs", "check", str(ROOT / "hw_specs" / "gtx-980.yaml")])
    assert result.stdout == ""
    assert "files without faults: 1 of 1" in result.stderr
    assert f"stated peaks: {checked.rederived} equal units x 2 x FMA per clock x clock" in result.stderr
    assert CliRunner().invoke(main, ["specs", "check", "gtx-980", "--csv"]).stdout == "file,line,path,message\n"


def test_parts_are_checked_too(here: Path) -> None:
    folder = here / "hw_specs" / "architectures"
    folder.mkdir()
    part = folder / "toys.yaml"
    part.write_text("vendor: Nobody\n")
    result = CliRunner().invoke(main, ["specs", "check", str(part)])
    assert f"{part} is a base for chips to extend; no fault in what it contains" in result.stderr
    part.write_text("vendr: Nobody\n")
    result = CliRunner().invoke(main, ["specs", "check"])
    assert "toys.yaml:1: vendr: unknown key; did you mean vendor?" in result.stdout
    assert result.exit_code == 1
