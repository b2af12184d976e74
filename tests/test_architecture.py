"""Does the house still stand? Arrows one way, no cycles, light imports, small files, print in the cli alone."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "roofline"
FILES = sorted(PACKAGE.rglob("*.py"))

ROWS = (
    ("errors", "files", "units"),
    ("core",),
    ("specs", "operators", "devices"),
    ("frontends", "lowering", "measurements"),
    ("prediction",),
    ("campaign", "calibration", "analysis"),
    ("validation",),
    ("render",),
    ("report",),
    ("cli",),
    ("__init__", "__main__"),
)
"""The rooms, each in the one row it has: it imports rows above its own, and rooms of its own row as :data:`SIDEWAYS`
allows."""
SIDEWAYS = {("files", "errors"), ("units", "errors"), ("measurements", "lowering")}
"""(room, room of the same row that it imports)."""
ROW = {station: index for index, row in enumerate(ROWS) for station in row}

HEAVY = ("torch", "matplotlib", "scipy.optimize", "pandas", "pydantic")
"""What no prediction loads."""
MODELS = ("devices", "lowering", "operators", "prediction", "analysis", "measurements")
HEAVIER = ("numpy", "scipy", "yaml", "rich", "importlib.metadata", *(f"roofline.{name}" for name in MODELS), *HEAVY)
"""What is not loaded to say what there is: by the package itself, by help and by completion in a shell."""


def module(path: Path) -> str:
    """``roofline.core.chip`` for its file, ``roofline.core`` for the folder's ``__init__``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def station(name: str) -> str:
    """``core`` for ``roofline.core.chip``; ``__init__`` for the package itself."""
    return name.split(".")[1] if "." in name else "__init__"


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    """The modules of roofline that these nodes import; ``from roofline import specs`` means specs."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in MODULES}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or ({node.module} & MODULES.keys() if node.module else set())
    return found


def test_arrows_point_one_way() -> None:
    for name in MODULES.keys() - {"roofline"}:
        assert station(name) in ROW, f"{name} stands in no row; give it one in ROWS"
        for other in imported(ast.walk(MODULES[name])) - {"roofline"}:
            here, there = station(name), station(other)
            if here != there:
                allowed = ROW[there] < ROW[here] or (here, there) in SIDEWAYS
                assert allowed, f"{name} imports {other}, which does not stand above it"


def test_every_way_sideways_is_taken() -> None:
    taken = {(station(name), station(other)) for name, tree in MODULES.items() for other in imported(ast.walk(tree))}
    assert taken >= SIDEWAYS, f"nothing imports {sorted(SIDEWAYS - taken)}; take it out of SIDEWAYS"


def test_every_room_stands_in_a_row_and_nothing_else_does() -> None:
    assert {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir() if _is_room(path)} == set(ROW)


def _is_room(path: Path) -> bool:
    return path.suffix == ".py" or (path / "__init__.py").exists()


def test_no_module_imports_itself_by_a_detour() -> None:
    """Imports inside functions and under ``TYPE_CHECKING`` count: a circle hides in them as well."""
    graph = {name: imported(ast.walk(tree)) - {name} for name, tree in MODULES.items() if name != "roofline"}
    TopologicalSorter(graph).prepare()  # raises CycleError, with the cycle


def test_no_station_leans_on_the_package_itself() -> None:
    for name, tree in MODULES.items():
        if station(name) not in ("cli", "__main__"):
            assert "roofline" not in imported(ast.walk(tree)), f"{name} imports a name of the package itself"


@pytest.mark.parametrize(
    "code",
    [
        "import roofline; roofline.predict",
        "import roofline; p = roofline.predict('rtx-2070', 'mlp'); repr(p), str(p), p._repr_html_()",
        "from roofline.cli import main; main(['predict', 'rtx-2070', '-w', 'resnet50'])",
        "from roofline.cli import main; main(['predict', 'gtx-980', '-w', 'mlp', '--json'])",
    ],
)
def test_light(code: str) -> None:
    """Asserted through ``sys.modules``, not a clock."""
    assert not loaded(code) & set(HEAVY)


USERS = {
    "click": {"cli"},
    "matplotlib": {"render"},
    "onnx": {"frontends"},
    "pandas": {"core"},
    "rich": {"cli", "render"},
    "torch": {"campaign", "frontends"},
    "yaml": {"specs"},
}
"""Libraries with the only rooms that may import them."""


def test_a_library_is_imported_by_what_uses_it_alone() -> None:
    found: dict[str, set[str]] = {library: set() for library in USERS}
    for name, tree in MODULES.items():
        for node in ast.walk(tree):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for library in {one.split(".")[0] for one in names} & USERS.keys():
                found[library].add(station(name))
    assert {library: rooms for library, rooms in found.items() if not rooms <= USERS[library]} == {}
    assert all(found.values()), found


MAIN = "from roofline.cli import main; main({})"


@pytest.mark.parametrize(
    "code",
    [
        "import roofline; dir(roofline)",
        "from roofline import Recipe, RooflineError, Run, Stack",
        MAIN.format(["--help"]),
        MAIN.format(["--version"]),
        MAIN.format(["--show-completion", "bash"]),
    ],
)
def test_lighter(code: str) -> None:
    found = loaded(code)
    assert not found & set(HEAVIER)
    assert {name for name in found if station(name) == "cli"} <= {"roofline.cli", "roofline.cli.app"}, "no verb"


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("p", "plain,predict"),
        ("--ver", "plain,--version"),
        ("predict rtx-20", "plain,rtx-2070"),
        ("predict rtx-2070 -w resnet", "plain,resnet50"),
        ("compare rtx-2070 gtx-98", "plain,gtx-980"),
        ("plot gtx-980 -w ml", "plain,mlp"),
        ("explain gtx-980 --lay", "plain,--layer"),
        ("specs sh", "plain,show"),
        ("specs show rtx-20", "plain,rtx-2070"),
        ("workloads show bert-b", "plain,bert-base"),
    ],
)
def test_completion_is_light(words: str, completed: str) -> None:
    asked = {"COMP_WORDS": f"roofline {words}", "COMP_CWORD": str(len(words.split()))}
    found = loaded(MAIN.format([]), f"{completed}\n", _ROOFLINE_COMPLETE="bash_complete", **asked)
    assert not found & set(HEAVIER)
    others = {"compare", "doctor", "measure", "predict", "report", "trace"} - {words.split()[0]}
    assert not found & {f"roofline.cli.{verb}" for verb in others}


def loaded(code: str, said: str = "", **environment: str) -> set[str]:
    """The modules that a program loads beyond those of Python's own start; it says ``said`` and ends well."""
    text = "import sys\nbefore = set(sys.modules)\n"
    text += f"try:\n {code}\nexcept SystemExit as e:\n assert not e.code, e.code\n"
    text += "import json; print(); print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said in done.stdout
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_small() -> None:
    lines = {module(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: count for name, count in lines.items() if count > 300} == {}, "300 lines are enough for one question"


def test_only_the_command_line_prints_and_exits() -> None:
    for name, tree in MODULES.items():
        if station(name) in ("cli", "__main__"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("print", "sys.exit", "exit"), f"{name}:{node.lineno}"


UNWANTED = re.compile(r"\b(?:sessions?|agents?|subagents?|chatbot)\b|/work/|/tmp/|/root/", re.IGNORECASE)
"""Words of how the program was made, and paths of one machine."""


def shipped() -> Iterator[Path]:
    for folder in ("roofline", "hw_specs", "workloads", "docs", "benchmarks", "studies", "tests"):
        yield from (path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".yaml", ".md"))
    names = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pyproject.toml", "constraints.txt")
    yield from (ROOT / name for name in names)


def test_shipped_files_speak_of_the_program_alone() -> None:
    here = Path(__file__).resolve()
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in shipped()
        if path.resolve() != here
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if UNWANTED.search(re.sub(r'scope="session"|tmp_path_factory', "", line))
    ]
    assert not found, "\n".join(found)
