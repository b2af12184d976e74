"""Image nets a second time, in plain PyTorch, written from the papers: what the files are checked against.

Nothing here is run on numbers: the tests build everything on torch's meta device.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from workloads.modules_inception import biased, chain, classifier, googlenet, inception_v3, inception_v4, pool

Tensor = Any


def alexnet_grouped() -> nn.Module:
    norm = nn.LocalResponseNorm
    return chain(
        biased(3, 96, 11, 4, padding=0),
        norm(5),
        pool(),
        biased(96, 256, 5, groups=2),
        norm(5),
        pool(),
        biased(256, 384, 3),
        biased(384, 384, 3, groups=2),
        biased(384, 256, 3, groups=2),
        pool(),
        nn.Flatten(),
        nn.Linear(256 * 6 * 6, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(4096, 1000),
    )


class Excite(nn.Module):
    """Weighs every channel by a small net of all their means."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, inner, 1), nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = functional.silu(self.down(functional.adaptive_avg_pool2d(x, 1)))
        return x * torch.sigmoid(self.up(weights))


class Mobile(nn.Module):
    """EfficientNet's block: expand, filter, excite, project; a residual where the shapes allow."""

    def __init__(self, channels: int, out: int, expand: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = expand * channels
        self.residual = channels == out and stride == 1
        self.body = chain(
            *([swish(channels, wide)] if expand > 1 else []),
            swish(wide, wide, kernel, stride, wide),
            Excite(wide, channels // 4),
            nn.Conv2d(wide, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


def swish(channels: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return chain(conv, nn.BatchNorm2d(out), nn.SiLU(inplace=True))


def efficientnet_b0() -> nn.Module:
    parts: list[nn.Module] = [swish(3, 32, 3, 2)]
    channels = 32
    for expand, out, depth, kernel, stride in (  # table 1, top to bottom
        (1, 16, 1, 3, 1),
        (6, 24, 2, 3, 2),
        (6, 40, 2, 5, 2),
        (6, 80, 3, 3, 2),
        (6, 112, 3, 5, 1),
        (6, 192, 4, 5, 2),
        (6, 320, 1, 3, 1),
    ):
        for index in range(depth):
            parts.append(Mobile(channels, out, expand, kernel, 1 if index else stride))
            channels = out
    return chain(*parts, swish(320, 1280), classifier(1280, 20))


class UNet(nn.Module):
    """Figure 1 of the paper: valid convolutions, skips cropped in the middle."""

    def __init__(self, features: int = 64, classes: int = 2) -> None:
        super().__init__()
        widths = [features * 2**level for level in range(5)]
        self.down = nn.ModuleList(self.double(a, b) for a, b in zip([1, *widths], widths, strict=False))
        turned = list(reversed(widths))
        pairs = list(pairwise(turned))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in pairs)
        self.up = nn.ModuleList(self.double(a, b) for a, b in pairs)
        self.classify = nn.Conv2d(features, classes, 1)

    @staticmethod
    def double(channels: int, out: int) -> nn.Module:
        return chain(biased(channels, out, 3, padding=0), biased(out, out, 3, padding=0))

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, double in enumerate(self.down):
            x = double(x if level == 0 else functional.max_pool2d(x, 2))
            if level > 2:
                x = functional.dropout(x, training=False)
            skips.append(x)
        for enlarge, double, skip in zip(self.enlarge, self.up, reversed(skips[:-1]), strict=True):
            x = enlarge(x)
            cut = (skip.shape[-1] - x.shape[-1]) // 2
            x = double(torch.cat([skip[:, :, cut:-cut, cut:-cut], x], 1))
        return self.classify(x)


def dcgan(features: int = 64) -> nn.Module:
    widths = [100, *(features * factor for factor in (8, 4, 2, 1)), 3]
    parts: list[nn.Module] = []
    for index, (channels, out) in enumerate(pairwise(widths)):
        parts.append(nn.ConvTranspose2d(channels, out, 4, 2 if index else 1, 1 if index else 0, bias=False))
        parts += [nn.BatchNorm2d(out), nn.ReLU(inplace=True)] if out != 3 else [nn.Tanh()]
    return chain(*parts)


def dcgan_discriminator(features: int = 64) -> nn.Module:
    widths = [3, *(features * factor for factor in (1, 2, 4, 8))]
    parts: list[nn.Module] = []
    for channels, out in pairwise(widths):
        norm = [] if channels == 3 else [nn.BatchNorm2d(out)]
        parts += [nn.Conv2d(channels, out, 4, 2, 1, bias=False), *norm, nn.LeakyReLU(0.2, inplace=True)]
    return chain(*parts, nn.Conv2d(widths[-1], 1, 4, bias=False), nn.Sigmoid(), nn.Flatten())


MODULES: dict[str, Callable[[], nn.Module]] = {
    "alexnet-grouped": alexnet_grouped,
    "googlenet": googlenet,
    "inception-v3": inception_v3,
    "inception-v4": inception_v4,
    "efficientnet-b0": efficientnet_b0,
    "unet": UNet,
    "dcgan": dcgan,
    "dcgan-discriminator": dcgan_discriminator,
}
