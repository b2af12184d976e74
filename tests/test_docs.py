"""Does what the documents say work? Their commands run, their YAML is good, their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from roofline import lowering, specs
from roofline.cli.app import cli as main

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = [
    line.split("#")[0].strip()
    for line in re.search(r"<!-- commands -->\n```sh\n(.*?)```", DOCUMENTS[0].read_text(), re.DOTALL)[1].splitlines()
]
BLOCKS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/extending.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_readme_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(command)
    assert program == "roofline"
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.output


def test_the_chip_and_the_net_of_extending_are_good(tmp_path: Path) -> None:
    chip, variant, npu, net = BLOCKS
    (tmp_path / "my-chip.yaml").write_text(chip)
    (tmp_path / "my-rented-chip.yaml").write_text(variant)
    (tmp_path / "my-npu.yaml").write_text(npu)
    (tmp_path / "tiny.yaml").write_text(net)
    assert specs.check(tmp_path / "my-chip.yaml") == []
    assert specs.check(tmp_path / "my-rented-chip.yaml") == []
    assert specs.check(tmp_path / "my-npu.yaml") == []
    assert lowering.check(specs.load_network(tmp_path / "tiny.yaml")) == []


CHIP_PAGES = sorted((ROOT / "docs" / "chips").glob("*.md"))
CHIP_COMMANDS = [
    line.strip("`")
    for page in (*CHIP_PAGES, ROOT / "docs" / "arrays.md")
    for line in re.findall(r"`roofline [a-z]+ [^`]+`", page.read_text())
]


@pytest.mark.parametrize("command", CHIP_COMMANDS)
def test_commands_of_the_chip_pages_run(command: str) -> None:
    result = CliRunner().invoke(main, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output


def test_every_chip_page_has_its_picture() -> None:
    assert len(CHIP_PAGES) >= 11
    for page in CHIP_PAGES:
        assert page.stem == "README" or "../../reports/figures/" in page.read_text(), page


def test_python_of_the_readme_runs() -> None:
    code = re.search(r"```python\n(.*?)```", DOCUMENTS[0].read_text(), re.DOTALL)[1]
    scope: dict[str, object] = {}
    exec(code, scope)
    assert scope["p"].bounds  # type: ignore[attr-defined]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere_and_nothing_is_left_to_fill_in(document: Path) -> None:
    text = document.read_text()
    assert "@@" not in text
    for target in re.findall(r"\]\(([^)#]+)", text):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target
