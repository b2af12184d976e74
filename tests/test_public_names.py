"""Is every public name there, from the module it should be from, whatever was imported before?"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import roofline

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "roofline"
MODULES: dict[str, str] = roofline._MODULES

EVERYTHING = """
import json, pkgutil, sys
from importlib import import_module
sys.modules["torch"] = sys.modules["onnx"] = None  # as if they were not installed
import roofline
count = 0
for module in pkgutil.walk_packages(roofline.__path__, "roofline."):
    if module.name == "roofline.__main__":
        continue
    try:
        import_module(module.name)
        count += 1
    except ImportError as error:
        assert error.name in ("torch", "onnx"), error
names = [name for name in roofline.__all__ if name != "__version__"]
print(json.dumps([count, [name for name in names if not callable(getattr(roofline, name))]]))
"""


EXPORTED = """
Calibration Chip Comparison Explanation Generation Interval Measurement Network Prediction Recipe RooflineError Run
Stack Sweep Validation __version__ calibrate chips compare explain generate largest_batch load_chip load_network measure
networks plot predict read_measurements sweep trace validate
"""
"""The public interface. A name that goes missing here breaks the programs of others."""


def test_exported_members() -> None:
    assert sorted(roofline.__all__) == sorted(EXPORTED.split())


def test_a_public_name_is_never_a_module() -> None:
    names = set(roofline.__all__)
    assert not names & {path.stem for path in PACKAGE.iterdir()}
    done = subprocess.run([sys.executable, "-c", EVERYTHING], cwd=ROOT, capture_output=True, text=True, check=True)
    count, wrong = json.loads(done.stdout)
    assert count > 200
    assert wrong == []


@pytest.mark.parametrize("name", roofline.__all__)
def test_a_public_name_is_there(name: str) -> None:
    found = getattr(roofline, name)
    assert found is getattr(roofline, name)
    assert name in dir(roofline)
    if name in MODULES:
        assert found.__name__ == name
        assert getattr(import_module(MODULES[name]), name) is found
        assert found.__doc__


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == MODULES
    assert set(roofline.__all__) == {*MODULES, "__version__"}
    assert roofline.__all__ == sorted(roofline.__all__)


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'roofline' has no attribute 'predicted'"):
        roofline.predicted  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'forecast'"):
        from roofline import forecast  # noqa: F401
