"""How do the built-in networks look in plain PyTorch, with random weights, as an eager user would write them?

Only :mod:`roofline.campaign.networks` imports this file, and only when a network is run. Layers and their order are
those of ``workloads/<name>.yaml``. The weights are scaled so that activations keep a normal size from layer to layer,
because denormal numbers slow a CPU down.
"""

# torch is untyped here, so its classes are unknown
# mypy: disable-error-code="misc"

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

Tensor = Any


class Mlp(nn.Module):
    """Three linear layers with ReLU between them: 784 pixels, two hidden layers, 10 digits."""

    def __init__(self, hidden: int = 2048) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.fc1(x))
        x = functional.relu(self.fc2(x))
        return self.fc3(x)


def _conv(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside an identity (ResNet-18)."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = _conv(channels, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.shortcut is None else self.shortcut(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions beside an identity; the 3x3 carries the stride (version 1.5)."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = _conv(channels, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _conv(width, 4 * width, 1)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.shortcut is None else self.shortcut(x)
        return self.relu(out)


class ResNet(nn.Module):
    """A stem, four stages of residual blocks, global average pooling, 1000 classes."""

    def __init__(self, block: type[BasicBlock] | type[Bottleneck], depths: tuple[int, ...]) -> None:
        super().__init__()
        self.conv1 = _conv(3, 64, 7, 2)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = 64
        stages = []
        for stage, depth in enumerate(depths):
            width = 64 << stage
            blocks = []
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                out = width * block.expansion
                shortcut = None
                if stride > 1 or channels != out:
                    shortcut = nn.Sequential(_conv(channels, out, 1, stride), nn.BatchNorm2d(out))
                blocks.append(block(channels, width, stride, shortcut))
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, 1000)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.avgpool(self.stages(x))
        return self.fc(torch.flatten(x, 1))


class InvertedResidual(nn.Module):
    """Expand, depthwise convolution, project; an identity added where shapes allow."""

    def __init__(self, channels: int, out: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = channels * expand
        steps: list[nn.Module] = []
        if expand != 1:
            steps += [_conv(channels, hidden, 1), nn.BatchNorm2d(hidden), nn.ReLU6(inplace=True)]
        steps += [
            _conv(hidden, hidden, 3, stride, groups=hidden),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
        ]
        steps += [_conv(hidden, out, 1), nn.BatchNorm2d(out)]
        self.steps = nn.Sequential(*steps)
        self.identity = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.steps(x) if self.identity else self.steps(x)


class MobileNetV2(nn.Module):
    """Seventeen inverted residuals between a 3x3 stem and a 1x1 head, 1000 classes."""

    # expansion, output channels, repeats, stride of the first
    stages = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )

    def __init__(self) -> None:
        super().__init__()
        steps: list[nn.Module] = [_conv(3, 32, 3, 2), nn.BatchNorm2d(32), nn.ReLU6(inplace=True)]
        channels = 32
        for expand, out, repeats, first_stride in self.stages:
            for index in range(repeats):
                steps.append(InvertedResidual(channels, out, first_stride if index == 0 else 1, expand))
                channels = out
        steps += [_conv(channels, 1280, 1), nn.BatchNorm2d(1280), nn.ReLU6(inplace=True)]
        self.features = nn.Sequential(*steps)
        self.classifier = nn.Linear(1280, 1000)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.adaptive_avg_pool2d(self.features(x), 1)
        return self.classifier(torch.flatten(x, 1))


def _attend(q: Tensor, k: Tensor, v: Tensor, heads: int, *, causal: bool) -> Tensor:
    """Fused attention over (batch, sequence, hidden), with ``heads`` adjacent in the last dimension."""
    batch, sequence, hidden = q.shape
    split = (batch, sequence, heads, hidden // heads)
    q, k, v = (part.view(split).transpose(1, 2) for part in (q, k, v))
    mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return mixed.transpose(1, 2).reshape(batch, sequence, hidden)


class BertLayer(nn.Module):
    """Attention and a two-layer network, each added to its input and normalised after."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.attention_out = nn.Linear(hidden, hidden)
        self.attention_norm = nn.LayerNorm(hidden, eps=1e-12)
        self.up = nn.Linear(hidden, 4 * hidden)
        self.down = nn.Linear(4 * hidden, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        mixed = _attend(self.query(x), self.key(x), self.value(x), self.heads, causal=False)
        x = self.attention_norm(self.drop(self.attention_out(mixed)) + x)
        return self.norm(self.drop(self.down(functional.gelu(self.up(x)))) + x)


class Bert(nn.Module):
    """The encoder of BERT-base: three embeddings, twelve layers, no pooler."""

    def __init__(self, hidden: int = 768, heads: int = 12, layers: int = 12) -> None:
        super().__init__()
        self.words = nn.Embedding(30522, hidden)
        self.types = nn.Embedding(2, hidden)
        self.places = nn.Embedding(512, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.drop = nn.Dropout(0.1)
        self.layers = nn.Sequential(*(BertLayer(hidden, heads) for _ in range(layers)))

    def forward(self, ids: Tensor, position: Tensor, type: Tensor) -> Tensor:
        x = self.words(ids) + self.types(type)
        x += self.places(position)
        return self.layers(self.drop(self.norm(x)))


class GptLayer(nn.Module):
    """Attention and a two-layer network, each normalised before and added to its input."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(hidden)
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.attention_out = nn.Linear(hidden, hidden)
        self.norm2 = nn.LayerNorm(hidden)
        self.up = nn.Linear(hidden, 4 * hidden)
        self.down = nn.Linear(4 * hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=2)
        x = x + self.attention_out(_attend(q, k, v, self.heads, causal=True))
        return x + self.down(functional.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    """A small decoder: learned positions, six layers, word table shared with the output layer."""

    def __init__(self, hidden: int = 384, heads: int = 6, layers: int = 6, vocabulary: int = 8192) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, hidden)
        self.places = nn.Embedding(512, hidden)
        self.layers = nn.Sequential(*(GptLayer(hidden, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, vocabulary, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids: Tensor, position: Tensor) -> Tensor:
        x = self.words(ids) + self.places(position)
        return self.head(self.norm(self.layers(x)))


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            reached = module.weight[0, 0].numel() * module.out_channels / module.groups
            nn.init.normal_(module.weight, std=(2 / reached) ** 0.5)
