"""What does a user's wish to measure mean? Chip, plan and file of a campaign, and the one call that runs it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from roofline import specs
from roofline.campaign import devices
from roofline.campaign.campaign import run_campaign
from roofline.campaign.check import check
from roofline.campaign.design_cuda import growth_of
from roofline.campaign.networks import sizes_of
from roofline.campaign.numerics import numerics, refuse
from roofline.core.chip import Chip
from roofline.devices.kinds import model_of
from roofline.errors import RooflineError, UsageError
from roofline.measurements.plan import FEW_ROUNDS, Plan, Progress
from roofline.measurements.store import ReadResult, read_measurements


@dataclass(frozen=True)
class Campaign:
    """What is to be measured: the chip by name, on which device, by which plan, and the file it goes to."""

    path: Path
    chip: str
    plan: Plan
    dtype: str
    device: str
    threads: tuple[int, ...]

    def run(self, progress: Progress | None = None, say: Callable[[str], None] = lambda line: None) -> Path:
        """Measure what the file does not hold yet; see :func:`roofline.campaign.campaign.run_campaign`."""
        how = {"dtype": self.dtype, "device": self.device, "threads": self.threads}
        return run_campaign(self.path, self.chip, self.plan, **how, progress=progress, say=say)  # type: ignore[arg-type]


def measure(
    chip: str | None = None,
    out: str | Path | None = None,
    *,
    device: str = "auto",
    dtype: str = "fp32",
    threads: int | Sequence[int] = 1,
    quick: bool = False,
    budget: str | None = None,
    rows: int | None = None,
    rounds: int | None = None,
    networks: bool = True,
    workload: str | None = None,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    anyway: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> ReadResult:
    """Measure operators and networks on this machine with PyTorch, and return the measurements.

    ``roofline.validate(roofline.measure(quick=True).measurements)``. A run that was interrupted goes on where it
    stopped when it is called again with the same file.

    Parameters
    ----------
    chip : the name in the measurements; by default this CPU, or the GPU that PyTorch finds.
    out : the file, JSON Lines; by default ``measurements/CHIP.jsonl``.
    device : ``auto``, ``cpu`` or ``cuda``.
    dtype : precision of matrix multiplications, such as ``fp32`` or ``bf16``.
    threads : compute threads of a CPU, or several numbers to measure each.
    quick : about a minute: fewer shapes and rounds, forward passes alone.
    budget : about so long, on a CPU, such as ``"2min"``.
    rows, rounds : operator shapes, and how often each is visited.
    networks : False leaves networks out. workload : this network alone, at ``batch`` and ``bind``.
    anyway : several threads on a noisy machine, too.
    seed : of the random shapes.
    progress : called with (samples done, samples in all, what is being measured).

    Returns
    -------
    ReadResult
        The measurements of the file, with what the campaign said among the warnings.

    Raises
    ------
    UsageError : wishes that exclude each other. MissingExtra : torch is not installed.
    RooflineError : the machine is too noisy for several threads. OutputError : the file cannot be written.
    """
    counts = (threads,) if isinstance(threads, int) else tuple(threads)
    campaign = planned(
        chip,
        out,
        devices.choose_device(device),
        dtype,
        counts,
        quick=quick,
        budget=budget,
        rows=rows,
        rounds=rounds,
        networks=networks,
        workload=workload,
        sizes=sizes(bind, batch),
        seed=seed,
    )
    said = [quiet_enough(max(counts), anyway, progress)] if max(counts) > 1 else []
    found = read_measurements(campaign.run(progress, said.append))
    return replace(found, warnings=(*filter(None, said), *found.warnings))


def sizes(bind: Mapping[str, int] | None, batch: int | None) -> dict[str, int]:
    """The symbols of one network with the batch among them."""
    return {**(bind or {}), **({"batch": batch} if batch else {})}


def planned(
    chip: str | None,
    out: str | Path | None,
    device: str,
    dtype: str,
    threads: tuple[int, ...],
    *,
    quick: bool,
    budget: str | None,
    rows: int | None,
    rounds: int | None,
    networks: bool,
    workload: str | None,
    sizes: Mapping[str, int],
    seed: int,
) -> Campaign:
    """The campaign that these wishes mean; raises as :func:`measure` does. ``device`` is chosen already."""
    if device != "cpu" and threads != (1,):
        raise UsageError("--threads applies to CPUs only; leave it out on a GPU")
    name = _checked(chip, device) if chip else _name(device)
    part = specs.load_chip(chip or name) if device == "cuda" else None
    refuse(dtype, devices.cuda_device() if part else None, part)
    plan = Plan.quick() if quick else Plan()
    if workload and (not networks or rows):
        raise UsageError("-w measures one network and no operators; leave out --no-networks and --rows")
    if sizes and not workload:
        raise UsageError("--batch and --bind set the sizes of one network; name it with -w")
    if workload and (only := numerics(dtype).only):
        raise UsageError(f"no networks in {dtype}: PyTorch has only {', '.join(only)} in this precision")
    plan = replace(
        plan,
        rows=0 if workload else rows or plan.rows,
        rounds=rounds or (FEW_ROUNDS if part else plan.rounds),
        networks=_networks(plan, workload, sizes) if networks else {},
        seed=seed,
        growth=growth_of(part) if part else 1,
    )
    if budget:
        if workload or quick or rows or part:
            raise UsageError("--budget chooses the operators itself, on CPUs only; leave out -w, --quick and --rows")
        plan = plan.within(_seconds(budget))
    return Campaign(Path(out or Path("measurements") / f"{name}.jsonl"), name, plan, dtype, device, threads)


def _networks(plan: Plan, workload: str | None, chosen: Mapping[str, int]) -> Mapping[str, Mapping[str, int]]:
    return {workload: sizes_of(workload, chosen)} if workload else plan.networks


def quiet_enough(threads: int, anyway: bool, progress: Progress | None = None) -> str:
    """Refuse to measure several threads on a machine where they would not repeat; a warning where it is done anyway.

    Raises
    ------
    RooflineError : the machine is too noisy, and ``anyway`` is False.
    """
    found = check(threads=threads, progress=progress)
    reasons = "; ".join(found.reasons)
    if not found.good and not anyway:
        raise RooflineError(
            f"this machine is too noisy to measure {threads} threads: {reasons}. Stop other programs or use fewer "
            "threads; --anyway measures all the same"
        )
    said = f"measuring {threads} threads on a noisy machine; the times will not repeat well: {reasons}"
    return "" if found.good else said


def _seconds(text: str) -> float:
    """``90s`` or ``2min``."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|sec|min|m)\s*", text)
    if not found:
        raise UsageError(f"--budget {text}: write a time such as '90s' or '2min'")
    return float(found[1]) * (60.0 if found[2].startswith("m") else 1.0)


def _checked(chip: str, device: str) -> str:
    """The name of a chip that can be the one measured: measurements must not carry another chip's name."""
    own = specs.detect_cpu().name
    if device == "cpu" and chip == own:
        return own
    part: Chip = specs.load_chip(chip)
    model = model_of(part)
    if model.torch_device != device:
        raise UsageError(
            f"{part.name} is {model.noun}, but the device measured here is {'a CPU' if device == 'cpu' else 'a GPU'}"
            + (f" ({own})" if device == "cpu" else "")
            + "; leave CHIP out, or choose another --device"
        )
    return part.name


def _name(device: str) -> str:
    if device == "cpu":
        return specs.detect_cpu().name
    title = devices.cuda_title() or ""
    found = devices.match_chip(title, specs.list_chips())
    if found is None:
        raise UsageError(f"cannot tell which chip file describes {title!r}; name the chip: roofline measure CHIP")
    return found
