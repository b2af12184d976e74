"""Do the image nets have the parameters and the work that papers and PyTorch say they have?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from roofline.core.schedule import KINDS, Schedule
from roofline.core.workload import Workload
from roofline.lowering import build, lower
from roofline.operators import operator_named
from roofline.specs.netfile import load_network

WORKLOADS = Path(__file__).parents[2] / "workloads"

PUBLISHED: dict[str, tuple[float, float]] = {  # parameters, and multiply-adds of one image
    # torchvision's tables of weights ("GFLOPS" there are multiply-adds)
    "alexnet": (61_100_840, 0.714e9),
    "vgg-a": (132_863_336, 7.61e9),
    "vgg16": (138_357_544, 15.47e9),
    "vgg19": (143_667_240, 19.63e9),
    "resnet18": (11_689_512, 1.814e9),
    "resnet34": (21_797_672, 3.66e9),
    "resnet50": (25_557_032, 4.09e9),
    "resnet101": (44_549_160, 7.80e9),
    "resnet152": (60_192_808, 11.51e9),
    "squeezenet": (1_248_424, 0.82e9),
    "mobilenetv2": (3_504_872, 0.301e9),
    "inception-v3": (27_161_264 - 3_326_696, 5.71e9),  # without its auxiliary classifier
    # Howard et al., table 8: 4.2 M and 569 M; parameters as in Keras without the moving statistics
    "mobilenetv1": (4_231_976, 0.569e9),
    # Sermanet et al.: the fast model has 145 million parameters and 2810 million connections
    "overfeat": (145e6, 2.81e9),
    # the model card of inception_v4 in pytorch-image-models
    "inception-v4": (42.7e6, 12.3e9),
    # convolution 17 x 9 x 256, 39 x 2 of 256 x 9 x 256 with their norms, and both heads; per point of the board
    # the same products, 512 and 256 in the heads, and the dense layers of the heads
    "alphago-zero-40": (
        17 * 9 * 256 + 512 + 78 * (9 * 256**2 + 512) + 512 + 4 + 722 * 362 + 362 + 258 + 361 * 256 + 256 + 257,
        361 * (17 * 9 * 256 + 78 * 9 * 256**2 + 768) + 722 * 362 + 361 * 256 + 256,
    ),
}

EXACT = {
    # Caffe's model zoo: bvlc_alexnet, and bvlc_googlenet without its two auxiliary classifiers
    "alexnet-grouped": 60_965_224,
    "googlenet": 6_998_552,
    "efficientnet-b0": 5_288_548,  # torchvision
    # PyTorch's example dcgan
    "dcgan": 3_576_704,
    "dcgan-discriminator": 2_765_568,
}

TWICE = (
    "alexnet-grouped",
    "googlenet",
    "inception-v3",
    "inception-v4",
    "efficientnet-b0",
    "unet",
    "dcgan",
    "dcgan-discriminator",
)
"""Nets written a second time, in PyTorch."""

NETS = sorted({*PUBLISHED, *TWICE})


def load(name: str, **symbols: int) -> Workload:
    return build(load_network(WORKLOADS / f"{name}.yaml"), symbols)


def matrix_flops(schedule: Schedule) -> float:
    return float((schedule.flops * schedule.repeats)[schedule.kind == KINDS.index("matmul")].sum())


@pytest.mark.parametrize(("name", "parameters", "macs"), [(name, *counts) for name, counts in PUBLISHED.items()])
def test_published_counts(name: str, parameters: float, macs: float) -> None:
    workload = load(name, batch=1)
    assert workload.parameters == pytest.approx(parameters, rel=0.01)
    assert matrix_flops(lower(workload)) / 2 == pytest.approx(macs, rel=0.01)


@pytest.mark.parametrize(("name", "parameters"), EXACT.items())
def test_published_parameters(name: str, parameters: int) -> None:
    assert load(name).parameters == parameters


@pytest.mark.parametrize("name", TWICE)
def test_the_net_in_torch_has_as_many_parameters_and_does_as_much(name: str) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode
    from workloads.modules_images import MODULES

    workload = load(name, batch=2)
    with torch.device("meta"), torch.no_grad():
        module = MODULES[name]().eval()
        (source,) = workload.inputs
        x = torch.empty(workload.tensors[source].shape)
        with FlopCounterMode(display=False) as counter:
            y = module(x)
    assert sum(weight.numel() for weight in module.parameters()) == workload.parameters
    assert tuple(y.shape) == workload.tensors[workload.outputs[0]].shape
    assert matrix_flops(lower(workload)) == counter.get_total_flops()


@pytest.mark.parametrize("name", NETS)
def test_every_net_can_be_trained_through(name: str) -> None:
    for node in load(name).nodes:
        assert operator_named(node.op).backward is not None, node.op


DROPPED = {
    "alexnet": 2,
    "alexnet-grouped": 2,
    "overfeat": 2,
    "vgg-a": 2,
    "vgg19": 2,
    "googlenet": 1,
    "inception-v3": 1,
    "inception-v4": 1,
    "squeezenet": 1,
    "efficientnet-b0": 1,
    "unet": 2,
}


@pytest.mark.parametrize(("name", "count"), DROPPED.items())
def test_dropout_works_in_training_alone(name: str, count: int) -> None:
    workload = load(name)
    drops = [node for node in workload.nodes if node.op == "dropout"]
    assert len(drops) == count
    assert "dropout" not in lower(workload).op_labels()
    training = replace(workload, training=True)
    assert lower(training).op_labels().count("dropout") == count
    for node in drops:
        assert workload.owners[node.outputs[0]] == workload.owners.get(node.inputs[0], node.inputs[0])
        assert node.outputs[0] not in training.owners


def test_alexnet_without_groups_is_the_net_of_old_benchmarks() -> None:
    # moskewcz/boda, pysrc/roofline_plot.py: 2.27 GFLOP an image, 17.5 ms for 20 of them on a GTX 980
    assert matrix_flops(lower(load("alexnet-grouped", batch=1, halves=1))) == pytest.approx(2.27e9, rel=0.01)


def test_pooling_of_googlenet_rounds_up() -> None:
    sizes = [load("googlenet").tensors[f"pool{index}"].shape[-1] for index in (1, 2, 3, 4)]
    assert sizes == [56, 28, 14, 7]


def test_googlenet_without_its_norms_is_the_same_otherwise() -> None:
    whole, bare = (lower(load("googlenet", lrn=lrn)) for lrn in (1, 0))
    assert whole.op_labels().count("local_response_norm") == 2
    assert [op for op in whole.op_labels() if op != "local_response_norm"] == bare.op_labels()
    assert matrix_flops(whole) == matrix_flops(bare)


@pytest.mark.parametrize(("image", "out"), [(572, 388), (188, 4)])
def test_unet_crops_to_what_is_left(image: int, out: int) -> None:
    workload = load("unet", image=image)
    assert workload.tensors["classify"].shape == (1, 2, out, out)
    labels = lower(workload).op_labels()
    assert labels.count("concat") == 4
    assert "slice" not in labels  # a crop is a view


def test_the_larger_board_net_is_the_smaller_with_more_blocks() -> None:
    forty, twenty = load("alphago-zero-40"), load("alphago-zero-20", residual=39)
    assert [(node.name, node.op, node.attributes) for node in forty.nodes] == [
        (node.name, node.op, node.attributes) for node in twenty.nodes
    ]
