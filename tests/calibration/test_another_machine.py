"""Do measurements of another machine never count as those of this one because it has the same chip name?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from roofline.calibration.machine import AnotherMachine, chip_of, chips_of
from roofline.core.measurement import Measurement
from roofline.specs import detect_cpu
from roofline.specs.machine import Machine


def test_another_processor_of_this_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    here = replace(Machine.read(Path("/"), None), family=6, model=85)
    monkeypatch.setattr(Machine, "read", lambda *_: here)
    name = detect_cpu().name
    rows = [Measurement("network", name, "fp32", 1.0, network="mlp")]
    other = {"chip": name, "machine": "A processor, family 99 model 1 stepping 2"}
    with pytest.raises(AnotherMachine, match="family 99"):
        chip_of(rows, name, other)
    with pytest.raises(AnotherMachine, match="specs detect"):
        chips_of(rows, other)
    assert chip_of(rows, name, {**other, "machine": "A, family 6 model 85 stepping 7"}).name == name
    assert chip_of(rows, name, None).name == name
