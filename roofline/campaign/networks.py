"""Which of the built-in networks can be run here, at which sizes, and as which module?

The modules are written a second time in plain PyTorch (:mod:`roofline.campaign.modules`), beside the files in
``workloads/``. So the prediction from the file is compared with a real run, and a test checks that both have the same
operators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from roofline.campaign.run import import_torch
from roofline.errors import UnknownName, UsageError
from roofline.measurements.plan import MEASURED

_PIXELS, _POSITIONS = 784, 512
_VOCABULARY = {"bert-base": 30522, "gpt-small": 8192}


def sizes_of(name: str, symbols: Mapping[str, int] | None = None) -> dict[str, int]:
    """All sizes of a network; raises as :func:`build` does."""
    if name not in MEASURED:
        raise UnknownName("network that can be measured", name, MEASURED)
    sizes = dict(MEASURED[name]) | dict(symbols or {})
    for symbol, size in sizes.items():
        if symbol not in MEASURED[name]:
            raise UnknownName(f"symbol of {name} that can be set when it is measured", symbol, MEASURED[name])
        if size < 1:
            raise UsageError(f"{symbol} is {size}; it must be at least 1")
    if sizes.get("seq", 1) > _POSITIONS:
        raise UsageError(f"seq is {sizes['seq']}, but {name} has {_POSITIONS} positions")
    return sizes


def build(
    name: str, symbols: Mapping[str, int] | None = None, *, dtype: str = "fp32", device: str = "cpu"
) -> tuple[Any, tuple[Any, ...]]:
    """A network ready for inference and inputs for it: ``module(*inputs)``.

    Weights and inputs are random and the same at every call; torch's own random state is not changed.

    Parameters
    ----------
    name : one of :data:`~roofline.measurements.plan.MEASURED`.
    symbols : sizes that differ from those in :data:`MEASURED`: batch, and image or seq.
    dtype : storage of weights and activations: ``fp32``, ``fp16``, ``bf16`` or ``fp64``.
    device : a device as torch names it.

    Raises
    ------
    UnknownName : no such network, or a symbol or dtype it cannot be run with.
    UsageError : a size below one, or more positions than the network has.
    MissingExtra : torch is not installed.
    """
    sizes = sizes_of(name, symbols)
    torch = import_torch()
    kinds = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "fp64": torch.float64}
    if dtype not in kinds:
        raise UnknownName("dtype in which networks can be measured", dtype, kinds)
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):  # ordinary tensors can be trained
        torch.manual_seed(0)
        module = _module(name).to(device=device, dtype=kinds[dtype]).eval().requires_grad_(False)
        inputs = _inputs(torch, name, sizes)
    return module, tuple(
        value.to(device=device, dtype=kinds[dtype] if value.is_floating_point() else value.dtype) for value in inputs
    )


def training_step(module: Any, inputs: tuple[Any, ...], autocast: Any = None) -> Callable[[], None]:
    """One training step of a network that :func:`build` made, without the optimizer: forward, loss, gradients.

    The loss is the one predicted for a network without a loss: cross-entropy over the last dimension. ``autocast`` is
    torch's 16-bit type of matrix multiplications, for a network with fp32 weights.
    """
    torch = import_torch()
    mixed = torch.autocast(inputs[0].device.type, dtype=autocast, enabled=autocast is not None)
    with torch.inference_mode(False), torch.enable_grad():
        module = module.train().requires_grad_(True)
        classes = module(*inputs).flatten(0, -2)
        right = torch.randint(0, classes.shape[-1], classes.shape[:1], device=classes.device)

    def step() -> None:
        with torch.inference_mode(False), torch.enable_grad():
            module.zero_grad(set_to_none=True)
            with mixed:
                loss = torch.nn.functional.cross_entropy(module(*inputs).flatten(0, -2), right)
            loss.backward()

    return step


def _module(name: str) -> Any:
    modules = import_module("roofline.campaign.modules")
    match name:
        case "mlp":
            return modules.Mlp()
        case "resnet18":
            return modules.ResNet(modules.BasicBlock, (2, 2, 2, 2))
        case "resnet50":
            return modules.ResNet(modules.Bottleneck, (3, 4, 6, 3))
        case "mobilenetv2":
            return modules.MobileNetV2()
        case "bert-base":
            return modules.Bert()
        case _:
            return modules.Gpt()


def _inputs(torch: Any, name: str, sizes: Mapping[str, int]) -> tuple[Any, ...]:
    batch = sizes["batch"]
    if name == "mlp":
        return (torch.randn(batch, _PIXELS),)
    if "image" in sizes:
        return (torch.randn(batch, 3, sizes["image"], sizes["image"]),)
    ids = torch.randint(0, _VOCABULARY[name], (batch, sizes["seq"]))
    position = torch.arange(sizes["seq"])
    return (ids, position[None], torch.zeros_like(ids)) if name == "bert-base" else (ids, position)
