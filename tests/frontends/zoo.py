"""Small nets of many families in plain PyTorch: what a trace must have formulas for, none of it known by name."""

# torch has no types here, so its classes count as unknown
# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (as everybody writes it)

Tensor = Any


class Net(nn.Module):
    """A net whose forward is a function of its parts."""

    def __init__(self, forward: Callable[..., Tensor], **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            if isinstance(part, nn.Parameter):
                self.register_parameter(name, part)
            elif isinstance(part, torch.Tensor):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)
        self.call = forward

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.call(self, *inputs)


def conv(a: int, b: int, k: int = 3, s: int = 1, **options: Any) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, k, s, k // 2, bias=False, **options), nn.BatchNorm2d(b), nn.ReLU(inplace=True))


def head(a: int, classes: int = 10) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(a, classes))


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape))


def perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Linear(64, 256), nn.ELU(), nn.Dropout(0.2), nn.Linear(256, 256), nn.Softplus(), nn.Linear(256, 10)
    )


def vgg() -> nn.Module:
    pool = nn.MaxPool2d(2)
    return nn.Sequential(
        conv(3, 32), pool, conv(32, 64), pool, conv(64, 64), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(1024, 10)
    )


def densenet() -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return self.head(F.avg_pool2d(torch.cat(features, 1), 2))

    layers = nn.ModuleList(
        nn.Sequential(nn.BatchNorm2d(16 + 8 * i), nn.ReLU(), nn.Conv2d(16 + 8 * i, 8, 3, padding=1)) for i in range(4)
    )
    return Net(forward, stem=conv(3, 16), layers=layers, head=head(48))


def mobilenet_v3() -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        x = self.filter(self.expand(self.stem(x)))
        scale = F.hardsigmoid(self.up(F.relu(self.down(x.mean((2, 3), keepdim=True)))))
        return self.head(F.hardswish(self.project(x * scale)))

    return Net(
        forward,
        stem=conv(3, 16, 3, 2),
        expand=nn.Sequential(nn.Conv2d(16, 64, 1), nn.Hardswish()),
        filter=conv(64, 64, 5, groups=64),
        down=nn.Conv2d(64, 16, 1),
        up=nn.Conv2d(16, 64, 1),
        project=nn.Conv2d(64, 24, 1),
        head=head(24),
    )


def shufflenet() -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        x = self.stem(x)
        left, right = x.chunk(2, 1)
        x = torch.cat([left, self.branch(right)], 1)
        b, c, h, w = x.shape
        return self.head(x.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w))

    return Net(
        forward, stem=conv(3, 48), branch=nn.Sequential(conv(24, 24, 1), conv(24, 24, 3, groups=24)), head=head(48)
    )


def convnext() -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.down(F.gelu(self.up(self.norm(self.depth(x).permute(0, 2, 3, 1)))))
        y = (self.gamma * y).permute(0, 3, 1, 2)
        if self.training:  # whole samples are left out
            keep = x.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(0.9)
            y = y * keep.div_(0.9)
        return self.head(x + y)

    return Net(
        forward,
        stem=nn.Conv2d(3, 48, 4, 4),
        depth=nn.Conv2d(48, 48, 7, padding=3, groups=48),
        norm=nn.LayerNorm(48),
        up=nn.Linear(48, 192),
        down=nn.Linear(192, 48),
        gamma=weight(48),
        head=head(48),
    )


def unet() -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        a = self.first(x)
        b = self.second(F.max_pool2d(a, 2))
        up = F.interpolate(b, scale_factor=2, mode="bilinear", align_corners=False)
        return self.last(self.merge(torch.cat([a, up], 1)))

    return Net(forward, first=conv(3, 16), second=conv(16, 32), merge=conv(48, 16), last=nn.Conv2d(16, 5, 1))


def deeplab() -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        x = self.stem(x)
        parts = [branch(x) for branch in self.branches]
        parts.append(F.interpolate(self.pool(x), size=x.shape[-2:], mode="bilinear"))
        return F.interpolate(self.last(torch.cat(parts, 1)), size=size, mode="bicubic")

    branches = nn.ModuleList(nn.Conv2d(32, 32, 3, padding=d, dilation=d) for d in (1, 2, 4))
    return Net(
        forward,
        stem=conv(3, 32, 3, 2),
        branches=branches,
        pool=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(32, 32, 1)),
        last=nn.Conv2d(128, 5, 1),
    )


def vit() -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.encoder(x)[:, 0])

    layer = nn.TransformerEncoderLayer(64, 4, 256, activation="gelu", batch_first=True, norm_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return Net(
        forward,
        patches=nn.Conv2d(3, 64, 8, 8),
        token=weight(1, 1, 64),
        places=weight(1, 17, 64),
        encoder=encoder,
        head=nn.Linear(64, 10),
    )


def swin() -> nn.Module:
    """Windows of 4x4, shifted, with a table of biases by relative position."""

    def forward(self: Any, x: Tensor) -> Tensor:
        x = self.norm(self.patches(x).permute(0, 2, 3, 1))
        b, h, w, c = x.shape
        x = torch.roll(x, (-2, -2), (1, 2))
        x = x.view(b, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        q, k, v = self.qkv(x).reshape(x.shape[0], 16, 3, 4, c // 4).permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q * (c // 4) ** -0.5) @ k.transpose(-2, -1)
        bias = self.table[self.index.view(-1)].view(16, 16, 4).permute(2, 0, 1).unsqueeze(0)
        x = (F.softmax(scores + bias, -1) @ v).transpose(1, 2).reshape(-1, 16, c)
        x = self.out(x).view(b, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        return self.head(torch.roll(x, (2, 2), (1, 2)).mean((1, 2)))

    return Net(
        forward,
        patches=nn.Conv2d(3, 64, 4, 4),
        norm=nn.LayerNorm(64),
        qkv=nn.Linear(64, 192),
        out=nn.Linear(64, 64),
        table=weight(49, 4),
        index=torch.zeros(16, 16, dtype=torch.long),
        head=nn.Linear(64, 10),
    )


def mixer() -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2)
        x = x + self.tokens(self.norm1(x.transpose(1, 2)).transpose(1, 2))
        x = x.transpose(1, 2)
        return self.head((x + self.channels(self.norm2(x))).mean(1))

    def mlp(a: int, b: int) -> nn.Module:
        return nn.Sequential(nn.Linear(a, b), nn.GELU(), nn.Linear(b, a))

    return Net(
        forward,
        patches=nn.Conv2d(3, 64, 8, 8),
        norm1=nn.LayerNorm(64),
        norm2=nn.LayerNorm(64),
        tokens=mlp(16, 32),
        channels=mlp(64, 256),
        head=nn.Linear(64, 10),
    )


def translator() -> nn.Module:
    def forward(self: Any, source: Tensor, target: Tensor) -> Tensor:
        scale = 64**0.5
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1], device=target.device)
        return self.head(self.net(self.words(source) * scale, self.words(target) * scale, tgt_mask=mask))

    return Net(
        forward,
        words=nn.Embedding(1000, 64),
        net=nn.Transformer(64, 4, 2, 2, 128, batch_first=True),
        head=nn.Linear(64, 1000),
    )


def minigpt() -> nn.Module:
    """Attention spelt out, with a mask kept as a buffer and a head tied to the words."""

    def forward(self: Any, ids: Tensor) -> Tensor:
        b, t = ids.shape
        x = self.words(ids) + self.places(torch.arange(t, device=ids.device))
        q, k, v = (p.view(b, t, 4, 16).transpose(1, 2) for p in self.qkv(self.norm(x)).split(64, 2))
        scores = (q @ k.transpose(-2, -1)) / 4.0
        scores = scores.masked_fill(self.mask[:, :, :t, :t] == 0, float("-inf"))
        y = (self.drop(F.softmax(scores, -1)) @ v).transpose(1, 2).contiguous().view(b, t, 64)
        return F.linear(x + self.out(y), self.words.weight)

    return Net(
        forward,
        words=nn.Embedding(500, 64),
        places=nn.Embedding(128, 64),
        norm=nn.LayerNorm(64, bias=False),
        qkv=nn.Linear(64, 192),
        out=nn.Linear(64, 64),
        drop=nn.Dropout(0.1),
        mask=torch.ones(1, 1, 128, 128),
    )


def llama() -> nn.Module:
    """Norms and rotations written out, heads of keys shared by repeating them."""

    def norm(x: Tensor, scale: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * scale

    def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        one, two = x.chunk(2, -1)
        return x * cos + torch.cat((-two, one), -1) * sin

    def forward(self: Any, ids: Tensor) -> Tensor:
        b, t = ids.shape
        x = self.words(ids)
        angles = torch.outer(torch.arange(t, device=ids.device).float(), self.frequencies)
        both = torch.cat((angles, angles), -1)
        cos, sin = both.cos(), both.sin()
        y = norm(x, self.scale)
        q, k, v = (part(y).view(b, t, -1, 16).transpose(1, 2) for part in (self.q, self.k, self.v))
        k, v = (part[:, :, None].expand(b, 2, 2, t, 16).reshape(b, 4, t, 16) for part in (k, v))
        y = F.scaled_dot_product_attention(turn(q, cos, sin), turn(k, cos, sin), v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, 64))
        return self.head(x + self.down(F.silu(self.gate(x)) * self.up(x)))

    def plain(a: int, b: int) -> nn.Linear:
        return nn.Linear(a, b, bias=False)

    return Net(
        forward,
        words=nn.Embedding(500, 64),
        scale=weight(64),
        frequencies=torch.ones(8),
        q=plain(64, 64),
        k=plain(64, 32),
        v=plain(64, 32),
        out=plain(64, 64),
        gate=plain(64, 160),
        up=plain(64, 160),
        down=plain(160, 64),
        head=plain(64, 500),
    )


def mixture() -> nn.Module:
    """Experts chosen by the two largest scores, computed for all tokens and weighed."""

    def forward(self: Any, x: Tensor) -> Tensor:
        scores, chosen = self.router(x).softmax(-1).topk(2, -1)
        gates = torch.zeros_like(self.router(x)).scatter(-1, chosen, scores / scores.sum(-1, keepdim=True))
        hidden = F.gelu(torch.einsum("btd,edf->btef", x, self.up))
        return torch.einsum("btef,efd,bte->btd", hidden, self.down, gates)

    return Net(forward, router=nn.Linear(64, 4, bias=False), up=weight(4, 64, 128), down=weight(4, 128, 64))


def t5() -> nn.Module:
    """Biases of attention looked up by the logarithm of the distance."""

    def forward(self: Any, x: Tensor) -> Tensor:
        t = x.shape[1]
        places = torch.arange(t, device=x.device)
        far = (places[None] - places[:, None]).abs()
        near = far < 8
        bucket = torch.where(near, far, torch.clamp((torch.log(far.float() / 8 + 1e-6) * 4).long() + 8, max=15))
        bias = self.bias(bucket).permute(2, 0, 1).unsqueeze(0)
        q, k, v = (p.unflatten(2, (4, 16)).transpose(1, 2) for p in self.qkv(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand(x.shape[0], -1, -1, -1))
        return self.out(y.transpose(1, 2).flatten(2))

    return Net(forward, bias=nn.Embedding(16, 4), qkv=nn.Linear(64, 192), out=nn.Linear(64, 64))


def lstm_classifier() -> nn.Module:
    def forward(self: Any, ids: Tensor) -> Tensor:
        out, (hidden, _) = self.lstm(self.words(ids).transpose(0, 1))
        return self.head(torch.cat([hidden[-2], hidden[-1]], 1)) + out.mean(0)[:, :10]

    return Net(
        forward, words=nn.Embedding(200, 32), lstm=nn.LSTM(32, 48, 2, bidirectional=True), head=nn.Linear(96, 10)
    )


def speech() -> nn.Module:
    """Two-dimensional convolutions over a spectrogram, GRUs, and log probabilities of letters."""

    def forward(self: Any, x: Tensor) -> Tensor:
        x = F.hardtanh(self.norm(self.conv(x)), 0, 20)
        b, c, f, t = x.shape
        x, _ = self.gru(x.view(b, c * f, t).transpose(1, 2))
        return F.log_softmax(self.head(x), -1)

    return Net(
        forward,
        conv=nn.Conv2d(1, 8, (11, 5), (2, 1), (5, 2)),
        norm=nn.BatchNorm2d(8),
        gru=nn.GRU(256, 64, 2, batch_first=True, bidirectional=True),
        head=nn.Linear(128, 29),
    )


def elman() -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0].max(1).values)

    return Net(forward, rnn=nn.RNN(16, 32, batch_first=True), head=nn.Linear(32, 5))


def wavenet() -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        x = self.stem(x)
        for layer in self.layers:
            x = x + torch.tanh(layer(F.pad(x, (2, 0)))) * torch.sigmoid(self.gate(x))
        return self.last(F.glu(x, 1))

    layers = nn.ModuleList(nn.utils.parametrizations.weight_norm(nn.Conv1d(32, 32, 3)) for _ in range(2))
    return Net(forward, stem=nn.Conv1d(1, 32, 1), layers=layers, gate=nn.Conv1d(32, 32, 1), last=nn.Conv1d(16, 8, 1))


def pointnet() -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        turn = self.transform(x).max(2).values.view(-1, 3, 3)
        x = torch.bmm(x.transpose(1, 2), turn).transpose(1, 2)
        return self.head(self.features(x).amax(2))

    def stack(*sizes: int) -> nn.Sequential:
        return nn.Sequential(
            *(nn.Sequential(nn.Conv1d(a, b, 1), nn.BatchNorm1d(b), nn.ReLU()) for a, b in pairwise(sizes))
        )

    return Net(forward, transform=stack(3, 32, 9), features=stack(3, 64, 128), head=nn.Linear(128, 10))


def video() -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        x = F.max_pool3d(F.relu(self.norm(self.first(x))), 2)
        return self.head(self.up(self.second(x)).mean((2, 3, 4)))

    return Net(
        forward,
        first=nn.Conv3d(3, 16, 3, padding=1),
        norm=nn.BatchNorm3d(16),
        second=nn.Conv3d(16, 32, (3, 1, 1), padding=(1, 0, 0)),
        up=nn.ConvTranspose3d(32, 16, 2, 2),
        head=nn.Linear(16, 10),
    )


def graph() -> nn.Module:
    """Messages along edges, added up where they end."""

    def forward(self: Any, x: Tensor, edges: Tensor) -> Tensor:
        for layer in self.layers:
            message = layer(x)[edges[0]]
            x = F.relu(torch.zeros_like(message[: x.shape[0]]).index_add(0, edges[1], message))
        return x.sum(0)

    return Net(forward, layers=nn.ModuleList([nn.Linear(32, 64), nn.Linear(64, 64)]))


def recommender() -> nn.Module:
    def forward(self: Any, dense: Tensor, ids: Tensor) -> Tensor:
        rows = torch.stack([self.bottom(dense), *(table(ids) for table in self.tables)], 1)
        grid = rows @ rows.transpose(1, 2)
        return torch.sigmoid(self.top(torch.cat([rows[:, 0], grid.flatten(1)], 1)))

    tables = nn.ModuleList(nn.EmbeddingBag(1000, 32, mode="sum") for _ in range(3))
    return Net(forward, bottom=nn.Linear(13, 32), tables=tables, top=nn.Linear(48, 1))


def autoencoder() -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        mean, spread = self.encode(x.flatten(1)).chunk(2, 1)
        z = mean + torch.randn_like(spread) * torch.exp(0.5 * spread)
        again = torch.sigmoid(self.decode(z))
        kl = -0.5 * torch.sum(1 + spread - mean.pow(2) - spread.exp())
        return F.binary_cross_entropy(again, x.flatten(1), reduction="sum") + kl

    return Net(
        forward,
        encode=nn.Sequential(nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 40)),
        decode=nn.Sequential(nn.Linear(20, 200), nn.ReLU(), nn.Linear(200, 784)),
    )


def generator() -> nn.Module:
    def up(a: int, b: int) -> nn.Sequential:
        return nn.Sequential(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(True))

    return nn.Sequential(
        nn.Unflatten(1, (64, 2, 2)), up(64, 32), up(32, 16), nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh()
    )


def style() -> nn.Module:
    """Reflected borders and norms of every image by itself."""

    def block(a: int, b: int) -> nn.Sequential:
        return nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(a, b, 3), nn.InstanceNorm2d(b, affine=True), nn.LeakyReLU(0.2)
        )

    return nn.Sequential(
        block(3, 16), block(16, 16), nn.utils.parametrizations.spectral_norm(nn.Conv2d(16, 3, 1)).eval()
    )


def superresolution() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2),
        nn.PReLU(),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.PReLU(32),
        nn.Conv2d(32, 12, 3, padding=1),
        nn.PixelShuffle(2),
        nn.Upsample(scale_factor=2),
    )


def diffusion() -> nn.Module:
    def forward(self: Any, x: Tensor, time: Tensor) -> Tensor:
        angles = time.float()[:, None] * torch.exp(torch.arange(16, device=x.device) * -0.5)[None]
        shift = self.time(torch.cat([angles.sin(), angles.cos()], 1))
        x = self.first(x)
        y = self.conv(F.silu(self.norm1(x))) + shift[:, :, None, None]
        b, c, h, w = y.shape
        q, k, v = self.qkv(self.norm2(y)).view(b, 3, 1, c, h * w).transpose(3, 4).unbind(1)
        y = y + self.out(F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(b, c, h, w))
        return self.last(F.interpolate(y + x, scale_factor=2, mode="nearest"))

    return Net(
        forward,
        time=nn.Sequential(nn.Linear(32, 64), nn.SiLU(), nn.Linear(64, 32)),
        first=nn.Conv2d(3, 32, 3, padding=1),
        conv=nn.Conv2d(32, 32, 3, padding=1),
        norm1=nn.GroupNorm(8, 32),
        norm2=nn.GroupNorm(8, 32),
        qkv=nn.Conv2d(32, 96, 1),
        out=nn.Conv2d(32, 32, 1),
        last=nn.Conv2d(32, 3, 3, padding=1),
    )


def fourier() -> nn.Module:
    """Low frequencies mixed by learned weights."""

    def forward(self: Any, x: Tensor) -> Tensor:
        x = self.lift(x.unsqueeze(-1)).transpose(1, 2)
        low = torch.fft.rfft(x)[..., :16]
        real, imaginary = torch.view_as_real(low).unbind(-1)
        mixed = torch.stack([real * self.a - imaginary * self.b, real * self.b + imaginary * self.a], -1)
        back = torch.fft.irfft(torch.view_as_complex(mixed.contiguous()), n=x.shape[-1])
        return self.drop_to(F.gelu(back + self.pointwise(x)).transpose(1, 2))

    return Net(
        forward,
        lift=nn.Linear(1, 32),
        a=weight(32, 16),
        b=weight(32, 16),
        pointwise=nn.Conv1d(32, 32, 1),
        drop_to=nn.Linear(32, 1),
    )


def scan() -> nn.Module:
    """A linear recurrence as sums of logarithms, in parallel over the sequence."""

    def forward(self: Any, x: Tensor) -> Tensor:
        gate, value = self.parts(x).chunk(2, -1)
        decay = F.logsigmoid(gate).cumsum(1)
        state = torch.logcumsumexp(torch.log(F.softplus(value)) - decay, 1) + decay
        return self.out(torch.exp(state))

    return Net(forward, parts=nn.Linear(32, 128), out=nn.Linear(64, 32))


def perceiver() -> nn.Module:
    def forward(self: Any, x: Tensor) -> Tensor:
        latent = self.latent.expand(x.shape[0], -1, -1)
        latent = latent + self.cross(latent, x, x, need_weights=False)[0]
        weights = self.inner(latent, latent, latent, need_weights=True)[1]
        return self.head(latent.mean(1)) + weights.mean()

    return Net(
        forward,
        latent=weight(1, 8, 32),
        cross=nn.MultiheadAttention(32, 4, kdim=48, vdim=48, batch_first=True),
        inner=nn.MultiheadAttention(32, 4, batch_first=True),
        head=nn.Linear(32, 10),
    )


def metric() -> nn.Module:
    """Pairs of pictures: distances of normalised embeddings, sorted."""

    def forward(self: Any, a: Tensor, b: Tensor) -> Tensor:
        one, two = (F.normalize(self.body(x), dim=1) for x in (a, b))
        nearest, _ = torch.cdist(one, two).sort(1)
        return F.triplet_margin_loss(one, two, one.flip(0)) + nearest[:, 0].mean()

    return Net(forward, body=nn.Sequential(conv(3, 16, 3, 2), head(16, 32)))


def detector() -> nn.Module:
    """One head over features of several sizes, boxes decoded from offsets."""

    def forward(self: Any, x: Tensor) -> Tensor:
        features = [self.stem(x)]
        features.append(self.down(features[0]))
        found = []
        for feature in features:
            offsets = self.boxes(self.tower(feature)).flatten(2).transpose(1, 2)
            centres, sizes = offsets.split(2, -1)
            found.append(torch.cat([centres - sizes.exp() / 2, centres + sizes.exp() / 2], -1))
        boxes = torch.cat(found, 1)
        best = boxes[..., 0].topk(5, 1).indices
        return torch.gather(boxes, 1, best.unsqueeze(-1).expand(-1, -1, 4))

    return Net(forward, stem=conv(3, 16, 3, 2), down=conv(16, 16, 3, 2), tower=conv(16, 16), boxes=nn.Conv2d(16, 4, 1))


def field() -> nn.Module:
    """A field of light: positions as sines, then weights along every ray."""

    def forward(self: Any, points: Tensor) -> Tensor:
        scaled = points[..., None, :] * self.octaves[:, None]
        x = torch.cat([points, scaled.sin().flatten(-2), scaled.cos().flatten(-2)], -1)
        colour, density = self.net(x).split([3, 1], -1)
        alpha = 1 - torch.exp(-F.relu(density))
        through = torch.cumprod(1 - alpha + 1e-10, 1)
        return (alpha * through * torch.sigmoid(colour)).sum(1)

    return Net(
        forward,
        octaves=torch.ones(6),
        net=nn.Sequential(nn.Linear(39, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)),
    )


def transformer_of_space() -> nn.Module:
    """A picture turned and cut out by what the net finds in it."""

    def forward(self: Any, x: Tensor) -> Tensor:
        theta = self.locate(x).view(-1, 2, 3)
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        return self.classify(F.grid_sample(x, grid, align_corners=False))

    return Net(
        forward, locate=nn.Sequential(conv(3, 8, 7, 2), head(8, 6)), classify=nn.Sequential(conv(3, 16), head(16))
    )


IMAGE, TOKENS, ROWS = ["4x3x32x32:float32"], ["4x16:int64"], ["4x16x64:float32"]

ZOO: dict[str, tuple[Callable[[], nn.Module], list[str]]] = {
    "perceptron": (perceptron, ["8x64"]),
    "vgg": (vgg, IMAGE),
    "densenet": (densenet, IMAGE),
    "mobilenet-v3": (mobilenet_v3, IMAGE),
    "shufflenet": (shufflenet, IMAGE),
    "convnext": (convnext, IMAGE),
    "unet": (unet, IMAGE),
    "deeplab": (deeplab, IMAGE),
    "vit": (vit, IMAGE),
    "swin": (swin, IMAGE),
    "mixer": (mixer, IMAGE),
    "translator": (translator, ["4x16:int64", "4x12:int64"]),
    "minigpt": (minigpt, TOKENS),
    "llama": (llama, TOKENS),
    "mixture": (mixture, ROWS),
    "t5": (t5, ROWS),
    "lstm": (lstm_classifier, TOKENS),
    "speech": (speech, ["4x1x64x20"]),
    "elman": (elman, ["4x10x16"]),
    "wavenet": (wavenet, ["4x1x200"]),
    "pointnet": (pointnet, ["4x3x256"]),
    "video": (video, ["2x3x8x16x16"]),
    "graph": (graph, ["nodes=100x32", "2xedges=400:int64"]),
    "recommender": (recommender, ["8x13", "8x4:int64"]),
    "autoencoder": (autoencoder, ["8x1x28x28"]),
    "generator": (generator, ["8x256"]),
    "style": (style, IMAGE),
    "superresolution": (superresolution, IMAGE),
    "diffusion": (diffusion, ["4x3x16x16", "4:int64"]),
    "fourier": (fourier, ["4x128"]),
    "scan": (scan, ["4x16x32"]),
    "perceiver": (perceiver, ["4x20x48"]),
    "metric": (metric, ["4x3x32x32", "4x3x32x32"]),
    "detector": (detector, IMAGE),
    "field": (field, ["64x16x3"]),
    "spatial-transformer": (transformer_of_space, IMAGE),
}
