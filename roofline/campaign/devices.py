"""Which device does this machine have, and which of the known chips is it?"""

from __future__ import annotations

import re
from collections.abc import Iterable

from roofline.campaign.device_cuda import Device, TorchDevice
from roofline.campaign.run import import_torch
from roofline.errors import UsageError
from roofline.measurements.public.devices import chip_named

_NOISE = {"nvidia", "geforce", "amd", "graphics", "gpu", "hbm2", "hbm3", "hbm3e"}


def choose_device(wanted: str = "auto") -> str:
    """``cuda`` where torch finds one, else ``cpu``; or the wanted device, if it exists.

    Raises
    ------
    MissingExtra : torch is not installed.
    UsageError : CUDA was requested and is not available.
    """
    there = cuda_title() is not None
    if wanted == "auto":
        return "cuda" if there else "cpu"
    if wanted not in ("cpu", "cuda"):
        raise UsageError(f"--device {wanted!r} is not known; write auto, cpu or cuda")
    if wanted == "cuda" and not there:
        raise UsageError("--device cuda: PyTorch finds no CUDA device here; try --device cpu")
    return wanted


def cuda_title() -> str | None:
    """The driver's name of the current CUDA device, such as ``NVIDIA GeForce RTX 2070``; None where there is none."""
    torch = import_torch()
    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else None


def cuda_device() -> Device:
    """The current CUDA device, for timers.

    Raises
    ------
    UsageError : there is none.
    """
    return TorchDevice()


def match_chip(title: str, known: Iterable[str]) -> str | None:
    """The known chip that a driver's title means, or None where it is not certain.

    Titles with another spelling are listed in :mod:`roofline.measurements.public.devices`. Otherwise all words of the
    chip's name must be in the title (``rtx-2070`` in *NVIDIA GeForce RTX 2070*), with none left over. Failing that, the
    title's words must all be in exactly one chip's name (*NVIDIA H200* in ``h200-sxm``).
    """
    known = set(known)
    if (told := chip_named(title)) in known:
        return told
    words = set(re.findall(r"[a-z0-9]+", title.lower())) - _NOISE
    names = {name: set(name.split("-")) for name in known}
    equal = [name for name, parts in names.items() if parts == words]
    if equal:
        return equal[0]
    wider = [name for name, parts in names.items() if words and words <= parts]
    return wider[0] if len(wider) == 1 else None
