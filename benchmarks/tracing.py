"""How long does it take to trace a model, beyond ``import torch``, and how much memory?

ResNet-50 (batch 32) and a decoder of the sizes of Llama 2 7B (2048 tokens), in training: the trace at four sizes,
and the whole step with its gradients and Adam derived from it. Each in a process of its own.

    python benchmarks/tracing.py [--quick]

``--quick`` traces one block of each stage of ResNet-50 and two layers of the decoder.
"""

# torch has no types here, so its classes count as unknown
# mypy: disable-error-code="misc"

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

CODE = """
import sys; sys.path.insert(0, {here!r}); import torch; import tracing; tracing.one({name!r}, {quick})
"""
CASES = ("resnet50", "llama-2-7b")


def llama(layers: int) -> object:
    """Layers of Llama with rotations written out, on the meta device by itself."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Layer(nn.Module):
        def __init__(self, hidden: int, heads: int, width: int) -> None:
            super().__init__()
            self.size = hidden // heads
            self.norm1, self.norm2 = nn.RMSNorm(hidden), nn.RMSNorm(hidden)
            self.q, self.k, self.v, self.out = (nn.Linear(hidden, hidden, bias=False) for _ in range(4))
            self.gate, self.up = (nn.Linear(hidden, width, bias=False) for _ in range(2))
            self.down = nn.Linear(width, hidden, bias=False)

        def forward(self, x, cos, sin):  # type: ignore[no-untyped-def]
            def turn(part):  # type: ignore[no-untyped-def]
                one, two = part.chunk(2, -1)
                return part * cos + torch.cat((-two, one), -1) * sin

            y = self.norm1(x)
            q, k, v = (part(y).unflatten(2, (-1, self.size)).transpose(1, 2) for part in (self.q, self.k, self.v))
            mixed = functional.scaled_dot_product_attention(turn(q), turn(k), v, is_causal=True)
            x = x + self.out(mixed.transpose(1, 2).flatten(2))
            y = self.norm2(x)
            return x + self.down(functional.silu(self.gate(y)) * self.up(y))

    class Llama(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(32000, 4096)
            self.layers = nn.ModuleList(Layer(4096, 32, 11008) for _ in range(layers))
            self.norm, self.head = nn.RMSNorm(4096), nn.Linear(4096, 32000, bias=False)
            self.register_buffer("frequencies", torch.ones(64))

        def forward(self, ids):  # type: ignore[no-untyped-def]
            angles = torch.outer(torch.arange(ids.shape[1], device=ids.device).float(), self.frequencies)
            both = torch.cat((angles, angles), -1)
            x, cos, sin = self.words(ids), both.cos(), both.sin()
            for layer in self.layers:
                x = layer(x, cos, sin)
            return self.head(self.norm(x))

    return Llama()


def one(name: str, quick: bool = False) -> None:
    """Trace one model and print what it took; torch is imported already."""
    start = time.perf_counter()
    from roofline.campaign import modules
    from roofline.core.run import Recipe
    from roofline.core.stack import Stack
    from roofline.frontends import trace
    from roofline.lowering import build, lower_training, training_step

    if name == "resnet50":
        blocks = (1, 1, 1, 1) if quick else (3, 4, 6, 3)
        net = trace(lambda: modules.ResNet(modules.Bottleneck, blocks), ["32x3x224x224"], mode="training")
    else:
        net = trace(lambda: llama(2 if quick else 32), ["1x2048:int64"], mode="training")
    traced = time.perf_counter()
    schedule = lower_training(training_step(build(net), Recipe("adam"), Stack(), cuda=True))
    done = time.perf_counter()
    unit = 1 if sys.platform == "darwin" else 1024  # Linux counts in KiB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    print(
        f"{name:12} traced {traced - start:5.2f} s, step derived {done - traced:5.2f} s, "
        f"{len(schedule):,} kernels, {build(net).parameters / 1e9:.3f} G parameters, {peak:,.0f} MB"
    )


def main() -> None:
    here = str(Path(__file__).resolve().parent)
    for name in CASES:
        code = CODE.format(here=here, name=name, quick="--quick" in sys.argv)
        subprocess.run([sys.executable, "-c", code], check=True)


if __name__ == "__main__":
    main()
