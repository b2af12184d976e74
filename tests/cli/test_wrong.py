"""Does everything a user can get wrong end in one clear message and the right status?"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from roofline.cli.app import cli

NET = ("-w", "resnet18")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="roofline")


def message(status: int, *arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("predcit", "rtx-2070"), "did you mean predict"),
        (("predict", "rtx2070", *NET), "did you mean rtx-2070"),
        (("predict", "rtx-2070", "-w", "resnet5"), "did you mean resnet50"),
        (("predict", "rtx-2070"), "--workload"),
        (("predict", *NET), "CHIP"),
        (("compare", *NET), "CHIP"),
        (("predict", "rtx-2070", *NET, "--batch", "0"), "batch"),
        (("predict", "rtx-2070", *NET, "--batch", "-1"), "batch"),
        (("predict", "rtx-2070", *NET, "--batch", "abc"), "'abc' is not a batch size"),
        (("predict", "rtx-2070", *NET, "--batch", "1.5"), "batch"),
        (("predict", "rtx-2070", *NET, "--bind", "seq"), "seq=512"),
        (("predict", "rtx-2070", *NET, "--bind", "seqq=5"), "symbol"),
        (("predict", "rtx-2070", *NET, "--dtype", "fp17"), "did you mean fp16"),
        (("predict", "rtx-2070", *NET, "--dtype", "fp8"), "does not compute in fp8"),
        (("predict", "tesla-fsd", *NET), "does not compute in fp32; it has int8"),
        (("predict", "rtx-2070", *NET, "--dtype", "fp32,fp16"), "one precision"),
        (("predict", "rtx-2070", *NET, "--mode", "sleeping"), "inference"),
        (("predict", "rtx-2070", *NET, "--threads", "0"), "--threads"),
        (("predict", "rtx-2070", *NET, "--layers", "some"), "all"),
        (("predict", "rtx-2070", *NET, "--json", "--csv"), "exclude"),
        (("compare", "tesla-fsd", *NET, "--dtype", "fp32"), "does not compute in fp32"),
        (("compare", "rtx-2070", "gtx-908", *NET), "did you mean gtx-980"),
        (("explain", "rtx-2070", *NET, "--layer", "layer1.0.convv1"), "did you mean layer1.0.conv1"),
        (("specs", "lst"), "did you mean list"),
        (("specs", "show", "nothing-like-it"), "no chip named"),
        (("specs", "list", "--sort", "beauty"), "bandwidth"),
        (("workloads", "show", "resnet50", "--batch", "max"), "needs a chip"),
        (("plot", "rtx-2070", "--out", "x.gif"), "png, .svg or .pdf"),
        (("plot", "rtx-2070", "--out", "x"), "no ending"),
        (("validate", "nowhere.jsonl"), "no such file"),
    ],
)
def test_usage(arguments: tuple[str, ...], said: str) -> None:
    assert said in message(2, *arguments)


def test_a_size_that_leaves_nothing_is_named() -> None:
    result = run("predict", "rtx-2070", *NET, "--bind", "image=0")
    assert result.exit_code in (1, 2)
    assert "image = 0" in result.stderr


def test_a_net_too_large_says_by_how_much() -> None:
    result = run("predict", "gtx-980", "-w", "vgg16", "--batch", "1000")
    assert result.exit_code == 1
    said = " ".join(result.stdout.split())  # lines may break anywhere
    assert "does not fit" in said
    assert "too much" in said
    assert "too much" in message(1, "predict", "gtx-980", "-w", "vgg16", "--batch", "1000", "--csv")
    assert "too much" in message(1, "compare", "gtx-980", "h200-sxm", "-w", "vgg16", "--batch", "1000")


def test_broken_yaml_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nkind: gpu\nengines:\n\t- broken\n")
    result = run("specs", "check", str(path))
    assert result.exit_code == 1
    assert f"{path}:4" in result.stdout
    assert f"{path}:4" in message(1, "predict", str(path), *NET)


def test_check_lists_all_faults(tmp_path: Path, root: Path) -> None:
    text = (root / "hw_specs" / "gtx-980.yaml").read_text()
    path = tmp_path / "gtx-980.yaml"
    path.write_text(text.replace("224 GB/s", "-224 GB/s").replace("year: 2014", "year: soon"))
    result = run("specs", "check", str(path))
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) >= 2
    assert run("specs", "check", str(path), "--json").exit_code == 1


def test_a_broken_file_in_the_folder_does_not_stop_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hw_specs").mkdir()
    (tmp_path / "hw_specs" / "broken.yaml").write_text("{")
    monkeypatch.chdir(tmp_path)
    result = run("specs", "list")
    assert result.exit_code == 0
    assert "left out broken" in result.stderr
    assert "rtx-2070" in result.stdout


def test_a_hidden_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    (tmp_path / "hw_specs").mkdir()
    (tmp_path / "hw_specs" / "gtx-980.yaml").write_text((root / "hw_specs" / "gtx-980.yaml").read_text() + "# mine\n")
    monkeypatch.chdir(tmp_path)
    result = run("predict", "gtx-980", *NET)
    assert result.exit_code == 0
    assert "hides" in result.stderr


def test_unwritable_output(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in message(2, "plot", "rtx-2070", "--out", str(tmp_path / "file" / "x.png"))


@pytest.mark.parametrize("content", ["", "{\n", '{"record": "measurement"}\n', "not json\n"])
@pytest.mark.parametrize("verb", ["validate", "calibrate"])
def test_bad_measurements(tmp_path: Path, verb: str, content: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    assert "rows.jsonl" in message(1, verb, str(path))


def test_ctrl_c_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("roofline.prediction.predict.predict", interrupt)
    result = run("predict", "rtx-2070", *NET)
    assert result.exit_code == 130
    assert result.stderr == "interrupted\n"


def test_a_bug_is_one_line_and_debug_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("roofline.prediction.predict.predict", broken)
    result = run("predict", "rtx-2070", *NET)
    assert result.exit_code == 70
    assert result.stderr == "roofline: error: a bug: ZeroDivisionError: oops; add --debug for the traceback\n"
    assert "Traceback" in run("--debug", "predict", "rtx-2070", *NET).stderr
    assert "Traceback" in run("predict", "rtx-2070", *NET, "--debug").stderr


def test_measuring_without_torch_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    monkeypatch.chdir(tmp_path)
    for verb in ("measure", "report"):
        assert "pip install 'roofline[torch]'" in message(3, verb)
