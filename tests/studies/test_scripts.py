"""Does every benchmark and every study run in a small setting, and does it leave the committed files alone?"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CAMPAIGN = "reports/measurements/cpu-amd-epyc"
ROWS, CHIP = f"{CAMPAIGN}/2026-11-28-a.jsonl.gz", f"{CAMPAIGN}/chip.yaml"
KEPT = ("reports", "hw_specs", "workloads", "docs")
"""Folders that no script may change when it runs small."""


@dataclass(frozen=True)
class Small:
    """A script with the words of its small setting, and what it prints then.

    ``{tmp}`` is an empty folder and ``{data}`` that of the public sets. ``sets`` are those it reads.
    """

    script: str
    words: tuple[str, ...]
    says: str
    sets: tuple[str, ...] = ()


FAST = (
    Small("benchmarks/throughput.py", ("--quick",), "sweep: 50 points"),
    Small("benchmarks/importing.py", ("{data}", "--quick"), "aiconfigurator", ("neusight", "deepbench", "caffe")),
    Small("studies/attention.py", ("{tmp}/rows.jsonl",), "decode, over 8 queries a key head"),
    Small("studies/caffe_nets.py", ("{data}",), "googlenet  training", ("caffe",)),
)
SLOW = (
    Small("benchmarks/startup.py", ("--quick",), "roofline compare"),
    Small("benchmarks/tracing.py", ("--quick",), "llama-2-7b   traced"),
    Small("studies/ablation.py", (ROWS, CHIP, "--quick"), "| the model, with parameters transferred from other CPUs |"),
    Small("studies/array_model.py", ("--quick",), "figure by figure: measured / predicted"),
    Small("studies/borrowed_cpu.py", ("--quick",), "inside the 90 % intervals of the others"),
    Small("studies/datasheet_spread.py", ("--quick",), "softmax", ("neusight", "deepbench", "aiconfigurator")),
    Small(
        "studies/gpu_model.py",
        ("--quick", "--apart", "1", "--out", "{tmp}"),
        "Half of the calls seen",
        ("neusight", "deepbench", "caffe", "aiconfigurator"),
    ),
    Small("studies/foreign_models.py", ("--quick",), "of 2 trace in both modes"),
    Small("studies/h200_gemm.py", ("compare", "{tmp}/rows.jsonl"), "1 shapes in both", ("neusight", "aiconfigurator")),
    Small("studies/recurrences.py", (), "fitted on 60 rows", ("deepbench",)),
    Small("studies/rounds.py", ("0.001", "6", "5"), "| 3 |"),
    Small("studies/traced_nets.py", (ROWS, "{tmp}/measured.json", CHIP, "--quick"), "training: mean"),
    Small("studies/transformers.py", ("{data}",), "anchored, own numbers of the chip", ("neusight",)),
)
DECODE = {
    "record": "measurement",
    "schema": 1,
    "kind": "operator",
    "op": "attention",
    "attributes": {"causal": False},
    "inputs": [[128, 40, 1, 64], [128, 1, 512, 64], [128, 1, 512, 64]],
    "chip": "h200-sxm",
    "dtype": "bf16",
    "stack": {"framework": "vllm", "version": "0.24.0", "mode": "graphs", "kv_cache": "paged"},
    "seconds": 1.6e-5,
}
"""One call of aiconfigurator's."""
WITH_TORCH = ("benchmarks/tracing.py", "studies/foreign_models.py", "studies/rounds.py", "studies/traced_nets.py")
LIBRARIES = ("studies/gpu_data.py",)
"""Modules that scripts import, and nobody runs."""


def digests() -> dict[str, str]:
    files = (path for folder in KEPT for path in sorted((ROOT / folder).rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.suffix != ".pyc"}


def data_of(small: Small) -> str:
    """The folder of the public sets; skips the test where one that the script reads is absent."""
    folder = os.environ.get("ROOFLINE_DATA", "")
    if missing := [name for name in small.sets if not folder or not Path(folder, name).is_dir()]:
        pytest.skip(f"ROOFLINE_DATA is no folder with the public sets {', '.join(missing)}")
    return folder


def prepare(small: Small, folder: Path, data: str) -> None:
    """The rows of an H200 that two scripts compare with: a call of attention, one shape of the public set."""
    if small.script == "studies/attention.py":
        (folder / "rows.jsonl").write_text(json.dumps(DECODE) + "\n")
    if small.script != "studies/h200_gemm.py":
        return
    from roofline.measurements.public import read_public

    row = next(row for row in read_public("aiconfigurator", Path(data, "aiconfigurator")) if row.dtype == "bf16")
    (folder / "rows.jsonl").write_text(json.dumps(row.to_dict()) + "\n")


@pytest.mark.parametrize(
    "small",
    [*FAST, *(pytest.param(small, marks=pytest.mark.slow) for small in SLOW)],
    ids=lambda small: small.script,
)
def test_it_runs_small_and_changes_no_committed_file(small: Small, tmp_path: Path) -> None:
    if small.script in WITH_TORCH:
        pytest.importorskip("torch")
    data, before = data_of(small), digests()
    prepare(small, tmp_path, data)
    words = [word.format(tmp=tmp_path, data=data) for word in small.words]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, small.script, *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert small.says in done.stdout
    assert digests() == before


def test_no_script_is_left_out() -> None:
    found = {
        str(path.relative_to(ROOT))
        for folder in ("benchmarks", "studies")
        for path in (ROOT / folder).rglob("*")
        if path.suffix == ".py"
    }
    assert {small.script for small in (*FAST, *SLOW)} | set(LIBRARIES) == found


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_imported_by_a_script(library: str) -> None:
    scripts = [(ROOT / small.script).read_text(encoding="utf-8") for small in (*FAST, *SLOW)]
    assert any(f"from {Path(library).stem} import" in text for text in scripts)


@pytest.mark.parametrize("small", [*FAST, *SLOW], ids=lambda small: small.script)
def test_its_small_setting_is_documented(small: Small) -> None:
    """The first lines of a script show the command, with the words that make it small."""
    text = (ROOT / small.script).read_text(encoding="utf-8").split('"""')[1]
    assert f"python {small.script}" in text
    assert "--quick" not in small.words or "--quick" in text
