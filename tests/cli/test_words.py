"""Does the program speak the field's language, with correct grammar? Every help text and sixty odd invocations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from roofline.cli.app import cli

NOUNS = (
    *("row", "layer", "measurement", "figure", "sample", "kernel", "thread", "file", "call", "GPU", "chip", "token"),
    *("parameter", "attempt", "visit", "header", "position", "step", "unit", "core", "network", "operator"),
)
FORBIDDEN = {
    "command": r"\bverbs?\b",
    "network": r"\bnets?\b",
    "matrix multiplication, GEMM": r"(?<!dot )\bproducts?\b",
    "speed-of-light bound": r"(?<!speed-of-)\blight\b",
    "peak memory": r"\bfullest\b",
    "not measured": r"\bnobody\b",
    "transferred from": r"\b(lends?|lent|lenders?|taught|carried over|borrows?|borrowing)\b",
    "dispatched, launched": r"\bhand(s|ed)? (it )?over\b",
    "90th percentile": r"\bnine of ten\b",
    "noisy": r"\bdisturbed\b",
    "split-k": r"\bcuts? of\b",
    "fp32 accumulation": r"\bfp\d+ sums\b|\bsums in fp",
    "parameters": r"\bfitted numbers\b",
    "without": r"\bdoes without\b",
    "a number of the noun": rf"(?<![\d.,:/-])1 (?:{'|'.join(NOUNS)})s\b(?!/)",
    "the article an": r"\ba (?:[aio]\w*|e[^u\W]\w*|NPU|FMA)\b(?<!\ba one)",
    "the article a": r"\ban (?:[bcdfgjklmnpqrstvwxyz]\w*|GPU|CPU|TPU|one|u(?:nit|ser)\w*)\b",
}
"""What to write, and the pattern of what must not be read. Names of options and files are taken out before."""
NAMES = re.compile(r"--?[a-z][\w-]*|\S*[/\\]\S*|\S+\.(?:ya?ml|jsonl?|py|onnx|csv|svg|png|txt)\S*|'[^']*'")


def faults(text: str) -> list[str]:
    plain = NAMES.sub(" ", text)
    return [
        f"{found[0]!r} (write: {instead}) in ...{plain[max(found.start() - 60, 0) : found.end() + 40]!r}"
        for instead, pattern in FORBIDDEN.items()
        for found in re.finditer(pattern, plain, re.IGNORECASE if instead not in ("the article a",) else 0)
    ]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    yield path
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments), prog_name="roofline", env={"COLUMNS": "100"})
    assert "Traceback" not in result.output
    assert "a bug:" not in result.output
    return result.output


@pytest.mark.parametrize("wrong", ["the verb", "a net", "a array", "an GPU", "1 rows", "at its fullest", "fp32 sums"])
def test_the_patterns_find_what_they_forbid(wrong: str) -> None:
    assert faults(wrong)


@pytest.mark.parametrize("right", ["a unit", "an NPU", "a GPU", "1 row", "1 samples/s", "21 rows", "speed-of-light"])
def test_the_patterns_let_pass_what_is_right(right: str) -> None:
    assert not faults(right)


@pytest.mark.parametrize("path", list(commands(cli)), ids=" ".join)
def test_help(path: tuple[str, ...]) -> None:
    text = run(*path, "--help")
    assert text.startswith("Usage:")
    assert not faults(text)
    assert max(map(len, text.splitlines())) <= 105  # an example may be longer than the width of the text


GPU, NPU, MLP = "rtx-2070", "tpu-v1", ("-w", "mlp")
INVOCATIONS = [
    ("predcit", GPU),
    ("specs", "lst"),
    ("predict", "rtx2070", *MLP),
    ("predict", GPU, "-w", "resnet5"),
    ("predict", GPU),
    ("predict", *MLP),
    ("predict", GPU, *MLP, "--batch", "0"),
    ("predict", GPU, *MLP, "--batch", "many"),
    ("predict", GPU, *MLP, "--bind", "seq"),
    ("predict", GPU, *MLP, "--bind", "seq=5"),
    ("predict", GPU, *MLP, "--batch", "4", "--bind", "batch=5"),
    ("predict", GPU, "-w", "resnet18", "--bind", "image=0"),
    ("predict", GPU, *MLP, "--dtype", "fp17"),
    ("predict", GPU, *MLP, "--dtype", "fp8"),
    ("predict", "tesla-fsd", *MLP),
    ("predict", GPU, *MLP, "--dtype", "fp32,fp16"),
    ("predict", GPU, *MLP, "--mode", "sleeping"),
    ("predict", GPU, *MLP, "--threads", "0"),
    ("predict", GPU, *MLP, "--threads", "4"),
    ("predict", GPU, *MLP, "--serving", "latency"),
    ("predict", GPU, *MLP, "--chips", "2"),
    ("predict", GPU, *MLP, "--cudnn", "4", "--autotune"),
    ("predict", GPU, *MLP, "--tf32"),
    ("predict", GPU, *MLP, "--kv-cache", "int8"),
    ("predict", GPU, *MLP, "--layers", "some"),
    ("predict", GPU, *MLP, "--layers", "1"),
    ("predict", GPU, *MLP, "--json", "--csv"),
    ("predict", GPU, *MLP, "--optimizer", "adam"),
    ("predict", GPU, *MLP, "--mode", "training", "--accumulate", "3"),
    ("predict", GPU, *MLP, "--mode", "training", "--weights", "int8"),
    ("predict", GPU, "-w", "sha-256d", "--mode", "training"),
    ("predict", GPU, *MLP, "--loader-rate", "0"),
    ("predict", GPU, *MLP, "--host-dispatch", "soon"),
    ("predict", GPU, *MLP, "--calibration", "none"),
    ("predict", GPU, *MLP, "--calibration", "nowhere.yaml"),
    ("predict", GPU, *MLP, "--calibration", "hw_specs/calibrations/tpu-v1/tensorflow.yaml"),
    ("predict", GPU, *MLP, "--anchor", "nowhere.jsonl"),
    ("predict", GPU, *MLP, "--generate", "4"),
    ("predict", GPU, *MLP, "--generate", "4", "--anchor", "rows.jsonl"),
    ("predict", "a100-sxm-80gb", "-w", "llama-3-8b", "--dtype", "bf16", "--generate", "1"),
    ("predict", "h100-sxm", "-w", "bert-large", "--batch", "1", "--dtype", "fp16"),
    ("predict", "gtx-980", "-w", "vgg16", "--batch", "1000"),
    ("predict", "gtx-980", *MLP, "--batch", "4096"),
    ("predict", "mi300x", *MLP),
    ("predict", "epyc-9654", *MLP),
    ("predict", "epyc-9654", *MLP, "--threads", "8"),
    ("predict", NPU, *MLP, "--dtype", "int8", "--serving", "sharded"),
    ("predict", "inferentia2", *MLP, "--dtype", "bf16", "--serving", "latency", "--chips", "2"),
    ("predict", "nnp-i-1000", *MLP, "--dtype", "int8", "--cudnn", "4"),
    ("predict", GPU, *MLP, "-w", "resnet18"),
    ("predict", GPU, "--model", "nowhere.py:Model", "--input", "1x3"),
    ("predict", GPU, "--model", "module", "--input", "1x3"),
    ("predict", GPU, *MLP, "--input", "1x3"),
    ("compare", *MLP),
    ("compare", GPU, "gtx-908", *MLP),
    ("compare", "tesla-fsd", *MLP, "--dtype", "fp32"),
    ("compare", "l4", "h100-sxm", "inferentia2", "-w", "bert-base", "--batch", "1"),
    ("explain", GPU, *MLP, "--layer", "fc9"),
    ("explain", GPU, *MLP, "--layer", "fc1"),
    ("explain", GPU, *MLP, "--layer", "optimizer"),
    ("plot", GPU),
    ("plot", GPU, "--out", "x.gif"),
    ("plot", "tesla-fsd", "--dtype", "fp64", "--out", "x.png"),
    ("specs", "show", "nothing-like-it"),
    ("specs", "show", NPU),
    ("specs", "list", "--sort", "beauty"),
    ("specs", "diff", "gtx-970", NPU),
    ("specs", "check"),
    ("workloads", "show", "mlp", "--batch", "max"),
    ("workloads", "show", "mlp"),
    ("workloads", "list"),
    ("workloads", "operators"),
    ("workloads", "check", "hw_specs/gtx-980.yaml"),
    ("validate",),
    ("validate", "nowhere.jsonl"),
    ("validate", "--published"),
    ("import", "newsight", "."),
    ("import", "deepbench", "workloads"),
    ("measure", "--threads", "0"),
    ("measure", "--json"),
    ("trace", "nowhere.py:Model"),
    ("doctor",),
]


@pytest.mark.parametrize("arguments", INVOCATIONS, ids=" ".join)
def test_messages(arguments: tuple[str, ...], root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    assert not faults(run(*arguments))


BROKEN = {
    "empty.yaml": "",
    "list.yaml": "- 1\n",
    "tab.yaml": "name: mine\n\tkind: gpu\n",
    "chip.yaml": "name: mine\ntitle: Mine\nextends: gtx-980\npower: {value: -1 W, source: nowhere}\nlinks: [{}]\n",
    "loop.yaml": "name: loop\ntitle: Loop\nextends: loop\n",
    "network.yaml": "title: Mine\nsource: me\ninputs: {x: [batch]}\nlayers:\n  - a: {op: linaer}\n  - a: relu\n",
}
ROW: dict[str, object] = {
    "record": "measurement",
    "schema": 1,
    "kind": "operator",
    "op": "relu",
    "attributes": {},
    "inputs": [[64]],
    "chip": "gtx-980",
    "dtype": "fp32",
    "cache": "cold",
    "seconds": 1e-12,
    "provenance": "a test",
}


@pytest.mark.parametrize("name", BROKEN)
def test_faults_of_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(BROKEN[name])
    told = run("specs", "check", str(path)) + run("workloads", "check", str(path)) + run("predict", str(path), *MLP)
    assert not faults(told)


@pytest.mark.parametrize("rows", [[], [{}], [{**ROW, "seconds": 0}], [ROW], [{**ROW, "cache": "warm"}]])
def test_measurement_files(rows: list[dict[str, object]], tmp_path: Path) -> None:
    path = str(tmp_path / "some.jsonl")
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))
    for arguments in (
        *(("measurements", "show", path), ("measurements", "diff", path, path), ("validate", path)),
        *(("calibrate", path, "--out", path + ".yaml"), ("validate", path, "--leave-out", "device")),
        *(("calibrate", path, "--architecture", "any"), ("predict", "gtx-980", *MLP, "--anchor", path)),
    ):
        assert not faults(run(*arguments)), arguments
