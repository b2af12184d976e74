"""Do pictures show what they should, and nothing on top of anything else?"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any
from xml.dom import minidom

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from roofline import specs
from roofline.errors import OutputError, Unsupported, UsageError
from roofline.prediction.predict import predict
from roofline.render.charts import Pair, Speed, chips_figure, scatter_figure
from roofline.render.dots import Dot, dots_of, kind_of, whole_dot
from roofline.render.labels import spread
from roofline.render.roofplot import roofline_figure
from roofline.render.roofs import Facet, roofs_of
from roofline.render.style import figure_svg, picture_format, save_figure


def facet(chip: str, net: str = "", *dtypes: str, roofs: tuple[str, ...] = ()) -> Facet:
    part = specs.load_chip(chip)
    return Facet(part, tuple(predict(part, net, dtype=dtype, calibration="none") for dtype in dtypes), (), roofs)


def artists(figure: Figure, prefix: str) -> list[Any]:
    return [
        artist
        for axes in figure.axes
        for artist in (*axes.lines, *axes.collections)
        if (artist.get_gid() or "").startswith(prefix)
    ]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_one_roof_per_engine_and_precision_and_a_slope_per_level() -> None:
    figure = roofline_figure([facet("rtx-2070")])
    chip = specs.load_chip("rtx-2070")
    drawn = [roof for roof in roofs_of(chip) for _ in roof.precisions]
    assert len(drawn) == sum(len(engine.rates) for engine in chip.engines)
    assert len(artists(figure, "roof ")) == len(artists(figure, "ridge ")) == len(roofs_of(chip))
    assert len(artists(figure, "slope ")) == sum(level.total_bandwidth is not None for level in chip.memory)
    assert any("DRAM 448 GB/s" in text for text in texts(figure))
    assert any("fp16 on tensor cores\n29.9 TFLOP/s, ridge point 66.7 FLOP/B" in text for text in texts(figure))


def test_roofs_meet_slopes_at_the_ridge() -> None:
    figure = roofline_figure([facet("gtx-980", roofs=("fp32",))])
    (ridge,) = artists(figure, "ridge ")
    assert ridge.get_xdata()[0] == pytest.approx(ridge.get_ydata()[0] / 224e9)


def test_layers_are_dots_sized_by_their_share() -> None:
    prediction = predict("gtx-980", "resnet50", calibration="none")
    dots, moved = dots_of(prediction)
    assert sum(dot.share for dot in dots) + moved == pytest.approx(1.0)
    figure = roofline_figure([facet("gtx-980", "resnet50", "fp32")])
    sizes = sorted(float(dot.get_sizes()[0]) for dot in artists(figure, "layer"))
    assert len(sizes) == len(dots)
    assert sizes[-1] > 3 * sizes[0]
    for dot in dots:
        assert dot.rate <= min(4.98e12, dot.intensity * 224e9) * 1.001, "under the roof"


def test_several_nets_are_a_dot_each_under_their_roofs() -> None:
    """MLP0 streams its padded weights: 8 GOP over 21 MB and a little, close to the slope of 34 GB/s."""
    chip = specs.load_chip("tpu-v1")
    nets = tuple(predict(chip, net, dtype="int8") for net in ("tpu-v1-mlp0", "tpu-v1-cnn0"))
    figure = roofline_figure([Facet(chip, dtypes=("int8",), wholes=nets)])
    assert len(artists(figure, "layer")) == 2
    assert {"tpu-v1-mlp0, batch 200", "tpu-v1-cnn0, batch 8"} <= set(texts(figure))
    mlp, cnn = (whole_dot(net, chip) for net in nets)
    assert mlp.intensity == pytest.approx(8e9 / (5 * 64 * 65536), rel=0.03)
    assert 0.9 * mlp.intensity * 34e9 < mlp.rate < mlp.intensity * 34e9
    assert 0.9 * 91.75e12 < cnn.rate < 91.75e12


def test_two_chips_share_their_axes() -> None:
    figure = roofline_figure([facet("gtx-980", "mlp", "fp32"), facet("rtx-2070", "mlp", "fp32", "fp16")], "Two chips")
    assert len(figure.axes) == 2
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


@pytest.mark.parametrize(
    "chosen",
    [
        [("gtx-980", "resnet50", "fp32", "fp16"), ("rtx-2070", "resnet50", "fp32", "fp16")],
        [("tesla-fsd", "resnet50", "int8")],
        [("h200-sxm", "bert-base", "fp32", "fp16")],
        [("a100-pcie-40gb",)],
    ],
)
def test_no_label_covers_another(chosen: list[tuple[str, ...]]) -> None:
    figure = roofline_figure([facet(*arguments) for arguments in chosen])
    canvas: Any = figure.canvas
    canvas.draw()
    for axes in figure.axes:
        boxes = [
            (text.get_text(), Text.get_window_extent(text, canvas.get_renderer()))
            for text in axes.texts
            if text.get_text() and not text.get_rotation()
        ]
        for (one, first), (two, second) in itertools.combinations(boxes, 2):
            assert not first.overlaps(second), f"{one!r} covers {two!r}"
        for text, box in boxes:
            assert box.x1 <= figure.bbox.x1, f"{text!r} runs out of the picture"


def test_measured_kernels_are_hollow() -> None:
    chip = specs.load_chip("gtx-980")
    measured = Dot("linear", "matrix multiplication", "fp32", 100.0, 3e12, measured=True)
    figure = roofline_figure([Facet(chip, (), (measured,))])
    (dot,) = artists(figure, "measured")
    assert len(dot.get_facecolors()) == 0


def test_a_chip_without_bandwidth_still_has_roofs() -> None:
    chip = specs.detect_cpu()
    figure = roofline_figure([Facet(chip)])
    assert artists(figure, "roof ")
    assert (len(artists(figure, "slope ")) > 0) == any(level.total_bandwidth for level in chip.memory)


def test_wrong_requests() -> None:
    with pytest.raises(UsageError):
        roofline_figure([])
    with pytest.raises(UsageError):
        scatter_figure([])
    with pytest.raises(UsageError):
        chips_figure({})
    with pytest.raises(Unsupported, match="int8"):
        roofline_figure([facet("tesla-fsd", roofs=("fp64",))])


@pytest.mark.parametrize(
    ("op", "kind"), [("conv2d", "convolution"), ("linear", "matrix multiplication"), ("relu", "other layer")]
)
def test_kinds(op: str, kind: str) -> None:
    assert kind_of(op) == kind


@given(st.lists(st.floats(0, 100), min_size=1, max_size=9))
def test_spread_keeps_order_and_distance(places: list[float]) -> None:
    found = spread(places, 5.0, 0.0, 100.0)
    order = sorted(range(len(places)), key=lambda index: places[index])
    for before, after in itertools.pairwise(order):
        assert found[after] - found[before] >= 5.0 - 1e-6
    assert all(-1e-6 <= place <= 100 + 1e-6 for place in found)


def test_spread_leaves_alone_what_has_room() -> None:
    assert spread([10.0, 50.0, 90.0], 5.0, 0.0, 100.0) == [10.0, 50.0, 90.0]


def test_scatter() -> None:
    pairs = [Pair("conv", 1.1e-3, 1e-3, 0.9e-3, 1.4e-3, "a"), Pair("linear", 2e-3, 2e-3), Pair("conv", 0.0, 1.0)]
    figure = scatter_figure(pairs, "Rows")
    assert len(artists(figure, "identity")) == len(artists(figure, "band")) == 1
    assert len(artists(figure, "group ")) == 2
    assert len(artists(figure, "interval")) == 1
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "conv: error 10 %" in legend
    assert any("within 20 %" in text for text in legend)


def test_chips() -> None:
    speeds = [
        Speed("gtx-980", 370.0, 60.0, 400.0, bound=True),
        Speed("here", 17.0, 15.0, 20.0),
        Speed("tesla-fsd", None),
    ]
    figure = chips_figure({"resnet50": speeds, "vgg16": speeds}, "Chips")
    assert len(figure.axes) == 2
    assert len(artists(figure, "speed")) == 4
    hollow = [dot for dot in artists(figure, "speed") if dot.get_markerfacecolor() == "#ffffff"]
    assert len(hollow) == 2
    assert "not supported" in texts(figure)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf", "PNG"])
def test_saved_pictures_are_the_same_every_time(tmp_path: Path, ending: str) -> None:
    for name in ("a", "b"):
        save_figure(scatter_figure([Pair("conv", 1.1e-3, 1e-3)]), tmp_path / f"{name}.{ending}")
    first = (tmp_path / f"a.{ending}").read_bytes()
    assert first
    assert first == (tmp_path / f"b.{ending}").read_bytes()


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_figure(scatter_figure([Pair("conv", 1e-3, 1e-3)]), tmp_path / "file" / "x.png")
    with pytest.raises(UsageError, match="'gif'"):
        picture_format("x.gif")


def test_inline_svg_stands_by_itself() -> None:
    figure = roofline_figure([facet("gtx-980", "mlp", "fp32")])
    svg = figure_svg(figure, 'A "roofline" <here>')
    root = minidom.parseString(svg).documentElement
    assert root is not None
    assert root.getAttribute("role") == "img"
    assert root.getAttribute("aria-label") == 'A "roofline" <here>'
    assert not root.hasAttribute("width")
    assert "var(--ink, #1a1a1a)" in svg
    assert "<metadata" not in svg
    other = figure_svg(roofline_figure([facet("rtx-2070", "mlp", "fp32")]))
    ids = [{part.split('"')[0] for part in text.split(' id="')[1:]} for text in (svg, other)]
    assert ids[0]
    assert not ids[0] & ids[1], "two pictures in one page"
