"""Numbers of one CPU carried over to another one."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import Synthetic

from roofline.calibrate import operator_rows
from roofline.fitting import fit_machine
from roofline.learning import learning_curve

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
from borrowed_cpu import Machine, borrowing, by_plan, carried, fit_alone, fit_towards


@pytest.fixture(scope="module")
def machine(cpu: Synthetic) -> Machine:
    rows = operator_rows(cpu.rows, cpu.chip)
    ceilings = fit_machine(rows.schedule, rows.seconds, rows.stack)
    return Machine(cpu.chip.engines[0].clock.hz("boost"), "AMD", ceilings)


def test_twice_the_clock_halves_starts_and_doubles_rates(machine: Machine) -> None:
    numbers = {"linear": {"start:linear": 1000.0, "rate:linear": 0.5, "sat_k": 3.0}}
    slow = carried(numbers, machine, {})["linear"]
    fast = carried(numbers, replace(machine, clock=2 * machine.clock), {})["linear"]
    assert fast["start:linear"] == pytest.approx(slow["start:linear"] / 2)
    assert fast["rate:linear"] == pytest.approx(slow["rate:linear"] * 2)
    assert fast["sat_k"] == slow["sat_k"] == 3.0


def test_products_on_amd_know_no_wider_registers(machine: Machine) -> None:
    wide = replace(machine, ceilings=replace(machine.ceilings, lanes=16))
    narrow = replace(machine, ceilings=replace(machine.ceilings, lanes=8))
    assert wide.unit("linear", "rate:linear") == narrow.unit("linear", "rate:linear")
    assert wide.unit("conv-blocked", "rate:conv2d") == 2 * narrow.unit("conv-blocked", "rate:conv2d")
    assert replace(wide, vendor="Intel").unit("linear", "rate:linear") == 2 * wide.unit("linear", "rate:linear")


def test_an_operator_without_rows_follows_the_others_of_its_plan(cpu: Synthetic, machine: Machine) -> None:
    rows = operator_rows(cpu.rows, cpu.chip)
    part = by_plan(rows)["elementwise"]
    known = carried(fit_alone(rows, machine), machine, {})["elementwise"]
    known |= {"start:unheard_of": known["start:relu"], "rate:unheard_of": known["rate:relu"]}
    slower = replace(part, seconds=part.seconds * 1.5)
    found, _ = fit_towards("elementwise", slower, machine.ceilings, known)
    shift = np.log(found["start:unheard_of"] / known["start:unheard_of"])
    assert 0.1 < shift < np.log(found["start:relu"] / known["start:relu"]) + 0.1


def test_borrowing_from_itself_beats_few_rows_alone(cpu: Synthetic, machine: Machine) -> None:
    rows = operator_rows(cpu.rows, cpu.chip)
    borrowed = fit_alone(rows, machine)
    (alone,) = learning_curve(rows, (75,))
    (helped,) = learning_curve(rows, (75,), predict=lambda train, test: borrowing(borrowed, cpu.chip, train, test))
    assert helped.fitted == 1.0
    assert helped.median < alone.median
