"""Does what a newcomer tries first in Python work, and does it fit on a screen?"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from toy import ROW

import roofline
from roofline.errors import MissingExtra, UsageError

ROOT = Path(__file__).resolve().parent.parent
SCREEN = 2_000
"""Characters of a screen."""


@pytest.fixture(scope="module")
def prediction() -> roofline.Prediction:
    return roofline.predict("rtx-3090", "resnet50")


@pytest.fixture(scope="module")
def comparison() -> roofline.Comparison:
    return roofline.compare(["gtx-980", "rtx-2070"], "resnet50", batch=32)


@pytest.fixture(scope="module")
def generation() -> roofline.Generation:
    return roofline.generate("l4", "gpt2", 20, bind={"seq": 64})


def test_lists_of_names() -> None:
    chips, networks = roofline.chips(), roofline.networks()
    assert chips == sorted(chips)
    assert networks == sorted(networks)
    assert {"gtx-980", "rtx-2070", "tesla-fsd"} <= set(chips)
    assert {"resnet50", "bert-base"} <= set(networks)
    assert roofline.load_chip(chips[0]).name == chips[0]


def test_engines_of_a_chip_are_read_at_a_glance() -> None:
    lanes, tensor_cores = roofline.load_chip("rtx-2070").engines
    assert lanes.name == "CUDA cores"
    assert "7.46 Top/s" in repr(lanes)
    assert len(repr(lanes)) < 200
    assert "36 units" in repr(tensor_cores)
    assert repr(roofline.load_chip("rtx-2070").dram) == "<MemoryLevel: DRAM, 8 GiB, 448 GB/s>"


def test_compare(comparison: roofline.Comparison) -> None:
    assert comparison.chips == ("gtx-980", "rtx-2070")
    assert comparison.entries[1].speedup == pytest.approx(2.02, abs=0.01)
    assert "rtx-2070, fp32 over gtx-980" in str(comparison)


def test_the_largest_batch() -> None:
    most = roofline.largest_batch("rtx-2070", "alexnet", dtype="fp16")
    assert roofline.predict("rtx-2070", "alexnet", batch="max", dtype="fp16").batch == most
    compared = roofline.compare(["rtx-2070"], "alexnet", batch="max", dtypes=["fp16"])
    assert compared.entries[0].prediction is not None
    assert compared.entries[0].prediction.batch == most
    assert roofline.explain("rtx-2070", "alexnet", "unit2.conv", batch="max", dtype="fp16").batch == most
    with pytest.raises(UsageError, match="batch: expected a whole number of at least 1, or 'max', got 'most'"):
        roofline.predict("rtx-2070", "alexnet", batch="most")  # type: ignore[arg-type]


def test_the_largest_batch_of_what_never_fits_is_one_that_does_not() -> None:
    assert roofline.largest_batch("gtx-980", "llama-3-8b", dtype="fp16") == 0
    answer = roofline.predict("gtx-980", "llama-3-8b", dtype="fp16", batch="max")
    assert answer.batch == 1
    assert answer.fits is False
    assert "does not fit" in str(answer).splitlines()[0]
    assert "/s" not in str(answer).splitlines()[0]
    assert "does not fit in memory" in repr(answer)


def test_words_for_stack_mode_and_optimizer() -> None:
    words = roofline.predict("rtx-2070", "mlp", stack="compiled", mode="training", optimizer="adamw")
    run = roofline.Run("training", roofline.Recipe("adamw"))
    values = roofline.predict("rtx-2070", "mlp", stack=roofline.Stack(mode="compiled"), run=run)
    assert words.to_dict() == values.to_dict()
    for function in (roofline.explain, roofline.largest_batch, roofline.compare):
        first = ["rtx-2070"] if function is roofline.compare else "rtx-2070"
        layer = ["dense1"] if function is roofline.explain else []
        with pytest.raises(UsageError, match="an optimizer applies to training only; add mode='training'"):
            function(first, "mlp", *layer, optimizer="adamw")  # type: ignore[operator]
    with pytest.raises(UsageError, match="mode and optimizer are part of run"):
        roofline.predict("rtx-2070", "mlp", run=run, mode="training")
    with pytest.raises(UsageError, match="did you mean training"):
        roofline.predict("rtx-2070", "mlp", mode="traning")


def test_intensity_of_a_layer(prediction: roofline.Prediction) -> None:
    layer = prediction.layers[0]
    assert layer.intensity == layer.flops / layer.bytes
    assert prediction.to_dict()["layers"][0]["intensity"] == layer.intensity


def test_a_loop_over_batches_of_one_network() -> None:
    network = roofline.load_network("mlp")
    times = [roofline.predict("rtx-2070", network, batch=size).seconds.middle for size in (1, 8, 64)]
    assert times == sorted(times)
    assert times == [roofline.predict("rtx-2070", "mlp", batch=size).seconds.middle for size in (1, 8, 64)]


def test_generate(generation: roofline.Generation) -> None:
    assert generation.tokens == 20
    assert roofline.generate("l4", "gpt2", 20, bind={"seq": 64}, batch="max").batch > 1000


def test_plot_is_a_figure(prediction: roofline.Prediction, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    figures = [
        roofline.plot(["gtx-980", "rtx-2070"], "mlp", batch=32),
        roofline.plot("rtx-2070"),
        roofline.plot(roofline.load_chip("rtx-2070"), ["mlp", "alexnet"], dtypes="fp16"),
        roofline.plot(prediction, title="mine"),
    ]
    assert [len(figure.axes) for figure in figures] == [2, 1, 1, 1]
    assert all(isinstance(figure, Figure) for figure in figures)
    figures[0].savefig(tmp_path / "roofline.svg")
    with pytest.raises(UsageError, match="name at least one chip"):
        roofline.plot([])
    with pytest.raises(UsageError, match="drawn on its own chip"):
        roofline.plot(prediction, "mlp")


def test_validate_a_path(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW) + "\n")
    result = roofline.validate(path)
    again = roofline.validate(roofline.read_measurements(path).measurements)
    assert [row.predicted for row in result.rows] == [row.predicted for row in again.rows]
    assert roofline.validate(str(path)).to_dict() == result.to_dict()
    assert repr(result).startswith("<Validation: 1 operator: median error ")
    assert "linear" in str(result)


def test_a_module_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU())
    example = torch.zeros(8, 64)
    made = [
        roofline.predict("rtx-2070", model, inputs=inputs)
        for inputs in (["batch=8x64"], "8x64:float32", (8, 64), example, [example], {"input": example})
    ]
    assert len({one.seconds.middle for one in made}) == 1
    assert {one.batch for one in made} == {8}
    assert roofline.predict("rtx-2070", model, inputs=example, batch=16).batch == 16
    assert roofline.compare(["gtx-980", "rtx-2070"], model, inputs=example).workload == "sequential"
    assert roofline.explain("rtx-2070", model, "0", inputs=example).op == "linear"
    assert roofline.largest_batch("rtx-2070", model, inputs=example) > 100_000
    assert roofline.predict("rtx-2070", model, inputs=example, mode="training").mode == "training"
    with pytest.raises(UsageError, match=r"Sequential is a PyTorch module, which needs its inputs"):
        roofline.predict("rtx-2070", model)
    with pytest.raises(UsageError, match="inputs belong to a PyTorch module; mlp has its own"):
        roofline.predict("rtx-2070", "mlp", inputs=example)
    with pytest.raises(UsageError, match="expected a text, a shape or a tensor"):
        roofline.predict("rtx-2070", model, inputs=[3.5])
    with pytest.raises(
        UsageError, match=r"network: expected a name, a path, a Network or a torch\.nn\.Module, got int"
    ):
        roofline.predict("rtx-2070", 7)


def test_what_a_tracer_says_reaches_the_prediction() -> None:
    torch = pytest.importorskip("torch")

    class Odd(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: object) -> object:
            return torch.linalg.eigvalsh(x)

    network = roofline.trace(Odd(), (4, 8, 8))
    assert any("no formula for" in note for note in network.notes)
    warnings = roofline.predict("rtx-2070", network).warnings
    assert set(network.notes) <= set(warnings)


def test_everything_shows_itself(
    prediction: roofline.Prediction, comparison: roofline.Comparison, generation: roofline.Generation
) -> None:
    results = [
        prediction,
        comparison,
        generation,
        roofline.explain("rtx-2070", "resnet50", "layer3.0.conv2"),
        roofline.load_chip("rtx-2070"),
        roofline.load_network("resnet50"),
        roofline.load_network("bert-base"),
    ]
    for result in results:
        line, text, page = repr(result), str(result), result._repr_html_()
        assert "\n" not in line
        assert len(line) < 300
        assert line.startswith(f"<{type(result).__name__}: ")
        assert len(text) < 2 * SCREEN
        assert len(text.splitlines()) <= 50
        assert max(map(len, text.splitlines())) <= 100
        assert page.startswith('<div class="roofline">')
        assert page.count("<table") == page.count("</table>") >= 1
        assert "<script" not in page
    assert len(repr(prediction)) < SCREEN
    for part in ("between", "tier", "bound by", "memory", "price"):
        assert part in str(prediction)


def test_warnings_reach_text_page_and_line(prediction: roofline.Prediction) -> None:
    assert prediction.warnings
    flat = " ".join(str(prediction).split())
    for warning in prediction.warnings:
        assert " ".join(warning.split()) in flat
    assert f"{len(prediction.warnings)} warning" in repr(prediction)
    assert prediction._repr_html_().count("warning: ") == len(prediction.warnings)


def test_what_comes_from_people_is_escaped() -> None:
    from dataclasses import replace

    chip = replace(roofline.load_chip("rtx-2070"), title="<b>loud</b>")
    assert "<b>loud" not in chip._repr_html_()
    assert "&lt;b&gt;loud" in chip._repr_html_()


def test_frames(prediction: roofline.Prediction, comparison: roofline.Comparison) -> None:
    pytest.importorskip("pandas")
    layers = prediction.to_frame()
    assert layers["seconds"].sum() == pytest.approx(prediction.seconds.middle)
    assert {"layer", "low_s", "seconds", "high_s", "bound", "tier"} <= set(layers.columns)
    frame = comparison.to_frame()
    assert list(frame["chip"]) == ["gtx-980", "rtx-2070", "gtx-980", "rtx-2070"]
    assert list(frame["samples_per_s"]) == [entry.samples_per_s for entry in comparison.entries]
    assert "bar" not in frame.columns
    assert len(roofline.load_chip("rtx-2070").to_frame()) > 20
    assert len(roofline.load_network("resnet50").to_frame()) > 20


def test_without_pandas(prediction: roofline.Prediction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match=r"a data frame needs .*roofline\[pandas\]"):
        prediction.to_frame()


def test_the_same_after_the_command_line_was_imported() -> None:
    code = (
        "import roofline.cli, roofline.prediction.predict, roofline.analysis.compare, roofline.render.plot\n"
        "import roofline\n"
        "print(roofline.predict('rtx-2070', 'mlp').chip, len(roofline.chips()) > 50, callable(roofline.compare))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["rtx-2070", "True", "True"]


def test_the_package_is_typed() -> None:
    assert (ROOT / "roofline" / "py.typed").is_file()
