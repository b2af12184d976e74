"""Which chip, software, precision and calibration does a question mean? One setting serves many networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.dtype import precision as parse_precision
from roofline.core.network import Network
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.devices.kinds import DeviceModel, model_of
from roofline.lowering.program import Program, make_program, with_tf32
from roofline.prediction.largest_batch import Batch, batch_of
from roofline.prediction.select import resolve_calibration, resolve_chip, together


@dataclass(frozen=True, eq=False)
class Setting:
    """A chip under a stack in a precision.

    Parameters
    ----------
    one : the chip as its file describes it.
    part : the chips of the stack as one.
    stack : software stack.
    dtype : the precision as it was asked for. precision : that of matrix multiplications, tf32 where the stack sets it.
    given : the calibration as it was asked for; None for the best that fits.
    """

    one: Chip
    part: Chip
    stack: Stack
    dtype: str
    precision: Precision
    given: str | Path | Calibration | None = None

    @classmethod
    def of(
        cls,
        chip: str | Path | Chip,
        dtype: str,
        stack: Stack | str | None,
        calibration: str | Path | Calibration | None = None,
    ) -> Setting:
        """The setting that the arguments of :func:`roofline.predict` mean; raises as that does."""
        one, on = resolve_chip(chip), Stack.of(stack)
        part = together(one, on)
        return cls(one, part, on, dtype, with_tf32(parse_precision(dtype), part, on), calibration)

    @property
    def model(self) -> DeviceModel:
        """The model of the chip's kind."""
        return model_of(self.part)

    @cached_property
    def calibration(self) -> Calibration | None:
        """The calibration to use.

        Raises
        ------
        UsageError : the one given is of another chip, precision or stack.
        """
        return resolve_calibration(self.part, self.precision, self.given, self.stack)

    @cached_property
    def alone(self) -> Setting:
        """One chip of several, with the same calibration."""
        setting = replace(self, part=self.one, stack=replace(self.stack, chips=1))
        setting.__dict__["calibration"] = self.calibration
        return setting

    def program(
        self,
        network: Network | Workload,
        *,
        batch: Batch = None,
        bind: Mapping[str, int] | None = None,
        run: Run,
    ) -> Program:
        """The network as it runs here; arguments as for :func:`roofline.predict`."""
        samples = batch_of(batch, self.one, network, bind=bind, dtype=self.dtype, stack=self.stack, run=run)
        how = {"precision": self.precision, "stack": self.stack, "run": run, "cuda": self.model.cuda}
        return make_program(network, batch=samples, bind=bind, **how)  # type: ignore[arg-type]
