"""Which software runs the net? The same net on the same card differs by 10-25 % between stacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

STACK_MODES = ("eager", "compiled", "graphs")


@dataclass(frozen=True)
class Stack:
    """The software a prediction or a measurement speaks of. Unknown is written ``""``.

    mode : ``eager`` hands over kernel by kernel, ``compiled`` merges chains of elementwise work
        (TorchInductor), ``graphs`` replays a recorded CUDA graph.
    threads : compute threads on a CPU. layout : memory order of images.
    fused_attention : one kernel instead of product, softmax, product.
    tf32 : fp32 products run in tf32 on chips that have it.
    winograd : 3x3 convolutions may take fewer multiplications (cuDNN 5 and later).
    """

    framework: str = "pytorch"
    version: str = ""
    mode: str = "eager"
    threads: int = 1
    layout: str = "nchw"
    fused_attention: bool = True
    tf32: bool = False
    winograd: bool = True

    def __str__(self) -> str:
        name = f"{self.framework} {self.version}".strip()
        said = [name, self.mode, f"{self.threads} thread{'s' if self.threads > 1 else ''}"]
        said += [] if self.fused_attention else ["attention unfused"]
        said += ["tf32"] if self.tf32 else []
        return ", ".join(said if self.winograd else [*said, "no Winograd"])

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Stack:
        """Read what is known and ignore what a later version may have added."""
        known = {f.name for f in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})
