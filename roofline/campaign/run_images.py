"""How are the operators of image networks run in PyTorch? See :mod:`roofline.campaign.run`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from roofline.campaign.run_sequences import Call, Weights


def _window(name: str) -> Callable[..., Call]:
    def make(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Weights) -> Call:
        function = getattr(torch.nn.functional, name)
        kernel = attributes["kernel"]
        stride, padding = attributes.get("stride", kernel), attributes.get("padding", 0)
        ceil_mode = bool(attributes.get("ceil_mode", False))
        # other numbers at every call: max pooling branches on them, and branch prediction learns a repeated pattern
        x = tensors[0]
        x.detach().copy_(pool.take(x.shape))
        return lambda: function(x, kernel, stride, padding, ceil_mode=ceil_mode)

    return make


def _upsample(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
    x, scale = tensors[0], attributes["scale"]
    mode = "bilinear" if attributes.get("bilinear") else "nearest"
    function = torch.nn.functional.interpolate
    return lambda: function(x, scale_factor=scale, mode=mode)


def _local_norm(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
    x, size = tensors[0], int(attributes.get("size", 5))
    function = torch.nn.functional.local_response_norm
    return lambda: function(x, size)


def _global_pool(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
    x = tensors[0]
    return lambda: torch.nn.functional.adaptive_avg_pool2d(x, 1)


def _conv2d(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Weights) -> Call:
    x, out = tensors[0], int(attributes["out"])
    kernel = attributes["kernel"]
    kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
    groups = int(attributes.get("groups", 1))
    weight = pool.take((out, x.shape[1] // groups, kh, kw))
    bias = pool.take((out,)) if attributes.get("bias", True) else None
    options = (attributes.get("stride", 1), attributes.get("padding", 0), attributes.get("dilation", 1), groups)
    function = torch.nn.functional.conv2d
    return lambda: function(x, weight, bias, *options)


def _conv_transpose2d(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Weights) -> Call:
    x, out = tensors[0], int(attributes["out"])
    kernel = attributes["kernel"]
    kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
    groups = int(attributes.get("groups", 1))
    weight = pool.take((x.shape[1], out // groups, kh, kw))
    bias = pool.take((out,)) if attributes.get("bias", True) else None
    sizes = (attributes.get("stride", 1), attributes.get("padding", 0), attributes.get("output_padding", 0))
    function = torch.nn.functional.conv_transpose2d
    return lambda: function(x, weight, bias, *sizes, groups)


def _batch_norm(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Weights) -> Call:
    x = tensors[0]
    mean, weight, bias = (pool.take((x.shape[1],)) for _ in range(3))
    variance = pool.take((x.shape[1],)).abs() + 0.5
    function = torch.nn.functional.batch_norm
    return lambda: function(x, mean, variance, weight, bias)


def _group_norm(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Weights) -> Call:
    x, groups = tensors[0], int(attributes["groups"])
    weight, bias = pool.take((x.shape[1],)), pool.take((x.shape[1],))
    function = torch.nn.functional.group_norm
    return lambda: function(x, groups, weight, bias)


WEIGHTLESS: dict[str, Callable[..., Call]] = {
    "global_avg_pool": _global_pool,
    "upsample2d": _upsample,
    "local_response_norm": _local_norm,
}
WEIGHTED: dict[str, Callable[..., Call]] = {
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "batch_norm": _batch_norm,
    "group_norm": _group_norm,
    "max_pool2d": _window("max_pool2d"),
    "avg_pool2d": _window("avg_pool2d"),
}
