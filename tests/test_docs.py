"""Does what the documents say work? Their commands run, their outputs are those of the program, their links lead on."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import roofline
from roofline import lowering, specs
from roofline.cli.app import cli as main

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "docs"))

import outputs  # noqa: E402
import pages  # noqa: E402
import running  # noqa: E402

README = ROOT / "README.md"
DOCUMENTS = [*pages.all_pages(), ROOT / "CHANGELOG.md", *ROOT.glob("CONTRIBUTING.md")]
COMMANDS = [
    line.split("#")[0].strip()
    for line in re.search(r"<!-- commands -->\n```sh\n(.*?)```", README.read_text(), re.DOTALL)[1].splitlines()
]
BLOCKS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/extending.md").read_text(), re.DOTALL)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", pages.all_pages(), ids=name)
def test_outputs_are_what_the_program_prints(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # pages change into a folder of their own
    found = outputs.check(page)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_readme_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(command)
    assert program == "roofline"
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.output


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_commands_that_are_not_run_are_understood(document: Path) -> None:
    """In blocks of commands and in sentences: the command and its options are there."""
    page = pages.read(document)
    blocks = [block for _, block in page.blocks if block.language == "sh"]
    lines = [command for block in blocks for _, command in running.commands(page, block)]
    lines += re.findall(r"`(roofline [a-z]+ [^`]+)`", "\n".join(page.lines))
    wrong = [(line, running.misunderstood(line)) for line in lines if line.startswith("roofline ")]
    assert not [pair for pair in wrong if pair[1]]


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
    code = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[1]
    scope: dict[str, object] = {}
    exec(code, scope)
    assert scope["p"].bounds  # type: ignore[attr-defined]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere_and_nothing_is_left_to_fill_in(document: Path) -> None:
    text = document.read_text()
    assert "@@" not in text
    for target in re.findall(r"\]\(([^)#]+)", text):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


def test_the_pages_of_the_api_cover_the_package() -> None:
    api = "\n".join(path.read_text() for path in (ROOT / "docs" / "api").glob("*.md"))
    listed = set(re.findall(r"<!-- modules of (\S+?)[: ]", api))
    inside = {f"roofline.{path.parent.relative_to(ROOT / 'roofline')}" for path in ROOT.glob("roofline/*/**/*.py")}
    shown = {"roofline.render", "roofline.report", "roofline.cli"}  # what they show is on the other pages
    rooms = {name.replace("/", ".") for name in inside if "data" not in name} - shown
    assert rooms <= listed
    assert not [name for name in roofline.__all__ if name != "__version__" and name not in api]


def test_every_tutorial_and_every_page_is_in_the_contents() -> None:
    contents = (ROOT / "docs" / "index.md").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        name = str(page.relative_to(ROOT / "docs").with_suffix(""))
        if not name.startswith(("api/", "chips/", "evidence", "index")):
            assert f"\n{name}\n" in contents, name


PAGE = """# A page
<!-- output{options}: roofline specs show rtx-2070 -->
```text
old
```

<!-- file: one.py -->
```python
print("never run")
```

It has <!-- value figures.3.value .1f: roofline specs show rtx-2070 -->1<!-- end --> units.
"""


def made(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "page.md"
    path.write_text(text)
    return path


def test_a_stale_output_is_found_with_its_line_and_refilled(tmp_path: Path) -> None:
    path = made(tmp_path, PAGE.format(options=""))
    figure, block = outputs.check(path)
    assert block.startswith(f"{path}:4: is not what `roofline specs show rtx-2070` prints\n  - old\n  + ")
    assert figure.startswith(f"{path}:12: a figure is stale")
    assert "repair: python docs/outputs.py --write" in block
    path.write_text("\n".join(outputs.refilled(path)[0]))
    assert "old" not in path.read_text()
    assert "-->36.0<!-- end -->" in path.read_text()
    assert outputs.check(path) == []


@pytest.mark.parametrize(
    ("options", "first", "last"),
    [
        (" lines=1", "rtx-2070", "  ..."),
        (" from=kind lines=4-90", "  ...", ""),
        (' until="  title"', "rtx", "  ..."),
    ],
)
def test_a_part_of_an_output(tmp_path: Path, options: str, first: str, last: str) -> None:
    lines, _ = outputs.refilled(made(tmp_path, PAGE.format(options=options)))
    shown = "\n".join(lines).split("```text\n")[1].split("\n```")[0].split("\n")
    assert shown[0].startswith(first)
    assert not last or shown[-1] == last


@pytest.mark.parametrize(
    "block",
    ["```\n  rtx-2070  567 images/s\n```", "```text\n  tier borrowed\n```", "```\nname  time\n──────────\n```"],
)
def test_an_output_without_a_marker_is_found(tmp_path: Path, block: str) -> None:
    (finding,) = outputs.check(made(tmp_path, f"# A page\n\n{block}\n"))
    assert ":3: looks like output of the program" in finding


def test_formulas_and_code_are_no_output(tmp_path: Path) -> None:
    text = "```\ntime = max(work / peak, bytes / bandwidth, launch)\n```\n\n```python\nprint('5 ms')\n```\n"
    assert outputs.check(made(tmp_path, text)) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<!-- output: roofline predict nothing -w resnet50 -->\n", r":1: exit status 2 of roofline predict nothing"),
        ("<!-- output: make -->\n", r":1: only roofline and python run here, not make"),
        ("<!-- output -->\n", r":1: no code block above"),
        ("<!-- output without colon -->\n", r":1: a marker that is not understood"),
        ("<!-- output until=nowhere: roofline specs list -->\n", r":1: until='nowhere' is in no line"),
        ("# x\n```python\n\n1 / 0\n```\n<!-- output -->\n", r":4: ZeroDivisionError"),
        ("So <!-- value nothing .0f: roofline specs show l4 -->1<!-- end -->\n", r":1: no value nothing"),
        ("<!-- value nothing .0f: roofline specs show l4 -->1<!-- end -->\n", r":1: a line must not begin with"),
        ("```sh\n", r":1: a fenced block without an end"),
    ],
)
def test_what_cannot_be_made_says_where(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(pages.Fault, match=why):
        outputs.check(made(tmp_path, text))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("roofline measure --out here.jsonl --rows 3 > log", ""),
        ("roofline predict l4 --nothing 3", "no option --nothing"),
        ("roofline presage l4", "presage"),
    ],
)
def test_commands_are_read_without_running_them(command: str, why: str) -> None:
    assert why in running.misunderstood(command)
    assert bool(why) == bool(running.misunderstood(command))
