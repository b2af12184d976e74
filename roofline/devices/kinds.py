"""Which kinds of device exist, and what must each of them provide?

A kind is one :class:`DeviceModel`. The kinds that ship are in :data:`KINDS`. Another installed package adds its own
through the entry point group ``roofline.device_kinds``, under the name that chip files write as ``kind:``. Code outside
this folder and the fits in ``calibration/`` uses the value and never tests which kind it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from roofline.core import plugins
from roofline.core.calibration import Calibration
from roofline.core.chip import KINDS_GROUP, Chip
from roofline.core.dtype import Precision
from roofline.core.prediction import Interval, Prediction, Tier
from roofline.core.stack import Stack
from roofline.devices import ceiling
from roofline.devices.account import Account, Explain, Explaining
from roofline.devices.array import account as array_account
from roofline.devices.array import fitted as array
from roofline.devices.array import remarks as array_remarks
from roofline.devices.cpu import account as cpu_account
from roofline.devices.cpu import fitted as cpu
from roofline.devices.cpu import remarks as cpu_remarks
from roofline.devices.cpu.transfer import transferred
from roofline.devices.gpu import account as gpu_account
from roofline.devices.gpu import fitted as gpu
from roofline.devices.gpu import remarks as gpu_remarks
from roofline.devices.timed import Asked, Fitted, Timing
from roofline.errors import UnknownName


def _whole(chip: Chip, stack: Stack) -> Chip:
    return chip


def _as_they_are(timing: Timing, asked: Asked) -> Timing:
    return timing


def _of_this_chip(fit: Calibration, chip: Chip, precision: Precision, stack: Stack) -> str:
    return "" if fit.chip == chip.name else f"is for {fit.chip}, not for {chip.name}"


def _nothing(fit: Calibration) -> str:
    return ""


def _no_request(chip: Chip, calibration: Calibration, stack: Stack) -> tuple[Interval, Tier] | None:
    return None


def _plain_sheet(chip: Chip, prediction: Prediction, calibration: Calibration | None) -> str:
    return ""


def _from_others(chip: Chip, calibration: Calibration) -> str:
    return f"borrowed: parameters fitted on {calibration.chip}, or on other operators"


def _no_warnings(chip: Chip, prediction: Prediction, calibration: Calibration | None) -> list[str]:
    return []


def _by_resource(timing: Timing, chip: Chip, calibration: Calibration, stack: Stack) -> Explaining:
    """A fitted kernel as the model describes it, with its resources and no arithmetic."""

    def account(row: int, bandwidth: float | None) -> Account | None:
        return None if timing.tiers[row] == "datasheet" else Account(ceiling.FORMULA, lambda name, seconds: "")

    return account


@dataclass(frozen=True)
class DeviceModel:
    """Everything the program needs of a kind of device. Only ``name``, ``noun`` and ``times`` have no default.

    Parameters
    ----------
    name : as chip files write it under ``kind:``, and calibrations under ``model:``.
    noun : in a sentence, e.g. ``a GPU``.
    times : seconds of one launch of every kernel [s] with intervals and tiers, from fitted parameters; NaN where the
        model has none and the plain roofline is used. Called only with a calibration.
    plural : in a sentence, e.g. ``GPUs``.
    accepts : why a calibration does not describe a chip in a precision under a stack; empty if it does.
    lacks : which fields a calibration of an earlier version lacks; empty if none.
    part : the chip as a stack uses it, e.g. some of its cores or another launch time.
    launched : adds waits between launches, and waits for the host.
    request : seconds of a request beside its kernels [s], with their tier; None where there are none.
    transfer : a calibration from those of other chips (``lenders``), with the ``spread`` of their errors, where the
        chip has none; None for a kind without such a transfer.
    explain : the arithmetic behind every fitted kernel.
    unfitted : tier ``datasheet`` with a calibration means this model with no parameter fitted.
    sheet : what tier ``datasheet`` means here, where it is not the plain roofline.
    borrowed : which chips a borrowed prediction comes from.
    warnings : what else the reader must know.
    options : fields of :class:`Stack` and :class:`Run` that this kind uses and others may not.
    together : whether several chips can be predicted as one.
    runs_on : the software, where it is not the framework of the stack.
    torch_device : PyTorch's name of the device; empty where PyTorch does not run on it.
    precisions : that a plot shows by default.
    """

    name: str
    noun: str
    times: Callable[[Asked], Fitted]
    plural: str = ""
    accepts: Callable[[Calibration, Chip, Precision, Stack], str] = _of_this_chip
    lacks: Callable[[Calibration], str] = _nothing
    part: Callable[[Chip, Stack], Chip] = _whole
    launched: Callable[[Timing, Asked], Timing] = _as_they_are
    request: Callable[[Chip, Calibration, Stack], tuple[Interval, Tier] | None] = _no_request
    transfer: Callable[[Chip, Precision, Stack, Sequence[Calibration], Calibration], Calibration | None] | None = None
    explain: Explain = _by_resource
    sheet: Callable[[Chip, Prediction, Calibration | None], str] = _plain_sheet
    borrowed: Callable[[Chip, Calibration], str] = _from_others
    warnings: Callable[[Chip, Prediction, Calibration | None], list[str]] = _no_warnings
    options: frozenset[str] = frozenset()
    together: bool = False
    unfitted: bool = False
    runs_on: str = ""
    torch_device: str = ""
    precisions: tuple[str, ...] = ("fp32", "fp16")

    def __post_init__(self) -> None:
        if not self.plural:
            object.__setattr__(self, "plural", f"chips of kind {self.name}")

    @property
    def cuda(self) -> bool:
        """Whether PyTorch runs as on CUDA: optimizers over lists of tensors, some gradients in several kernels."""
        return self.torch_device == "cuda"


GPU = DeviceModel(
    name="gpu",
    noun="a GPU",
    plural="GPUs",
    times=gpu.times,
    accepts=gpu.accepts,
    lacks=gpu.lacks,
    part=gpu.part,
    launched=gpu.launched,
    explain=gpu_account.explain,
    borrowed=gpu_remarks.borrowed,
    warnings=gpu_remarks.warnings,
    options=frozenset({"cudnn", "autotuned", "winograd", "host_dispatch"}),
    torch_device="cuda",
)
ARRAY = DeviceModel(
    name="array",
    noun="an NPU or TPU",
    plural="NPUs and TPUs",
    times=array.times,
    accepts=array.accepts,
    lacks=array.lacks,
    request=array.request,
    explain=array_account.explain,
    sheet=array_remarks.sheet,
    borrowed=array_remarks.borrowed,
    warnings=array_remarks.warnings,
    options=frozenset({"serving", "chips"}),
    together=True,
    unfitted=True,
    runs_on="its own compiler",
)
CPU = DeviceModel(
    name="cpu",
    noun="a CPU",
    plural="CPUs",
    times=cpu.times,
    accepts=cpu.accepts,
    lacks=cpu.lacks,
    part=cpu.part,
    transfer=transferred,
    explain=cpu_account.explain,
    sheet=cpu_remarks.sheet,
    borrowed=cpu_remarks.borrowed,
    options=frozenset({"threads"}),
    torch_device="cpu",
    precisions=("fp32",),  # fp16 storage alone brings no speed
)
KINDS: dict[str, DeviceModel] = {model.name: model for model in (GPU, ARRAY, CPU)}
"""The kinds that ship, by name."""


def kind_named(name: str) -> DeviceModel:
    """The kind of that name: one that ships, or one that an installed package provides.

    Raises
    ------
    UnknownName : no such kind; the message lists the nearest names.
    UsageError : the package provides something else under that name.
    """
    if name in KINDS:
        return KINDS[name]
    found = plugins.named(KINDS_GROUP, name)
    if found is None:
        raise UnknownName("kind of device", name, (*KINDS, *plugins.names(KINDS_GROUP)))
    if not isinstance(found, DeviceModel) or found.name != name:
        raise plugins.wrong(KINDS_GROUP, name, f"is not a DeviceModel named {name!r}, but {found!r}")
    KINDS[name] = found
    return found


def model_of(chip: Chip) -> DeviceModel:
    """The model of a chip's kind; raises as :func:`kind_named` does."""
    return kind_named(chip.kind)
