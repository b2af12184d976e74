"""Does the program find its chips and nets as a wheel, as a source archive and as a plain checkout?"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ASK = """
import json, sys
sys.modules["torch"] = None  # as if it were not installed
import roofline
from roofline import specs
prediction = roofline.predict("rtx-2070", "resnet50", batch=8, dtype="fp16")
print(json.dumps({
    "package": roofline.__file__,
    "chips": list(specs.list_chips()),
    "nets": list(specs.list_networks()),
    "files": [str(path) for path in (*specs.list_chips().values(), *specs.list_networks().values())],
    "seconds": prediction.seconds.middle,
    "high": prediction.seconds.high,
}))
"""


def data(folder: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.yaml"))


def names(folder: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / folder).glob("*.yaml"))


def ask(package: Path, place: Path) -> dict[str, object]:
    """What a program that imports roofline from ``package`` finds, run in an empty folder."""
    place.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(package), "XDG_CONFIG_HOME": str(place)}
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=place, env=environment, capture_output=True, text=True, check=True
    )
    answer: dict[str, object] = json.loads(done.stdout)
    assert Path(str(answer["package"])) == package / "roofline" / "__init__.py"
    assert (answer["chips"], answer["nets"]) == (names("hw_specs"), names("workloads"))
    return answer


def test_a_plain_checkout_finds_its_data_from_anywhere(tmp_path: Path) -> None:
    answer = ask(ROOT, tmp_path / "elsewhere")
    assert all(str(file).startswith(str(ROOT)) for file in answer["files"])  # type: ignore[attr-defined]


def test_what_is_needed_to_run_is_what_is_imported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.split(r"[^\w-]", text)[0].lower() for text in project["dependencies"]}
    imported: set[str] = set()
    for path in (ROOT / "roofline").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    imported -= sys.stdlib_module_names
    optional = {"torch", "pynvml", "onnx", "pandas", "pyarrow"}
    assert {{"yaml": "pyyaml"}.get(name, name) for name in imported - optional - {"roofline"}} == needed


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [
        *project["dependencies"],
        *(text for extra in project["optional-dependencies"].values() for text in extra),
    ]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower() for line in lines if "==" in line}
    assert {re.split(r"[^\w-]", text)[0].lower() for text in listed} <= pinned
    assert not any("+" in line for line in lines if "==" in line), "a local version, such as +cpu, is of one index only"


def test_the_readme_has_the_commands_the_ci_runs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"```\w*\n(python3 -m venv .+)\n```", text)
    assert len(commands) == 2
    assert commands[0].endswith("roofline report")
    assert commands[1].endswith("python -m pytest -n auto --dist loadfile")
    assert re.search(r"<!-- test-command -->\s*```\w*\n" + re.escape(commands[1]), text)


@pytest.mark.slow
def test_the_wheel_holds_its_data(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT)], check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        inside = archive.namelist()
        archive.extractall(site)
    shipped = sorted(name.removeprefix("roofline/data/") for name in inside if name.endswith(".yaml"))
    assert shipped == sorted(data("hw_specs") + data("workloads"))
    assert any(name.endswith("licenses/LICENSE") for name in inside)
    assert not [name for name in inside if name.startswith(("tests", "docs")) or "__pycache__" in name]
    answer = ask(site, tmp_path / "elsewhere")
    plain = ask(ROOT, tmp_path / "elsewhere")
    assert all(str(file).startswith(str(site / "roofline/data")) for file in answer["files"])  # type: ignore[attr-defined]
    assert (answer["seconds"], answer["high"]) == (plain["seconds"], plain["high"])


@pytest.mark.slow
def test_the_source_archive_holds_what_a_wheel_is_made_of(tmp_path: Path) -> None:
    pytest.importorskip("build")
    subprocess.run([sys.executable, "-m", "build", "--sdist", "--outdir", str(tmp_path), str(ROOT)], check=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        inside = {name.split("/", 1)[1] for name in opened.getnames() if "/" in name}
    wanted = {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "constraints.txt",
        "roofline/prediction/predict.py",
    }
    assert wanted | set(data("hw_specs")) | set(data("workloads")) <= inside
