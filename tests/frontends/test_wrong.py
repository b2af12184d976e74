"""Whatever is wrong with a model or its inputs, the message names the cause and the way out."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from roofline.cli.app import cli
from roofline.core.run import Recipe
from roofline.core.stack import Stack
from roofline.errors import MissingExtra, RooflineError, UsageError
from roofline.frontends import trace
from roofline.frontends.inputs import parse_input, sizes_of, with_symbols
from roofline.lowering import build, lower, lower_training, training_step
from roofline.specs.netfile import load_network

pytest.importorskip("torch")

import torch
from frontends import broken

from roofline.frontends.pytorch.tracing import trace as trace_all


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Branch", ["broken.py:", "in forward", "depends on data", "torch.where"]),
        ("Shape", ["depends on data"]),
        ("Moves", ["CUDA", "x.device"]),
        ("Numpy", ["reads tensor values"]),
        ("Nothing", ["no tensor"]),
        ("Two", ["first, second", "--input"]),
        ("Wide", ["width", "without arguments"]),
        ("Raises", ["KeyError", "expert 7", "broken.py:"]),
        ("custom", ["broken::unheard", "register_fake"]),
        ("state", ["dictionary", "fc.weight", "return the model"]),
        ("raises", ["FileNotFoundError", "weights.pt", "broken.py:"]),
        ("on_gpu", ["without moving it to a GPU"]),
        ("scripted", ["TorchScript"]),
        ("number", ["an int, neither a model"]),
        ("nobody", ["no factory", "nobody"]),
    ],
)
def test_models(name: str, said: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        trace(f"frontends.broken:{name}", ["4x8"])
    for part in said:
        assert part in str(caught.value), str(caught.value)


def test_weights_in_place_of_a_model() -> None:
    with pytest.raises(UsageError, match="weights without a model"):
        trace(broken.state(), ["4x8"])


@pytest.mark.parametrize("path", ["broken", "broken:", ":Branch", "no.such.module:Net", "nowhere.py:Net"])
def test_names_of_models(path: str) -> None:
    with pytest.raises(UsageError):
        trace(path, ["4x8"])


def test_a_module_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("import nothing_like_it\n")
    (tmp_path / "wrong.py").write_text("def net(:\n")
    for name, said in (("odd", "nothing_like_it, which is not installed"), ("wrong", "SyntaxError")):
        with pytest.raises(UsageError, match=said):
            trace(f"{tmp_path / name}.py:net", ["4x8"])


@pytest.mark.parametrize(
    "text", ["", "x", "3x", "3xx4", "axb", "3x4:float31", "a:b:3x4", "0x3", "3x4:int8:more", "n=2xn=3"]
)
def test_inputs(text: str) -> None:
    with pytest.raises(RooflineError) as caught:
        with_symbols([parse_input(text)])
    assert "input" in str(caught.value) or "dtype" in str(caught.value)


def test_what_inputs_mean() -> None:
    ids = parse_input("ids:batch=8xseq=128:int64")
    assert (ids.shape, ids.dtype, ids.name, dict(ids.symbols)) == ((8, 128), "int64", "ids", {0: "batch", 1: "seq"})
    assert sizes_of(with_symbols([parse_input("4x3x64x64")])) == {"batch": 4, "image": 64}
    assert sizes_of(with_symbols([parse_input("4x16:int64"), parse_input("16:int64")])) == {"batch": 4, "seq": 16}


@given(st.text("0123456789x=:abint64float ", max_size=20))
def test_any_input_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(RooflineError):
        assert parse_input(text).shape


def test_gradients_of_its_own_are_said_and_taken_for_those_of_what_it_runs() -> None:
    found = trace_all(broken.Squared, ["4x8"])
    assert any("OwnGradient defines its own gradients" in note for note in found.notes)
    lower_training(training_step(build(found.network), Recipe(), Stack(), cuda=False))


def test_an_operation_nobody_knows_is_a_visible_layer() -> None:
    found = trace_all(broken.with_shapes, ["4x8"])
    assert found.uncovered == (("broken.shaped", "broken_shaped"),)
    work = build(found.network)
    schedule = lower(work)
    (row,) = schedule.in_family("uncovered").nonzero()[0]
    assert schedule.reads[row] == (4 * 8 + 8 * 16) * 4
    assert schedule.writes[row] == 4 * 16 * 4
    assert work.parameters == 8 * 16
    step = lower_training(training_step(work, Recipe(), Stack(), cuda=False))
    assert step.in_family("uncovered").sum() == 2


def test_a_share_without_a_formula_is_said(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        cli, ["predict", "rtx-2070", "--model", "frontends.broken:with_shapes", "--input", "4x8", "--mode", "training"]
    )
    assert result.exit_code == 0, result.output
    assert "no formula for broken.shaped" in result.output
    assert "no formula covers" in result.output


def test_a_model_that_reads_numbers_while_it_is_built_is_built_for_real() -> None:
    assert build(trace(broken.depths, ["4x8"])).parameters == 72


def test_a_model_that_is_there_already_stays_as_it_is() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Dropout())
    module[0].eval()
    before = [parameter.data_ptr() for parameter in module.parameters()]
    assert build(trace(module, ["4x8"])).parameters == 72
    assert [parameter.data_ptr() for parameter in module.parameters()] == before
    assert (module[0].training, module[1].training) == (False, True)


def test_what_a_model_prints_is_no_part_of_the_net(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["trace", "frontends.broken:Talks", "--input", "4x8"])
    assert result.exit_code == 0, result.output
    assert "shape (4, 8)" in result.stderr
    (tmp_path / "net.yaml").write_text(result.stdout)
    assert build(load_network(tmp_path / "net.yaml")).parameters == 72


def test_tensors_that_are_really_there_meet_those_that_are_not() -> None:
    work = build(trace(broken.Talks(), ["4x8"]))
    assert [(node.op, len(node.inputs)) for node in work.nodes] == [("linear", 1), ("buffer", 0), ("mul", 2)]


@pytest.mark.slow
def test_wrapped_models() -> None:
    for wrap in (torch.compile, torch.nn.DataParallel):
        assert build(trace(wrap(torch.nn.Linear(8, 8)), ["4x8"])).parameters == 72


def test_a_file_is_not_taken_for_a_module_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("WIDTH = 8\n")
    (tmp_path / "json.py").write_text("import beside, torch\ndef net(): return torch.nn.Linear(8, beside.WIDTH)\n")
    assert build(trace(f"{tmp_path / 'json.py'}:net", ["4x8"])).parameters == 72


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match="pip install"):
        trace("frontends.broken:Branch", ["4x8"])
    result = CliRunner().invoke(cli, ["trace", "frontends.broken:Branch", "--input", "4x8"])
    assert result.exit_code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["trace", "frontends.broken:Squared"],
        ["predict", "rtx-2070", "--model", "frontends.broken:Squared"],
        ["predict", "rtx-2070", "--input", "4x8"],
        ["predict", "rtx-2070", "-w", "mlp", "--model", "frontends.broken:Squared", "--input", "4x8"],
    ],
)
def test_questions_that_make_no_sense(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert "input" in result.output
