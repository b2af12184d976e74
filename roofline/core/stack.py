"""Which software runs the network? The same network on the same GPU differs by 10 to 25 % between stacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from roofline.core import checks

STACK_MODES = ("eager", "compiled", "graphs")
SERVING = ("throughput", "latency", "sharded")
LAYOUTS = ("nchw", "nhwc")
ATTENTION = ("flash-2", "flash-3", "flash-4", "efficient", "cudnn", "math")
"""Kernels of attention; ``math`` is unfused, in steps."""
CACHES = ("contiguous", "paged")

RECENT_CUDNN = 8
"""Version assumed for a stack without one."""


@dataclass(frozen=True)
class Stack:
    """The software of a prediction or a measurement. Unknown is written ``""``.

    Parameters
    ----------
    framework, version : name and version of the framework.
    mode : ``eager`` launches kernel by kernel, ``compiled`` fuses chains of elementwise work (TorchInductor),
        ``graphs`` replays a recorded CUDA graph.
    threads : compute threads on a CPU.
    layout : memory order of images.
    fused_attention : one kernel instead of the matrix multiplications, softmax and steps of eager code.
    attention : which fused kernel, a word of :data:`ATTENTION`; ``""``: the framework's choice
        (:mod:`roofline.devices.gpu.attention_kernels`). ``math`` means ``fused_attention=False``.
    kv_cache : ``contiguous``, or ``paged`` as in serving: keys and values lie in blocks, and every call of attention
        first writes its new ones.
    tf32 : fp32 matrix multiplications run in tf32 on chips that have it.
    winograd : 3x3 convolutions may use Winograd (cuDNN 5 and later).
    cudnn : major version of NVIDIA's convolution library: none before 5 has Winograd, 5 and 6 choose by rule.
    autotuned : the library tries all its plans and keeps the fastest (``torch.backends.cudnn.benchmark``).
    serving : on a chip of several cores, ``throughput`` keeps all of them busy, each with a batch of its own;
        ``latency`` is one batch on one core; ``sharded`` is one batch split over all cores (tensor parallelism).
    chips : number of chips that work together; more than one is for arrays.
    """

    framework: str = "pytorch"
    version: str = ""
    mode: str = "eager"
    threads: int = 1
    layout: str = "nchw"
    fused_attention: bool = True
    tf32: bool = False
    winograd: bool = True
    cudnn: int = RECENT_CUDNN
    autotuned: bool = False
    serving: str = "throughput"
    chips: int = 1
    attention: str = ""
    kv_cache: str = "contiguous"

    def __post_init__(self) -> None:
        checks.text("framework", self.framework)
        checks.text("version", self.version)
        checks.word("mode of a stack", self.mode, STACK_MODES)
        checks.count("threads", self.threads, most=checks.MOST)
        checks.word("layout", self.layout, LAYOUTS)
        checks.flag("fused_attention", self.fused_attention)
        checks.flag("tf32", self.tf32)
        checks.flag("winograd", self.winograd)
        checks.count("cudnn", self.cudnn, most=checks.MOST)
        checks.flag("autotuned", self.autotuned)
        checks.word("serving", self.serving, SERVING)
        checks.count("chips", self.chips, most=checks.MOST)
        checks.word("attention kernel", self.attention, ATTENTION, optional=True)
        checks.word("KV cache", self.kv_cache, CACHES)
        if self.attention == "math":  # the same as in steps
            object.__setattr__(self, "fused_attention", False)
        for name in ("threads", "cudnn", "chips"):  # JSON cannot store a NumPy integer
            if type(getattr(self, name)) is not int:
                object.__setattr__(self, name, int(getattr(self, name)))

    def __str__(self) -> str:
        return self.words()

    def words(self, runs_on: str = "") -> str:
        """In words. ``runs_on`` names the software where framework, eager mode and threads do not apply."""
        name = f"{self.framework} {self.version}".strip()
        said = [name, self.mode, f"{self.threads} thread{'s' if self.threads > 1 else ''}"]
        if runs_on:
            said = [runs_on, *([self.mode] if self.mode != STACK_MODES[0] else [])]
        said += [] if self.fused_attention else ["unfused attention"]
        said += [self.attention] if self.attention and self.fused_attention else []
        said += ["paged KV cache"] if self.kv_cache == "paged" else []
        said += ["tf32"] if self.tf32 else []
        said += [f"cuDNN {self.cudnn}"] if self.cudnn != RECENT_CUDNN else []
        said += ["autotuned"] if self.autotuned else []
        said += ["one batch on one core"] if self.serving == "latency" else []
        said += ["one batch split over all cores"] if self.serving == "sharded" else []
        said += [f"{self.chips} chips"] if self.chips > 1 else []
        return ", ".join(said if self.winograd else [*said, "no Winograd"])

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def of(cls, value: Stack | str | None) -> Stack:
        """A stack: as given, by a word of :data:`STACK_MODES` or :data:`SERVING`, or the default for None."""
        if isinstance(value, Stack):
            return value
        if value is None:
            return cls()
        checks.word("stack", value, (*STACK_MODES, *SERVING))
        return cls(serving=value) if value in SERVING else cls(mode=value)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Stack:
        """From plain data; unknown fields, from a later version, are ignored."""
        return cls(**{key: value for key, value in data.items() if key in _NAMES})


_NAMES = frozenset(field.name for field in fields(Stack))
