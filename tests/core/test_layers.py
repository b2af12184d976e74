"""Are layers held as columns the same as layers one by one?"""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from roofline.core.layers import Interval, LayerPrediction, Layers
from roofline.core.warned import CODES, Said, Warned, codes
from roofline.prediction.predict import predict


def layer(
    name: str, seconds: float, bound: str = "launch", tier: str = "borrowed", op: str = "relu"
) -> LayerPrediction:
    span = Interval(seconds / 2, seconds, 2 * seconds)
    return LayerPrediction(name, op, "8 -> 8", 16.0, 64.0, span, bound, tier, {bound: seconds})  # type: ignore[arg-type]


ONES = [layer("a", 1.0), layer("b", 3.0, "DRAM", "datasheet", "conv2d"), layer("c", 2.0)]


def test_columns_give_back_the_rows() -> None:
    layers = Layers.of(ONES)
    assert list(layers) == ONES
    assert layers == tuple(ONES)
    assert (layers[1], layers[:2], len(layers)) == (ONES[1], tuple(ONES[:2]), 3)
    assert Layers.of(layers) is layers
    assert list(layers.and_then(layer("d", 1.0))) == [*ONES, layer("d", 1.0)]


def test_sums_are_those_of_the_rows() -> None:
    layers = Layers.of(ONES)
    assert layers.bounds == {"launch": 0.5, "DRAM": 0.5}  # of equal shares the first comes first
    assert layers.tiers == {"borrowed": 0.5, "datasheet": 0.5}
    assert layers.seconds == Interval(3.0, 6.0, 12.0)
    assert layers.worst == "datasheet"
    assert layers.convolves
    assert Layers.of([]).worst == "datasheet"
    assert Layers.of([]).bounds == {}


def test_a_prediction_can_be_sent_to_another_process() -> None:
    made = predict("rtx-2070", "resnet18", batch=2)
    there = pickle.loads(pickle.dumps(made))
    assert there == made
    assert there.layers[0].shapes == made.layers[0].shapes
    assert codes(there.warnings) == codes(made.warnings)


@pytest.mark.parametrize("stack", ["eager", "compiled", "latency"])
@pytest.mark.parametrize("chip", ["gtx-980", "inferentia2", "epyc-9654", "mi300x"])
def test_every_warning_has_a_code_of_the_list(chip: str, stack: str) -> None:
    made = predict(chip, "bert-base", batch=64, stack=stack)
    assert made.warnings
    assert all(isinstance(warning, Warned) for warning in made.warnings)
    assert set(codes(made.warnings)) <= set(CODES) - {"note"}


def test_a_warning_is_its_sentence() -> None:
    said = Said()
    said.add("borrowed", "borrowed: from elsewhere")
    assert said == ["borrowed: from elsewhere"]
    assert codes([*said, *said, "written by hand"]) == ["borrowed", "note"]


def test_a_prediction_made_by_hand_takes_any_list_of_layers() -> None:
    made = replace(predict("rtx-2070", "mlp"), layers=tuple(ONES))  # type: ignore[arg-type]
    assert made.bound == "launch"
    assert made.flops == 48.0
