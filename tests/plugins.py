"""Another package that is installed beside roofline, made of one module in a temporary folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def install(folder: Path, module: str, code: str, entry_points: Mapping[str, Mapping[str, str]]) -> None:
    """Put a module with its metadata into a folder, as an installer would.

    entry_points : group -> name -> ``module:attribute``.
    """
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    info = folder / f"{module}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 0.1\n", encoding="utf-8")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in names.items())
        for group, names in entry_points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups), encoding="utf-8")


def roofline(folder: Path, *args: str, status: int = 0) -> str:
    """What ``roofline ARGS`` prints in a folder whose packages are installed; of a refusal the message."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}
    program = [sys.executable, "-m", "roofline", *args]
    done = subprocess.run(program, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def answer(folder: Path, *args: str) -> dict[str, object]:
    """The JSON of a command."""
    found: dict[str, object] = json.loads(roofline(folder, *args, "--json"))
    return found
