"""``roofline doctor``: what is installed, what can be measured, where files are found."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roofline import specs
from roofline.cli.options import format_options
from roofline.cli.output import emit
from roofline.errors import RooflineError
from roofline.render.table import Column, Table, table
from roofline.specs import lookup

if TYPE_CHECKING:
    from rich.console import Console

NEEDED = ("numpy", "scipy", "pyyaml", "matplotlib", "click", "rich")
OPTIONAL = {"torch": "torch", "onnx": "onnx", "nvidia-ml-py": "gpu", "pytest": "test", "hypothesis": "test"}
"""Package -> the extra that installs it."""


@click.command(short_help="what is installed, what can be measured, where files are found")
@format_options
def command(form: str) -> None:
    """Show what is installed, which device is present, whether it can be measured now, and where files are found.

    \b
      roofline doctor
    """
    rows = [*_software(), *_device(), *_files()]

    def made() -> Table:
        columns = (Column("topic", "topic"), Column("what", "what"), Column("state", "state", wrap=True))
        return table("", columns, rows)

    def data() -> dict[str, Any]:
        answer: dict[str, Any] = {"schema_version": 1}
        for topic, what, state in rows:
            answer.setdefault(topic, {})[what] = state
        return answer

    def show(screen: Console) -> None:
        from roofline.render.terminal import print_facts

        for topic in dict.fromkeys(row[0] for row in rows):
            print_facts(topic, [(what, state) for own, what, state in rows if own == topic], screen)

    emit(form, data, made, show)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _software() -> list[tuple[str, str, str]]:
    rows = [
        ("software", "roofline", _version("roofline") or "not installed; runs from a source checkout"),
        ("software", "python", f"{platform.python_implementation()} {platform.python_version()}"),
    ]
    rows += [("software", name, _version(name) or "missing: pip install roofline") for name in NEEDED]
    for name, extra in OPTIONAL.items():
        rows.append(("software", name, _version(name) or f"not installed: pip install 'roofline[{extra}]'"))
    return rows


def _device() -> list[tuple[str, str, str]]:
    """This machine, and whether what is measured on it now would mean anything."""
    from roofline.campaign.quiet import listen

    chip = specs.detect_cpu()
    engine, dram = chip.engines[0], chip.dram
    known = (
        "known" if dram.total_bandwidth else "not known: run 'roofline specs detect --measure --write' to measure it"
    )
    quiet = listen()
    load = f", load {quiet.load:.2f}" if quiet.load is not None else ""
    state = "quiet" if quiet.good else "busy or noisy: run 'roofline measure --check' for the reasons"
    heard = f"{state} (a busy thread got {quiet.share:.0%} of a core, jitter {quiet.jitter:.0%}{load})"
    return [
        ("device", "cpu", f"{chip.title}; its measurements carry the name {chip.name}"),
        ("device", "architecture", f"{chip.architecture}, {engine.clock.hz() / 1e9:.2f} GHz reported"),
        ("device", "memory bandwidth", known),
        ("device", "gpu", _gpu()),
        (
            "device",
            "can be measured",
            "yes" if _version("torch") else "no, PyTorch is missing: pip install 'roofline[torch]'",
        ),
        ("device", "now", heard),
    ]


def _gpu() -> str:
    driver = Path("/proc/driver/nvidia/version").exists()
    found = _version("torch")
    if found is None:
        return (
            "an NVIDIA driver is loaded, but PyTorch is missing: pip install 'roofline[torch]'"
            if driver
            else "none found"
        )
    if "+cpu" in found:
        return "an NVIDIA driver is loaded, but PyTorch is a CPU build" if driver else "none (PyTorch is a CPU build)"
    from roofline.campaign.devices import cuda_title

    return cuda_title() or "none that PyTorch can use"


def _files() -> list[tuple[str, str, str]]:
    rows = []
    kinds: tuple[tuple[lookup.Kind, dict[str, Path]], ...] = (
        ("chip", specs.list_chips()),
        ("workload", specs.list_networks()),
    )
    for kind, known in kinds:
        folders = ", ".join(str(folder) for folder in lookup.folders(kind))
        rows.append(("files", f"{kind}s", f"{len(known)} in {folders}"))
        for name in known:
            found = specs.find(kind, name)
            rows += [
                ("files", f"hidden {kind}", f"{found.path} hides {path} of the same name") for path in found.shadowed
            ]
    fits: dict[Path, None] = {}
    for name, path in specs.list_chips().items():
        try:
            chip = specs.load_chip(path)
        except RooflineError as error:
            rows.append(("files", f"broken {name}", str(error).splitlines()[0]))
            continue
        fits |= dict.fromkeys(specs.calibrations_for(chip.name, chip.architecture, chip.kind))
    rows += [("files", "calibration", str(fit)) for fit in fits]
    own = specs.detect_cpu()
    if own.name not in specs.list_chips():
        rows.append(("files", "this cpu", "no chip file yet: run 'roofline specs detect --measure --write'"))
    return rows
