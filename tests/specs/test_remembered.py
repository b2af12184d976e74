"""Is a file read again exactly when it, or one that it stands on, has changed?"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from toy import GOOD

from roofline import specs
from roofline.specs import remembered

OLD = time.time() - 3600


def write(path: Path, text: str, when: float = OLD) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (when, when))


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    remembered.forget()
    monkeypatch.chdir(tmp_path)


def test_the_same_value_while_nothing_changes(tmp_path: Path) -> None:
    write(tmp_path / "toy.yaml", GOOD)
    first = specs.load_chip("toy.yaml")
    assert specs.load_chip("toy.yaml") is first
    assert specs.load_chip("rtx-2070") is specs.load_chip("rtx-2070")
    assert specs.load_network("resnet50") is specs.load_network("resnet50")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / "toy.yaml", GOOD)
    first = specs.load_chip("toy.yaml")
    write(tmp_path / "toy.yaml", GOOD.replace("vendor: Nobody", "vendor: Somebody"), OLD + 60)
    assert specs.load_chip("toy.yaml").vendor == "Somebody"
    write(tmp_path / "toy.yaml", GOOD, OLD + 60)  # another size, the same time
    assert specs.load_chip("toy.yaml").vendor == first.vendor


def test_a_changed_file_below_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "hw_specs" / "mine.yaml", "extends: rtx-2070\nname: mine\ntitle: Mine\n")
    write(tmp_path / "hw_specs" / "rtx-2070.yaml", "extends: gtx-980\nname: rtx-2070\ntitle: A base of my own\n")
    assert specs.load_chip("mine").architecture == "maxwell"
    write(tmp_path / "hw_specs" / "rtx-2070.yaml", "extends: gtx-1080\nname: rtx-2070\ntitle: Another\n", OLD + 60)
    assert specs.load_chip("mine").architecture == "pascal"


def test_a_file_that_comes_to_hide_another_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "hw_specs" / "mine.yaml", "extends: rtx-2070\nname: mine\ntitle: Mine\n")
    assert specs.load_chip("mine").architecture == "turing"
    write(tmp_path / "hw_specs" / "rtx-2070.yaml", "extends: gtx-980\nname: rtx-2070\ntitle: A base of my own\n")
    assert specs.load_chip("mine").architecture == "maxwell"
    (tmp_path / "hw_specs" / "rtx-2070.yaml").unlink()
    assert specs.load_chip("mine").architecture == "turing"


def test_a_file_of_this_moment_is_not_kept(tmp_path: Path) -> None:
    """Its next change could have the same time and size."""
    write(tmp_path / "toy.yaml", GOOD, time.time())
    first = specs.load_chip("toy.yaml")
    assert specs.load_chip("toy.yaml") is not first


def test_errors_are_not_kept(tmp_path: Path) -> None:
    from roofline.errors import SpecError

    write(tmp_path / "toy.yaml", "name: toy\n")
    with pytest.raises(SpecError):
        specs.load_chip("toy.yaml")
    write(tmp_path / "toy.yaml", GOOD)
    assert specs.load_chip("toy.yaml").name == "toy"


def test_another_folder_has_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, vendor in (("a", "First"), ("b", "Second")):
        write(tmp_path / name / "toy.yaml", GOOD.replace("vendor: Nobody", f"vendor: {vendor}"))
    vendors = []
    for name in ("a", "b", "a"):
        monkeypatch.chdir(tmp_path / name)
        vendors.append(specs.load_chip("toy.yaml").vendor)
    assert vendors == ["First", "Second", "First"]
