"""Which chip does a driver's name such as ``NVIDIA H100 80GB HBM3`` mean?"""

from __future__ import annotations

import re

CHIPS = {
    "Tesla P100-PCIE-16GB": "tesla-p100-pcie",
    "Tesla P100-SXM2-16GB": "tesla-p100-sxm2",
    "Tesla V100-SXM2-16GB": "tesla-v100-sxm2",
    "GeForce GTX TITAN X": "titan-x-maxwell",
    "NVIDIA GeForce GTX TITAN X": "titan-x-maxwell",
    "NVIDIA A100 80GB PCIe": "a100-pcie-80gb",
    "NVIDIA A100-SXM4-80GB": "a100-sxm-80gb",
    "NVIDIA H100 80GB HBM3": "h100-sxm",
    "NVIDIA H200": "h200-sxm",
    "NVIDIA B200": "b200-sxm",
}
"""Devices whose chip file has another name."""


def chip_named(device: str) -> str:
    """The name of a device's chip file: ``tesla-t4`` for ``Tesla T4``, ``rtx-2070`` for ``NVIDIA GeForce RTX 2070``.

    It does not check that the file exists: measurements of an unknown device have its name.
    """
    if device in CHIPS:
        return CHIPS[device]
    short = re.sub(r"^(nvidia |amd |geforce |instinct )+", "", device.lower())
    return re.sub(r"[^a-z0-9]+", "-", short).strip("-")
