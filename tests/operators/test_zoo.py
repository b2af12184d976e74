"""The nets that ship: their parameters, their work, and torch's opinion about both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch_sequences
from small import COPIES, shallow

from roofline.core.attention import square
from roofline.core.dtype import precision
from roofline.core.schedule import KINDS
from roofline.core.workload import Node, Workload
from roofline.lowering import build, check, lower, memory_of
from roofline.specs.netfile import check_network, load_network

WORKLOADS = Path(__file__).parents[2] / "workloads"
NETS = sorted(file.stem for file in WORKLOADS.glob("*.yaml"))

PARAMETERS = {
    "resnet18": 11_689_512,  # torchvision
    "resnet50": 25_557_032,  # torchvision
    "mobilenetv2": 3_504_872,  # torchvision
    "vgg16": 138_357_544,  # torchvision
    "bert-base": 108_891_648,  # 109,482,240 with the pooler's 768 x 768 + 768
    # 784 x 2048 + 2048 + 2048 x 2048 + 2048 + 2048 x 10 + 10
    "mlp": 5_824_522,
    # 2 x 4 + 4 + 4 x 2 + 2 + 2 x 1 + 1
    "playground-mlp": 25,
    # convolution 17 x 9 x 256 and norm 512; 19 x 2 x (256 x 9 x 256 + 512); policy 256 x 2 + 4 and
    # 722 x 362 + 362; value 256 + 2, 361 x 256 + 256, 256 + 1
    "alphago-zero-20": 22_827_877,
    # words 8192 x 384 (the output layer is tied to them), places 512 x 384; 6 layers of norms 4 x 384,
    # 384 x 1152 + 1152, 384 x 384 + 384, 384 x 1536 + 1536, 1536 x 384 + 384; last norm 2 x 384
    "gpt-small": 8192 * 384 + 512 * 384 + 6 * (12 * 384**2 + 13 * 384) + 2 * 384,
}

MULTIPLY_ADDS = {  # per sample, products only; torchvision publishes 1.81, 4.09, 0.30 and 15.47 G
    "resnet18": 1.814e9,
    "resnet50": 4.089e9,
    "mobilenetv2": 0.3008e9,
    "vgg16": 15.470e9,
    # 128 tokens x 12 layers x (12 x 768^2 + 2 x 128 x 768)
    "bert-base": 128 * 12 * (12 * 768**2 + 2 * 128 * 768),
}


def matrix_flops(workload: Workload) -> float:
    schedule = lower(workload)
    flops = schedule.all_flops * square(schedule)  # the counter takes no notice of a mask
    return float(flops[schedule.kind == KINDS.index("matmul")].sum())


def load(name: str, **symbols: int) -> Workload:
    return build(load_network(WORKLOADS / f"{name}.yaml"), symbols)


@pytest.mark.parametrize("name", NETS)
def test_files_are_right_and_name_their_source(name: str):
    assert check_network(WORKLOADS / f"{name}.yaml") == []
    network = load_network(WORKLOADS / f"{name}.yaml")
    assert check(network) == []
    assert network.title
    assert network.source
    workload = build(network, {}, precision("fp16"))
    assert workload.samples == network.bind({})["batch"]
    assert workload.file.endswith(f"{name}.yaml")


@pytest.mark.parametrize(("name", "count"), PARAMETERS.items())
def test_parameters(name: str, count: int):
    assert load(name).parameters == count


@pytest.mark.parametrize(("name", "count"), MULTIPLY_ADDS.items())
def test_published_multiply_adds(name: str, count: float):
    assert matrix_flops(load(name, batch=1)) / 2 == pytest.approx(count, rel=1e-3)


@pytest.mark.parametrize("copies", COPIES)
@pytest.mark.parametrize("name", NETS)
def test_work_grows_with_the_batch_and_parameters_do_not(name: str, copies: int):
    network = shallow(load_network(WORKLOADS / f"{name}.yaml"), copies)
    one, three = (build(network, {"batch": batch}) for batch in (1, 3))
    assert matrix_flops(three) == 3 * matrix_flops(one)
    assert three.parameters == one.parameters


def test_names_and_templates():
    names = {node.name: node.template for node in load("resnet50").nodes}
    assert names["layer3.0.conv2"] == "layer3.*.conv2"
    assert names["layer3.0.downsample.0"] == "layer3.*.downsample.0"
    assert "layer3.1.downsample.0" not in names


def test_residuals_are_real_edges_and_add_in_place():
    workload = load("resnet18", batch=1)
    add = next(node for node in workload.nodes if node.name == "layer1.1.add")
    assert add.inputs == ("layer1.1.bn2", "layer1.0.relu2")
    assert workload.owners["layer1.1.relu2"] == "layer1.1.bn2"
    # most alive at once, in fp32: the image, and the output of conv1 while bn1 writes its own
    assert memory_of(workload).activations == (3 * 224 * 224 + 2 * 64 * 112 * 112) * 4


def test_symbols_follow_each_other():
    narrow = load("bert-base", hidden=384, heads=6)
    assert narrow.symbols["feedforward"] == 1536
    assert narrow.tensors["layer.0.up.weight"].shape == (1536, 384)


@pytest.mark.parametrize("copies", COPIES)
@pytest.mark.parametrize("name", NETS)
def test_shapes_and_matrix_work_agree_with_torch(name: str, copies: int):
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    workload = build(shallow(load_network(WORKLOADS / f"{name}.yaml"), copies), {"batch": 2})
    counter = FlopCounterMode(display=False)
    with torch.device("meta"), torch.no_grad(), counter:
        run(torch, workload)
    assert matrix_flops(workload) == pytest.approx(counter.get_total_flops(), rel=0.01)


def run(torch: Any, workload: Workload) -> None:
    """Run every node in torch on the meta device, comparing every shape."""
    tensors: dict[str, Any] = {}
    for name, tensor in workload.tensors.items():
        if tensor.role != "activation":
            kind = torch.int64 if tensor.dtype.kind == "int" else torch.float32
            tensors[name] = torch.empty(tensor.shape, dtype=kind)
    for node in workload.nodes:
        inputs = [tensors[name] for name in node.inputs]
        result = apply(torch, node, inputs, [tensors[name] for name in node.weights])
        assert tuple(result.shape) == workload.tensors[node.outputs[0]].shape, node.name
        tensors[node.outputs[0]] = result


def apply(torch: Any, node: Node, inputs: list[Any], weights: list[Any]) -> Any:
    functional, given = torch.nn.functional, node.attributes
    result = torch_sequences.call(torch, node, inputs, weights)
    if result is not None:
        return result
    x = inputs[0]
    match node.op:
        case "linear":
            return functional.linear(x, *weights)
        case "conv2d":
            bias = weights[1] if given["bias"] else None
            options = (given[key] for key in ("stride", "padding", "dilation", "groups"))
            return functional.conv2d(x, weights[0], bias, *options)
        case "batch_norm":
            scale, shift, mean, variance = weights
            return functional.batch_norm(x, mean, variance, scale, shift)
        case "layer_norm":
            return functional.layer_norm(x, x.shape[-1:], *weights)
        case "embedding":
            return functional.embedding(x, weights[0])
        case "conv_transpose2d":
            bias = weights[1] if given["bias"] else None
            options = (given[key] for key in ("stride", "padding", "output_padding", "groups"))
            return functional.conv_transpose2d(x, weights[0], bias, *options)
        case "max_pool2d" | "avg_pool2d":
            window = (given["kernel"], given.get("stride"), given["padding"])
            return getattr(functional, node.op)(x, *window, ceil_mode=given["ceil_mode"])
        case "local_response_norm":
            return functional.local_response_norm(x, given["size"])
        case "dropout":
            return x
        case "concat":
            return torch.cat(inputs, given["dim"])
        case "global_avg_pool":
            return functional.adaptive_avg_pool2d(x, 1)
        case "gelu" | "gelu_tanh":
            return functional.gelu(x, approximate="tanh" if node.op == "gelu_tanh" else "none")
        case "view":
            return x.reshape(given["shape"])
        case "transpose":
            return x.permute(given["dims"])
        case "slice":
            return x.narrow(given["dim"], given["start"], given["length"])
        case "add" | "mul":
            return getattr(torch, node.op)(*inputs)
    return getattr(functional, node.op, None)(x)
