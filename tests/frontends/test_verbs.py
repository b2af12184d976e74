"""Every verb that asks about a net takes a PyTorch model in its place, and gives the answer of the traced file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from roofline.cli.app import cli

pytest.importorskip("torch")

MODEL = ("--model", "frontends.broken:Squared", "--input", "4x8")


def run(*words: str) -> str:
    result = CliRunner().invoke(cli, list(words))
    assert result.exit_code == 0, result.output
    return result.stdout


def without_notes(answer: Any) -> Any:
    """An answer without what the tracer says of the module; its file does not know that."""
    if isinstance(answer, dict):
        return {key: without_notes(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [
            without_notes(one) for one in answer if not str(one).startswith("OwnGradient defines its own gradients")
        ]
    return answer


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("nets") / "squared.yaml"
    path.write_text(run("trace", *MODEL[1:]))
    return str(path)


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "rtx-2070", "--json"),
        ("predict", "rtx-2070", "--json", "--mode", "training", "--stack", "compiled"),
        ("explain", "rtx-2070", "--layer", "fc", "--json"),
        ("compare", "gtx-980", "rtx-2070", "--json"),
    ],
    ids=lambda words: f"{words[0]} {len(words)}",
)
def test_answers(words: tuple[str, ...], net: str) -> None:
    answers = [without_notes(json.loads(run(*words, *which))) for which in (MODEL, ("-w", net))]
    assert answers[0] == answers[1]
    assert "fc" in json.dumps(answers[0]) or words[0] == "compare"


def test_plot(net: str, tmp_path: Path) -> None:
    drawn = []
    for index, which in enumerate((MODEL, ("-w", net))):
        path = tmp_path / f"{index}.svg"
        run("plot", "rtx-2070", *which, "--out", str(path))
        drawn.append(re.sub(r"<dc:date>.*?</dc:date>|#?\bp?[0-9a-f]{10,}\b", "", path.read_text()))
    assert drawn[0] == drawn[1]
    sizes = []
    for more in (MODEL, ("-w", net)):  # one dot for each of two nets
        run("plot", "rtx-2070", "-w", "mlp", *more, "--out", str(tmp_path / "both.svg"))
        sizes.append(len((tmp_path / "both.svg").read_text()))
    assert sizes[0] == sizes[1] != len((tmp_path / "0.svg").read_text())
    assert CliRunner().invoke(cli, ["plot", "rtx-2070", "--input", "4x8"]).exit_code == 2
