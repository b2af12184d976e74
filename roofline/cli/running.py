"""Which options say how a network is run: training, storage, software, input pipeline?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from roofline import units
from roofline.core.checks import MOST
from roofline.core.run import (
    IMPLEMENTATIONS,
    LONGEST_DISPATCH_S,
    MODES,
    OPTIMIZERS,
    STORED_CACHES,
    STORED_WEIGHTS,
    Recipe,
    Run,
)
from roofline.core.stack import ATTENTION, RECENT_CUDNN, SERVING, STACK_MODES, Stack
from roofline.errors import UsageError

Option = Callable[[Any], Any]


class Rate(click.ParamType):  # type: ignore[type-arg]
    """``500``, or ``inf``."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            rate = float(value)
        except ValueError:
            rate = 0.0
        if not rate > 0:
            self.fail(f"{value!r} is not a rate; write a number of samples per second above zero, or 'inf'", param, ctx)
        return rate


class Duration(click.ParamType):  # type: ignore[type-arg]
    """``8 us``."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = units.parse(value, "s")
        except UsageError as error:
            self.fail(str(error), param, ctx)
        if not 0 <= seconds < LONGEST_DISPATCH_S:
            self.fail(f"{value!r} is not a time to dispatch one kernel; write a time such as '8 us'", param, ctx)
        return seconds


def _choice(flag: str, name: str, options: tuple[str, ...], help_: str, default: str | None = None) -> Option:
    shown = default is not None
    return click.option(flag, name, type=click.Choice(options), default=default, show_default=shown, help=help_)


RUNNING: Mapping[str, Option] = {
    "mode": _choice("--mode", "mode", MODES, "Predict one inference, or one training step.", "inference"),
    "optimizer": _choice("--optimizer", "optimizer", OPTIMIZERS, "Training: optimizer. [default: sgd]"),
    "implementation": _choice(
        "--optimizer-kernels",
        "implementation",
        IMPLEMENTATIONS,
        "Training: implementation of the optimizer. By default foreach on GPUs, loop elsewhere.",
    ),
    "pure": click.option("--pure", is_flag=True, help="Training in 16 bits: keep no fp32 weights (no autocast)."),
    "accumulate": click.option(
        "--accumulate",
        type=click.IntRange(1),
        metavar="N",
        help="Training: split the batch into N micro-batches (gradient accumulation).",
    ),
    "checkpoint": click.option(
        "--checkpoint",
        is_flag=True,
        help="Training: activation checkpointing; repeated blocks keep their inputs and recompute the rest.",
    ),
    "weights": _choice(
        "--weights", "weights", STORED_WEIGHTS, "Inference: storage format of the weights of matrix multiplications."
    ),
    "cache": _choice("--kv-cache", "cache", STORED_CACHES, "Inference: storage format of the KV cache."),
    "loader_rate": click.option(
        "--loader-rate",
        type=Rate(),
        metavar="N|inf",
        help="Samples per second from the input pipeline; 'inf': only the copy to the device counts.",
    ),
    "execution": _choice("--stack", "execution", STACK_MODES, "PyTorch execution mode; graphs: CUDA graphs.", "eager"),
    "attention": _choice(
        "--attention",
        "attention",
        ("fused", "unfused", *(name for name in ATTENTION if name != "math")),
        "Attention as one fused kernel (the framework's choice, or the one named, on GPUs), or as separate kernels.",
        "fused",
    ),
    "paged": click.option(
        "--paged-cache",
        "paged",
        is_flag=True,
        help="Keys and values lie in pages, as in serving; each call of attention first writes its new ones.",
    ),
    "winograd": click.option(
        "--no-winograd",
        "winograd",
        is_flag=True,
        flag_value=False,
        default=True,
        help="Exclude Winograd plans for 3x3 convolutions, as in cuDNN before version 5.",
    ),
    "cudnn": click.option(
        "--cudnn",
        type=click.IntRange(1, MOST),
        default=RECENT_CUDNN,
        show_default=True,
        metavar="N",
        help="Major version of cuDNN; it decides which convolution plans exist and how one is chosen.",
    ),
    "autotuned": click.option(
        "--autotune",
        "autotuned",
        is_flag=True,
        help="cuDNN tries every plan of a convolution and keeps the fastest (torch.backends.cudnn.benchmark).",
    ),
    "tf32": click.option(
        "--tf32", is_flag=True, help="Run fp32 matrix multiplications in tf32, on chips that have it."
    ),
    "serving": _choice(
        "--serving",
        "serving",
        SERVING,
        "NPUs and TPUs with several cores. throughput: each core runs its own batch; latency: one batch on one core; "
        "sharded: one batch split over all cores.",
        "throughput",
    ),
    "together": click.option(
        "--chips",
        "together",
        type=click.IntRange(1, MOST),
        default=1,
        show_default=True,
        metavar="N",
        help="Number of NPUs or TPUs; with --serving sharded one batch is split over all their cores.",
    ),
    "host_dispatch": click.option(
        "--host-dispatch",
        type=Duration(),
        metavar="TIME",
        help="Time the host needs to dispatch one elementwise kernel to a GPU, such as '8 us'. By default a typical "
        "value.",
    ),
    "threads": click.option(
        "--threads",
        type=click.IntRange(1, MOST),
        default=1,
        show_default=True,
        metavar="N",
        help="CPU: number of compute threads.",
    ),
}
"""Options by the name the command would get them under."""

_TRAINING = {
    "optimizer": "--optimizer",
    "implementation": "--optimizer-kernels",
    "pure": "--pure",
    "accumulate": "--accumulate",
    "checkpoint": "--checkpoint",
}


def run_of(said: Mapping[str, Any]) -> Run:
    """What the options say about the run; those of training are refused in inference."""
    mode = said["mode"]
    given = {name: said[name] for name in _TRAINING if said[name]}
    if given and mode != "training":
        raise click.UsageError(f"{_TRAINING[next(iter(given))]} applies to training only; add --mode training")
    return Run(
        mode=mode,
        recipe=Recipe(**given),
        weights=said["weights"] or "",
        cache=said["cache"] or "",
        loader_rate=said["loader_rate"],
        host_dispatch=said["host_dispatch"],
    )


def stack_of(said: Mapping[str, Any]) -> Stack:
    """What the options say about the software."""
    return Stack(
        mode=said["execution"],
        threads=said["threads"],
        fused_attention=said["attention"] != "unfused",
        attention=said["attention"] if said["attention"] in ATTENTION else "",
        kv_cache="paged" if said["paged"] else "contiguous",
        tf32=said["tf32"],
        winograd=said["winograd"],
        cudnn=said["cudnn"],
        autotuned=said["autotuned"],
        serving=said["serving"],
        chips=said["together"],
    )
