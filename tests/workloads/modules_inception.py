"""GoogLeNet and its successors in plain PyTorch, written from the papers, and the pieces they are made of.

Nothing here is run on numbers: the tests build everything on torch's meta device.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

Tensor = Any
Pair = int | tuple[int, int]


class Beside(nn.Module):
    """Branches that read one input, joined along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def chain(*parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(*parts)


def pool(stride: int = 2, padding: int = 0, *, ceil: bool = False) -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride, padding, ceil_mode=ceil)


def biased(channels: int, out: int, kernel: int = 1, stride: int = 1, **options: Any) -> nn.Sequential:
    """Convolution with bias, ReLU; padded to keep the size."""
    padding = options.pop("padding", kernel // 2)
    return chain(nn.Conv2d(channels, out, kernel, stride, padding, **options), nn.ReLU(inplace=True))


def normed(channels: int, out: int, kernel: Pair = 1, stride: int = 1, padding: Pair | None = None) -> nn.Sequential:
    """Convolution, batch norm, ReLU; padded to keep the size unless told otherwise."""
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    border = (rows // 2, columns // 2) if padding is None else padding
    conv = nn.Conv2d(channels, out, (rows, columns), stride, border, bias=False)
    return chain(conv, nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def shrink(channels: int, out: int) -> nn.Sequential:
    """A 3x3 of stride 2 without padding."""
    return normed(channels, out, 3, 2, 0)


def classifier(features: int, percent: int = 0, classes: int = 1000) -> nn.Sequential:
    return chain(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(percent / 100), nn.Linear(features, classes))


def googlenet() -> nn.Module:
    """Table 1: 1x1; 3x3 reduce and 3x3; 5x5 reduce and 5x5; behind the pooling."""

    def mixed(channels: int, *widths: int) -> nn.Module:
        one, reduce3, three, reduce5, five, projected = widths
        return Beside(
            biased(channels, one),
            chain(biased(channels, reduce3), biased(reduce3, three, 3)),
            chain(biased(channels, reduce5), biased(reduce5, five, 5)),
            chain(pool(1, 1), biased(channels, projected)),
        )

    return chain(
        biased(3, 64, 7, 2),
        pool(ceil=True),
        nn.LocalResponseNorm(5),
        biased(64, 64),
        biased(64, 192, 3),
        nn.LocalResponseNorm(5),
        pool(ceil=True),
        mixed(192, 64, 96, 128, 16, 32, 32),
        mixed(256, 128, 128, 192, 32, 96, 64),
        pool(ceil=True),
        mixed(480, 192, 96, 208, 16, 48, 64),
        mixed(512, 160, 112, 224, 24, 64, 64),
        mixed(512, 128, 128, 256, 24, 64, 64),
        mixed(512, 112, 144, 288, 32, 64, 64),
        mixed(528, 256, 160, 320, 32, 128, 128),
        pool(ceil=True),
        mixed(832, 256, 160, 320, 32, 128, 128),
        mixed(832, 384, 192, 384, 48, 128, 128),
        classifier(1024, 40),
    )


def mean_pool() -> nn.AvgPool2d:
    return nn.AvgPool2d(3, 1, 1)


ROW, COLUMN = (1, 7), (7, 1)


def inception_v3() -> nn.Module:
    def a(channels: int, projected: int) -> nn.Module:
        return Beside(
            normed(channels, 64),
            chain(normed(channels, 48), normed(48, 64, 5)),
            chain(normed(channels, 64), normed(64, 96, 3), normed(96, 96, 3)),
            chain(mean_pool(), normed(channels, projected)),
        )

    def b(inner: int) -> nn.Module:
        return Beside(
            normed(768, 192),
            chain(normed(768, inner), normed(inner, inner, ROW), normed(inner, 192, COLUMN)),
            chain(
                normed(768, inner),
                normed(inner, inner, COLUMN),
                normed(inner, inner, ROW),
                normed(inner, inner, COLUMN),
                normed(inner, 192, ROW),
            ),
            chain(mean_pool(), normed(768, 192)),
        )

    def both(channels: int) -> nn.Module:
        return Beside(normed(channels, 384, (1, 3)), normed(channels, 384, (3, 1)))

    def c(channels: int) -> nn.Module:
        return Beside(
            normed(channels, 320),
            chain(normed(channels, 384), both(384)),
            chain(normed(channels, 448), normed(448, 384, 3), both(384)),
            chain(mean_pool(), normed(channels, 192)),
        )

    return chain(
        shrink(3, 32),
        normed(32, 32, 3, padding=0),
        normed(32, 64, 3),
        pool(),
        normed(64, 80),
        normed(80, 192, 3, padding=0),
        pool(),
        a(192, 32),
        a(256, 64),
        a(288, 64),
        Beside(shrink(288, 384), chain(normed(288, 64), normed(64, 96, 3), shrink(96, 96)), pool()),
        b(128),
        b(160),
        b(160),
        b(192),
        Beside(
            chain(normed(768, 192), shrink(192, 320)),
            chain(normed(768, 192), normed(192, 192, ROW), normed(192, 192, COLUMN), shrink(192, 192)),
            pool(),
        ),
        c(1280),
        c(2048),
        classifier(2048, 50),
    )


def inception_v4() -> nn.Module:
    def a() -> nn.Module:
        return Beside(
            normed(384, 96),
            chain(normed(384, 64), normed(64, 96, 3)),
            chain(normed(384, 64), normed(64, 96, 3), normed(96, 96, 3)),
            chain(mean_pool(), normed(384, 96)),
        )

    def b() -> nn.Module:
        return Beside(
            normed(1024, 384),
            chain(normed(1024, 192), normed(192, 224, ROW), normed(224, 256, COLUMN)),
            chain(
                normed(1024, 192),
                normed(192, 192, COLUMN),
                normed(192, 224, ROW),
                normed(224, 224, COLUMN),
                normed(224, 256, ROW),
            ),
            chain(mean_pool(), normed(1024, 128)),
        )

    def both(channels: int) -> nn.Module:
        return Beside(normed(channels, 256, (1, 3)), normed(channels, 256, (3, 1)))

    def c() -> nn.Module:
        return Beside(
            normed(1536, 256),
            chain(normed(1536, 384), both(384)),
            chain(normed(1536, 384), normed(384, 448, (1, 3)), normed(448, 512, (3, 1)), both(512)),
            chain(mean_pool(), normed(1536, 256)),
        )

    return chain(
        shrink(3, 32),
        normed(32, 32, 3, padding=0),
        normed(32, 64, 3),
        Beside(pool(), shrink(64, 96)),
        Beside(
            chain(normed(160, 64), normed(64, 96, 3, padding=0)),
            chain(normed(160, 64), normed(64, 64, ROW), normed(64, 64, COLUMN), normed(64, 96, 3, padding=0)),
        ),
        Beside(shrink(192, 192), pool()),
        *(a() for _ in range(4)),
        Beside(shrink(384, 384), chain(normed(384, 192), normed(192, 224, 3), shrink(224, 256)), pool()),
        *(b() for _ in range(7)),
        Beside(
            chain(normed(1024, 192), shrink(192, 192)),
            chain(normed(1024, 256), normed(256, 256, ROW), normed(256, 320, COLUMN), shrink(320, 320)),
            pool(),
        ),
        *(c() for _ in range(3)),
        classifier(1536, 20),
    )
