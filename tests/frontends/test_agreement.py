"""A net traced from PyTorch and the file somebody wrote of it are one net: the same products, weights and traffic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roofline import specs
from roofline.core.network import Network
from roofline.core.run import Recipe
from roofline.core.schedule import KINDS, Schedule
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.frontends import trace
from roofline.lowering import build, lower, lower_training, memory_of_training, training_step
from roofline.specs.netdump import dump_network

pytest.importorskip("torch")

from frontends import modules as written

from roofline.campaign import modules

NETS: dict[str, tuple[Callable[[], Any], list[str], dict[str, int]]] = {
    "resnet50": (
        lambda: modules.ResNet(modules.Bottleneck, (3, 4, 6, 3)),
        ["4x3x224x224:float32"],
        {"batch": 4, "image": 224},
    ),
    "mobilenetv2": (modules.MobileNetV2, ["4x3x224x224"], {"batch": 4, "image": 224}),
    "bert-base": (modules.Bert, ["2x128:int64", "1x128:int64", "2x128:int64"], {"batch": 2, "seq": 128}),
    "gpt2": (written.Gpt2, ["2x128:int64", "1x128:int64"], {"batch": 2, "seq": 128}),
    "lstm": (written.WordLstm, ["20x35:int64"], {"batch": 20, "seq": 35}),
}


@pytest.fixture(scope="module")
def traced() -> dict[str, Network]:
    return {name: trace(make, inputs) for name, (make, inputs, _) in NETS.items()}


def work(schedule: Schedule) -> tuple[float, float]:
    """Operations of products, and bytes of activations."""
    products = schedule.kind == KINDS.index("matmul")
    traffic = (schedule.reads + schedule.writes) * schedule.repeats
    return float(schedule.all_flops[products].sum()), float(traffic.sum())


def pair(name: str, traced: dict[str, Network], sizes: dict[str, int]) -> tuple[Workload, Workload]:
    return build(traced[name], sizes), build(specs.load_network(name), sizes)


@pytest.mark.parametrize("name", NETS)
def test_inference(name: str, traced: dict[str, Network]) -> None:
    ours, theirs = pair(name, traced, NETS[name][2])
    assert ours.weight_bytes == theirs.weight_bytes
    (flops, traffic), (expected_flops, expected_traffic) = work(lower(ours)), work(lower(theirs))
    assert flops == expected_flops
    assert traffic == pytest.approx(expected_traffic, rel=0.02)


@pytest.mark.parametrize("name", NETS)
def test_at_other_sizes(name: str, traced: dict[str, Network]) -> None:
    """Batch, sequence and image are symbols, and what was traced at one size is right at another."""
    sizes = {symbol: 256 if symbol == "image" else size * 2 for symbol, size in NETS[name][2].items()}
    ours, theirs = pair(name, traced, sizes)
    assert work(lower(ours))[0] == work(lower(theirs))[0]
    assert work(lower(ours))[1] == pytest.approx(work(lower(theirs))[1], rel=0.02)


@pytest.mark.parametrize("name", NETS)
def test_training(name: str, traced: dict[str, Network]) -> None:
    """The whole step, its memory among it, though only the forward pass was traced."""
    ours, theirs = (training_step(net, Recipe("adam"), Stack(), cuda=True) for net in pair(name, traced, NETS[name][2]))
    (flops, traffic), (expected_flops, expected_traffic) = work(lower_training(ours)), work(lower_training(theirs))
    assert flops == expected_flops
    if name != "gpt2":  # in the file keys and values are kept in inference alone
        assert traffic == pytest.approx(expected_traffic, rel=0.02)
        assert memory_of_training(ours).total == pytest.approx(memory_of_training(theirs).total, rel=0.01)


@pytest.mark.parametrize("name", NETS)
def test_what_is_written_down_reads_back(name: str, traced: dict[str, Network], tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(dump_network(traced[name], ["a comment"]), encoding="utf-8")
    again = specs.load_network(path)
    assert specs.check(path, "workload") == []
    for schedules in zip(lower(build(traced[name])), lower(build(again)), strict=True):
        assert schedules[0] == schedules[1]


def test_layers_are_called_as_modules(traced: dict[str, Network]) -> None:
    names = [layer.name for layer in traced["resnet50"].layers]
    assert {"conv1", "bn1", "stages.2.0.conv2", "stages.2.0.shortcut.0", "fc"} <= set(names)
    assert len(names) == len(set(names))
    weights = {name for name, tensor in build(traced["resnet50"]).tensors.items() if tensor.role == "weight"}
    assert {f"{name}" for name, _ in NETS["resnet50"][0]().named_parameters()} == weights
