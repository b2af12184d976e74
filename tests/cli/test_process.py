"""What only a real process shows: streams, pipes, colours, and what gets imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PREDICT = ("predict", "rtx-2070", "-w", "resnet50", "--layers", "all")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "roofline", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture(autouse=True)
def _from_the_checkout(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root))


def test_data_and_warnings_part_ways() -> None:
    done = run("predict", "gtx-980", "-w", "mlp", "--dtype", "fp16", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["chip"] == "gtx-980"
    assert "roofline: warning: gtx-980 has no fp16 arithmetic" in done.stderr


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m roofline predict rtx-2070 -w resnet50 --json | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout == "{\n"
    assert "BrokenPipe" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "roofline: error" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said() -> None:
    command = f"{sys.executable} -m roofline predict rtx-2070 -w mlp --json > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "roofline: error:" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_colour_when_piped_or_unwanted() -> None:
    assert "\x1b[" not in run(*PREDICT).stdout
    assert "\x1b[" not in run(*PREDICT, NO_COLOR="1", FORCE_COLOR="1").stdout


def test_nothing_is_cut_in_a_pipe() -> None:
    assert "…" not in run(*PREDICT).stdout


def test_a_narrow_window_keeps_its_lines() -> None:
    lines = run(*PREDICT, COLUMNS="80").stdout.splitlines()
    assert max(map(len, lines)) <= 80


def test_a_terminal_without_unicode_gets_question_marks() -> None:
    done = run("compare", "gtx-980", "rtx-2070", "-w", "mlp", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "rtx-2070" in done.stdout


@pytest.mark.parametrize("arguments", [PREDICT, ("compare", "gtx-980", "rtx-2070", "-w", "mlp"), ("--help",)])
def test_reading_stays_light(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom roofline.cli import main\n"
        f"try:\n    main({list(arguments)!r})\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'matplotlib', 'scipy.optimize', 'pandas', 'pydantic'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
