"""Does what another installed package brings work like what ships? An operator and a set of measurements.

A package is installed here by what an installer leaves behind: a module, and a ``.dist-info`` folder beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugins import install as install_package

from roofline.core import plugins
from roofline.errors import UnknownName, UsageError
from roofline.measurements.public import SETS, read_public
from roofline.operators import OPERATORS, all_operators, operator_named

ROOT = Path(__file__).resolve().parent.parent

OPERATOR = '''
"""A gated activation: the first half of every row times the sigmoid of the second."""

from roofline.errors import UsageError
from roofline.operators import Inferred, Operator, Parameter


def shapes(inputs, attributes):
    *rows, width = inputs[0].shape
    if width % 2:
        raise UsageError(f"glu halves its rows, and {width} is odd")
    return Inferred(((*rows, width // 2),))


def kernels(case):
    each = 6.0 if attributed(case) else 5.0
    return [case.kernel("elementwise", flops=each * case.result.elements)]


def attributed(case):
    return case.attributes.flag("clamp")


CLAMP = Parameter("clamp", "flag", "whether results are cut off at 1", False)
GLU = Operator("glu_mine", "half of every row times the sigmoid of the other", (1, 1), shapes, kernels, (CLAMP,))
'''

DATA_SET = '''
"""Products of a table of our own: files ``<chip>.csv`` with the columns m, n, k, us."""

from roofline.core.measurement import Measurement
from roofline.measurements.public.files import table, understood


def read(source):
    paths = source.files(".csv")
    understood(source.path, paths, "tables <chip>.csv")
    for path in paths:
        if not source.wants(path.stem):
            continue
        for line in table(path, "m", "n", "k", "us"):
            yield Measurement(
                kind="operator",
                chip=path.stem,
                dtype="fp32",
                seconds=line.seconds("us", 1e6),
                op="linear",
                attributes={"out": line.whole("n"), "bias": False},
                inputs=((line.whole("m"), line.whole("k")),),
                set="mine/products",
                provenance="somebody's table",
            )
'''

NET = """\
title: "A gated layer"
source: "made up"
symbols: {batch: 8}
inputs: {x: [batch, 64]}
layers:
  - up: {op: linear, out: 256}
  - gate: {op: glu_mine, clamp: true}
  - down: {op: linear, out: 64}
"""


def install(place: Path, name: str, module: str, **entries: str) -> None:
    """A package of one module; entries are ``operators="glu_mine = name:GLU"``, several of a group line by line."""
    place.mkdir(exist_ok=True)
    groups = {
        f"roofline.{group}": dict(line.split(" = ", 1) for line in lines.splitlines() if line)
        for group, lines in entries.items()
    }
    install_package(place, name, module, groups)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where packages are installed that bring an operator and a set."""
    folder = tmp_path / "site"
    install(folder, "gated", OPERATOR, operators="glu_mine = gated:GLU")
    install(folder, "tables", DATA_SET, data_sets="mine = tables:read")
    return folder


def run(place: Path, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """The program in a process where these packages are installed, run beside their folder."""
    done = subprocess.run(
        [sys.executable, "-m", "roofline", *arguments],
        cwd=place.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(place), str(ROOT)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done


def net(place: Path, text: str = NET) -> str:
    path = place.parent / "gated.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_an_operator_that_another_package_brings_is_predicted(place: Path) -> None:
    answer = json.loads(run(place, "predict", "gtx-980", "-w", net(place), "--json").stdout)
    (gate,) = [layer for layer in answer["layers"] if layer["name"] == "gate"]
    assert gate["kind"] == "glu_mine"
    assert gate["flops"] == 6 * 8 * 128
    assert gate["bytes"] == 4 * 8 * (256 + 128)
    assert gate["seconds"]["middle"] > 0
    assert gate["covered"]
    # storage in fewer bits asks every operator what it is
    run(place, "predict", "gtx-980", "-w", net(place), "--weights", "int8")


def test_it_is_listed_and_explained(place: Path) -> None:
    listed = json.loads(run(place, "workloads", "operators", "--json").stdout)["operators"]
    (mine,) = [operator for operator in listed if operator["name"] == "glu_mine"]
    assert mine["attributes"][0]["name"] == "clamp"
    assert "glu_mine" in run(place, "workloads", "operators").stdout
    assert len(listed) == len(OPERATORS) + 1
    assert "glu_mine" in run(place, "explain", "gtx-980", "-w", net(place), "--layer", "gate").stdout


def test_its_faults_are_found_like_those_of_what_ships(place: Path) -> None:
    wrong = net(place, NET.replace("clamp: true", "clip: true"))
    assert (
        "gated.yaml:7: gate: no attribute of glu_mine named 'clip'"
        in run(place, "workloads", "check", wrong, status=1).stdout
    )
    odd = net(place, NET.replace("256", "255"))
    assert (
        "gated.yaml:7: gate: glu halves its rows, and 255 is odd"
        in run(place, "workloads", "check", odd, status=1).stdout
    )
    near = net(place, NET.replace("glu_mine", "glu_mina"))
    assert (
        "no operator named 'glu_mina'; did you mean glu_mine" in run(place, "workloads", "check", near, status=1).stdout
    )


def test_a_set_that_another_package_brings_is_imported_and_validated(place: Path) -> None:
    data = place.parent / "gtx-980.csv"
    data.write_text("m,n,k,us\n1024,1024,1024,600\n2048,2048,2048,4500\n", encoding="utf-8")
    rows = place.parent / "rows.jsonl"
    assert "2 measurements: 2 of gtx-980" in run(place, "import", "mine", str(data), "--out", str(rows)).stderr
    first = json.loads(rows.read_text(encoding="utf-8").splitlines()[0])
    assert (first["set"], first["seconds"]) == ("mine/products", 600e-6)
    scored = json.loads(run(place, "validate", str(rows), "--json").stdout)
    assert [row["chip"] for row in scored["rows"]] == ["gtx-980"] * 2
    assert "did you mean mine or" in run(place, "import", "mines", str(data), status=2).stderr
    data.write_text("m,n,k\n1,2,3\n", encoding="utf-8")
    assert "gtx-980.csv:1: no column us" in run(place, "import", "mine", str(data), status=1).stderr


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("import no_such_module\n", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def f(:\n", "cannot be loaded: SyntaxError"),
        ("OTHER = 1\n", "cannot be loaded: AttributeError"),
        ("WRONG = 1\n", "is 'int', not a roofline.operators.Operator"),
        ("from roofline.operators import OPERATORS\nWRONG = OPERATORS['relu']\n", "is the operator 'relu'; "),
    ],
)
def test_a_broken_package_is_named(module: str, why: str, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    install(folder, "broken", module, operators="wrong = broken:WRONG")
    said = run(folder, "workloads", "check", net(folder, NET.replace("glu_mine", "wrong")), status=1).stdout
    assert f"entry point 'wrong' of roofline.operators (broken:WRONG, from broken 0.1) {why}" in said


def test_a_broken_package_does_no_harm_to_what_does_not_use_it(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    install(folder, "broken", "def f(:\n", operators="wrong = broken:WRONG", device_kinds="wrong = broken:WRONG")
    assert run(folder, "predict", "gtx-980", "-w", "mlp").stdout


# In this process --------------------------------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose packages this process finds; its tables are as before afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    operators, sets, modules = dict(OPERATORS), dict(SETS), set(sys.modules)
    plugins._brought.cache_clear()
    yield folder
    plugins._brought.cache_clear()
    for table, before in ((OPERATORS, operators), (SETS, sets)):
        table.clear()
        table.update(before)
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", "") and str(folder) in str(sys.modules[name].__file__):
            del sys.modules[name]


def test_nothing_is_loaded_before_it_is_named(installed: Path) -> None:
    install(installed, "loud", "raise SystemError('loaded')\n", operators="loud = loud:LOUD\nloud2 = loud:LOUD")
    assert plugins.names("roofline.operators") == ("loud", "loud2")
    assert plugins.names("roofline.nothing") == ()
    assert plugins.named("roofline.operators", "quiet") is None
    with pytest.raises(UnknownName, match="did you mean loud or loud2"):
        operator_named("loud3")
    with pytest.raises(UsageError, match=r"'loud' of roofline.operators .* SystemError: loaded"):
        operator_named("loud")
    with pytest.raises(UsageError, match="SystemError"):
        all_operators()


def test_what_ships_cannot_be_replaced(installed: Path) -> None:
    install(
        installed,
        "greedy",
        OPERATOR,
        operators="relu = greedy:GLU\nglu_mine = greedy:GLU",
        data_sets="caffe = greedy:x",
    )
    before = OPERATORS["relu"], SETS["caffe"]
    assert list(all_operators())[-1] == "glu_mine"
    assert operator_named("glu_mine") is OPERATORS["glu_mine"]
    with pytest.raises(UsageError, match="no such file"):
        list(read_public("caffe", installed / "nowhere"))
    assert (OPERATORS["relu"], SETS["caffe"]) == before


def test_two_packages_of_one_name(installed: Path) -> None:
    install(installed, "one", OPERATOR, operators="glu_mine = one:GLU", data_sets="both = one:GLU")
    install(installed, "two", OPERATOR, operators="glu_mine = two:GLU", data_sets="both = one:GLU")
    with pytest.raises(UsageError) as raised:
        operator_named("glu_mine")
    assert str(raised.value) == (
        "entry point 'glu_mine' of roofline.operators (one:GLU, from one 0.1) and entry point 'glu_mine' of "
        "roofline.operators (two:GLU, from two 0.1) have the same name; uninstall one of them"
    )
    with pytest.raises(UsageError, match=r"\(one:GLU, from one 0.1\) is not a function from a source to measurements"):
        read_public("both", installed)
