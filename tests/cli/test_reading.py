"""Do the reading verbs answer, in every form?"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from roofline.cli.app import VERBS, cli


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="roofline")


def answer(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(*arguments: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer(*arguments, "--csv"))))


PREDICT = ("predict", "rtx-2070", "-w", "resnet50", "--batch", "32")


KEYS = (
    *("chip", "workload", "batch", "symbols", "dtype", "mode", "stack", "seconds", "samples_per_s", "bound"),
    *("bounds", "tier", "tiers", "calibration", "covered", "memory", "fits", "warnings", "layers"),
)
LAYER_KEYS = ("name", "kind", "shapes", "flops", "bytes", "seconds", "bound", "tier", "repeats")


def test_predict_says_everything_that_matters() -> None:
    text = answer(*PREDICT)
    for said in (
        "resnet50 on rtx-2070",
        "images/s",
        "between",
        "transferred by the spec sheet",
        "DRAM",
        "fits",
        "499 USD",
    ):
        assert said in " ".join(text.split())
    assert "x3" in text, "equal layers are folded"
    assert "more layers take" in text


def test_predict_json_is_the_public_form() -> None:
    data = json.loads(answer(*PREDICT, "--json"))
    assert data["schema_version"] == 1
    assert set(KEYS) <= set(data)
    assert set(data["seconds"]) == {"low", "middle", "high"}
    assert set(LAYER_KEYS) <= set(data["layers"][0])
    assert data["samples_per_s"] == pytest.approx(32 / data["seconds"]["middle"])


def test_predict_csv_has_every_layer_once() -> None:
    found = rows(*PREDICT)
    data = json.loads(answer(*PREDICT, "--json"))
    assert sum(int(row["repeats"]) for row in found) == len(data["layers"])
    assert sum(float(row["seconds"]) for row in found) == pytest.approx(data["seconds"]["middle"])
    assert sum(float(row["share"]) for row in found) == pytest.approx(1.0)


@pytest.mark.parametrize(("asked", "lines"), [("all", 60), ("3", 3), ("top 5", 5), ("none", 0)])
def test_layers_are_as_many_as_asked_for(asked: str, lines: int) -> None:
    text = answer(*PREDICT, "--layers", asked)
    shown = [line for line in text.splitlines() if " conv2d " in line or " batch_norm " in line or " relu " in line]
    assert len(shown) >= lines if asked == "all" else len(shown) <= lines
    assert ("Layers in program order" in text) == (asked != "none")


def test_tokens_are_counted_where_there_are_some() -> None:
    assert "tokens/s" in answer("predict", "rtx-2070", "-w", "bert-base", "--bind", "seq=64")
    assert "tokens/s" not in answer(*PREDICT)


def test_the_largest_batch_fits_and_one_more_does_not() -> None:
    result = run("predict", "gtx-980", "-w", "resnet18", "--batch", "max", "--json")
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert data["fits"]
    assert "largest batch that fits" in result.stderr
    assert run("predict", "gtx-980", "-w", "resnet18", "--batch", str(data["batch"] + 1)).exit_code == 1


def test_compare_answers_the_owner_of_a_gtx_980() -> None:
    text = answer("compare", "gtx-980", "rtx-2070", "-w", "resnet50", "--batch", "32", "--calibration", "none")
    for said in ("█", "of the time is bound by", "the peak", "the bandwidth", "rule of thumb", "upper bound on speed"):
        assert said in text
    assert "fp16 is storage only" in text
    assert "tensor cores" in text


def test_compare_says_in_its_row_what_a_chip_lacks() -> None:
    found = rows("compare", "tesla-fsd", "rtx-2070", "-w", "resnet18", "--dtype", "fp16,int8")
    lacking = [row for row in found if row["refusal"]]
    assert [row["chip"] for row in lacking] == ["tesla-fsd"]
    assert "int8" in lacking[0]["refusal"]
    assert "not supported" in answer("compare", "tesla-fsd", "rtx-2070", "-w", "resnet18")


def test_compare_json_holds_the_predictions() -> None:
    data = json.loads(answer("compare", "gtx-980", "rtx-2070", "-w", "mlp", "--json"))
    assert data["chips"] == ["gtx-980", "rtx-2070"]
    assert data["dtypes"] == ["fp32", "fp16"]
    assert len(data["entries"]) == 4
    second = data["entries"][1]
    assert second["speedup"] > 1
    assert second["prediction"]["chip"] == "rtx-2070"


PLAIN = ("--calibration", "none")


def test_explain_prints_the_arithmetic() -> None:
    text = answer("explain", "rtx-2070", "-w", "resnet50", "--layer", "layer3.0.conv2", "--batch", "32", *PLAIN)
    assert "2 x m 6,272 x n 256 x k 2,304 = 7.4 GFLOP" in text
    assert "36 units x 2 x 64 FMA x 1.62 GHz = 7.46 TFLOP/s (fp32)" in text
    assert "34.5 MB / 448 GB/s" in text
    assert "<- largest" in text
    assert "16.7 FLOP/B, the machine balance (ridge point)" in text


def test_explain_takes_folded_names_and_other_forms() -> None:
    arguments = ("explain", "rtx-2070", "-w", "resnet50", "--layer", "layer3.*.conv1", *PLAIN)
    assert json.loads(answer(*arguments, "--json"))["layer"] == "layer3.1.conv1"  # the commonest shape of the fold
    assert {row["resource"] for row in rows(*arguments)} == {"CUDA cores", "DRAM", "launch"}
    assert "borrowed" in answer(*arguments[:-2])


def test_specs_list_sorts() -> None:
    found = rows("specs", "list", "--sort", "bandwidth")
    widths = [float(row["bandwidth"]) for row in found]
    assert widths == sorted(widths, reverse=True)
    assert {"gtx-980", "rtx-2070", "tesla-fsd", "inferentia", "nnp-t-1300"} <= {row["name"] for row in found}
    assert json.loads(answer("specs", "list", "--json"))["chips"]


@pytest.mark.parametrize("key", ["year", "tflops", "memory", "power", "price"])
def test_specs_list_by(key: str) -> None:
    assert "rtx-2070" in answer("specs", "list", "--sort", key)


def test_specs_show_gives_every_figure_its_source() -> None:
    found = rows("specs", "show", "rtx-2070")
    assert all(row["status"] for row in found)
    bandwidth = next(row for row in found if row["field"] == "DRAM: bandwidth")
    assert float(bandwidth["value"]) == 448e9
    assert bandwidth["source"]
    assert "12 nm" in answer("specs", "show", "rtx-2070")


def test_what_ships_is_valid() -> None:
    assert run("specs", "check").exit_code == 0
    assert run("workloads", "check").exit_code == 0


def test_specs_detect_writes_a_spec_that_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = answer("specs", "detect")
    assert "kind: cpu" in text
    path = Path(answer("specs", "detect", "--write").strip())
    assert path.read_text() == text
    assert run("specs", "check", str(path)).exit_code == 0
    assert path.stem in answer("specs", "list")
    path.write_text(text + "# mine\n")
    result = run("specs", "detect", "--write")
    assert result.exit_code == 2
    assert path.read_text().endswith("# mine\n"), "never over somebody's file"


def test_workloads() -> None:
    found = {row["name"]: row for row in rows("workloads", "list")}
    assert int(found["resnet50"]["parameters"]) == 25_557_032
    text = answer("workloads", "show", "resnet50", "--batch", "1")
    assert "25,557,032" in text
    data = json.loads(answer("workloads", "show", "resnet50", "--batch", "1", "--json"))
    assert data["flops"] == pytest.approx(8.2e9, rel=0.05)
    assert sum(layer["parameters"] for layer in data["layers"]) == data["parameters"]


def test_doctor() -> None:
    data = json.loads(answer("doctor", "--json"))
    assert {"software", "device", "files"} <= set(data)
    assert data["software"]["numpy"][0].isdigit()
    assert "now" in data["device"]


def test_ridge_points_without_a_picture() -> None:
    found = rows("plot", "rtx-2070")
    fp32 = next(row for row in found if row["precision"] == "fp32" and row["memory"] == "DRAM")
    assert float(fp32["intensity"]) == pytest.approx(7.465e12 / 448e9, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "asked"),
    [("one.png", ("gtx-980",)), ("two.svg", ("rtx-2070", "gtx-980", "-w", "mlp")), ("three.pdf", ("gtx-980",))],
)
def test_plot(tmp_path: Path, name: str, asked: tuple[str, ...]) -> None:
    path = tmp_path / "made" / name
    result = run("plot", *asked, "--out", str(path))
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert path.read_bytes().startswith(starts[path.suffix[1:]])


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_explains_itself_with_an_example(verb: str) -> None:
    text = answer(verb, "-h")
    if verb not in ("specs", "workloads"):
        assert f"roofline {verb}" in text.split("Options:")[0].split("\n", 1)[1]


def test_help_lists_the_verbs() -> None:
    text = answer("--help")
    assert all(verb in text for verb in VERBS)
    assert "--show-completion" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "_ROOFLINE_COMPLETE" in answer("--show-completion", shell)
    monkeypatch.setenv("_ROOFLINE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "roofline predict rtx")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert "rtx-2070" in run().output
