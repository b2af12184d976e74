"""Fits of the GPU model on rows made by known numbers: what was put in comes out, and nothing is seen twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from roofline import specs
from roofline.calibration.gpu import calibrate as gpu_calibrate
from roofline.calibration.gpu import fit as gpu_fit
from roofline.calibration.gpu import rows as gpu_rows
from roofline.calibration.gpu.calibrate import calibrate_any, calibrate_architecture, calibrate_card, in_common
from roofline.calibration.gpu.fit import Fit, fit_own, fit_shared
from roofline.calibration.gpu.held_out import family_fits, fits_without_each, halves, leave_out, quantile, stranger
from roofline.calibration.gpu.rows import Parts, parts_of
from roofline.core.calibration import ANY_GPU
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.devices.gpu.parameters import Parameters
from roofline.errors import DataError
from roofline.prediction.predict import predict
from roofline.validation.leave_out import validate_held_out

CARDS = ("tesla-p4", "tesla-v100-pcie-32gb", "tesla-t4")
TRUTH = {"stream": 0.7, "wide": 0.7, "narrow": 0.85}
OWN = {"tesla-p4": 0.7, "tesla-v100-pcie-32gb": 0.9, "tesla-t4": 0.5}
FLOOR = 2e-5
NOISE = 0.03


def questions(
    rng: np.random.Generator, count: int
) -> Iterator[tuple[str, dict[str, object], tuple[tuple[int, ...], ...]]]:
    for _ in range(count):
        m, n, k = (int(2 ** rng.uniform(6, 11)) for _ in range(3))
        yield "linear", {"out": n, "bias": False}, ((m, k),)
        yield "relu", {}, ((int(2 ** rng.uniform(12, 26)),),)


def made(chip: Chip, count: int = 24, seed: int = 0) -> list[Measurement]:
    """Calls of one card as the model says, with its own clock, a floor and some noise."""
    rng = np.random.default_rng(seed)
    rows = [
        Measurement(
            "operator", chip.name, "fp32", 1.0, op=op, attributes=attributes, inputs=inputs, set="made", order=place
        )
        for place, (op, attributes, inputs) in enumerate(questions(rng, count))
    ]
    numbers = Parameters.of({**TRUTH, "sustained": OWN[chip.name]})
    out: list[Measurement] = []
    for part in parts_of((replace(row, seconds=1e6) for row in rows), {chip.name: chip}).parts.values():
        seconds = part.predicted(numbers, FLOOR) * np.exp(rng.normal(0, NOISE, len(part)))
        out += [replace(row, seconds=float(s)) for row, s in zip(part.measurements, seconds, strict=True)]
    return out


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """Fits of a few steps: enough to see where they go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu_fit, "ROUNDS", 8)
        yield


@pytest.fixture(scope="module")
def chips() -> dict[str, Chip]:
    return {name: specs.load_chip(name) for name in CARDS}


@pytest.fixture(scope="module")
def measured(chips: dict[str, Chip]) -> list[Measurement]:
    return [row for seed, chip in enumerate(chips.values()) for row in made(chip, seed=seed)]


@pytest.fixture(scope="module")
def parts(measured: list[Measurement], chips: dict[str, Chip]) -> Parts:
    return parts_of(measured, chips)


@pytest.fixture(scope="module")
def shared(parts: Parts) -> Fit:
    return fit_shared(parts.parts)


@pytest.fixture(scope="module")
def without(parts: Parts) -> dict[str, Fit]:
    return fits_without_each(parts)


def test_parts_are_by_card_set_and_family(parts: Parts) -> None:
    assert set(parts.parts) == {
        (card, "made", "fp32", family) for card in CARDS for family in ("linear", "elementwise")
    }
    assert not parts.left_out
    one = parts.parts["tesla-t4", "made", "fp32", "linear"]
    some = one.select(np.array([3, 5]))
    assert some.measurements == (one.measurements[3], one.measurements[5])
    assert some.predicted(Parameters()) == pytest.approx(one.predicted(Parameters())[[3, 5]])


def test_rows_of_several_kernels_are_summed(chips: dict[str, Chip]) -> None:
    row = Measurement("operator", "tesla-t4", "fp32", 1.0, op="linear", attributes={"out": 64}, inputs=((128, 256),))
    both = replace(row, part="backward")
    (part,) = parts_of([row, both], chips).parts.values()
    assert list(part.first) == [0, 1]
    assert len(part.schedule) > 2
    assert part.predicted(Parameters())[1] > part.predicted(Parameters())[0]


def test_what_is_faster_than_light_is_left_out_and_counted(chips: dict[str, Chip]) -> None:
    row = Measurement("operator", "tesla-t4", "fp32", 1e-9, op="relu", inputs=((2**24,),))
    found = parts_of([row, replace(row, seconds=1.0), replace(row, cache="warm")], chips)
    assert found.left_out == {"faster than light": 1, "other chips, whole nets, warm calls": 1}
    assert sum(len(part) for part in found.parts.values()) == 1


def test_known_numbers_come_out(parts: Parts, shared: Fit, chips: dict[str, Chip]) -> None:
    assert shared.shared["stream"] == pytest.approx(TRUTH["stream"], rel=0.03)
    for key, floor in shared.floors.items():
        assert floor == pytest.approx(FLOOR, rel=0.25), key
    found = Fit(dict(shared.shared), floors=dict(shared.floors))
    fit_own(found, parts.parts, chips)
    for key, part in parts.parts.items():
        assert np.median(np.abs(found.predict(part) / part.seconds - 1)) < 2 * NOISE, key
    held = {card: found.own[card]["sustained"] for card in CARDS}
    assert sorted(held, key=held.__getitem__) == sorted(OWN, key=OWN.__getitem__)


def test_a_card_left_out_is_never_seen(
    parts: Parts, without: dict[str, Fit], measured: list[Measurement], chips: dict[str, Chip]
) -> None:
    """Its rows may say what they like: predictions of it stay, but for the floor of its machine."""
    lies = [replace(row, seconds=2 * row.seconds) if row.chip == "tesla-t4" else row for row in measured]
    other = fits_without_each(parts_of(lies, chips))
    assert without["tesla-t4"].shared == pytest.approx(other["tesla-t4"].shared, rel=1e-6)
    assert without["tesla-p4"].shared != pytest.approx(other["tesla-p4"].shared, rel=1e-3)
    for one in leave_out(parts, without):
        assert (one.low <= one.predicted * 1.5).all()
        assert np.isfinite(one.high).all()


def test_halves_are_held_out_and_cover(parts: Parts, shared: Fit) -> None:
    held = halves(parts, shared.shared, refit=False)
    inside = [(one.part.seconds >= one.low) & (one.part.seconds <= one.high) for one in held]
    assert 0.75 <= np.concatenate(inside).mean() <= 0.99
    for one in held:
        assert np.median(np.abs(one.predicted / one.part.seconds - 1)) < 3 * NOISE


def test_a_drifting_floor_moves_with_the_order(chips: dict[str, Chip], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_rows, "DRIFTING", ("made",))
    rows = made(chips["tesla-t4"], 300)
    drifting = [replace(row, seconds=row.seconds + 1e-4 * (1 + 9 * (row.order or 0) / 600)) for row in rows]
    part = parts_of(drifting, chips).parts["tesla-t4", "made", "fp32", "linear"]
    assert part.floor is not None
    order = np.argsort([row.order or 0 for row in part.measurements])
    floors = part.floor[order]
    assert floors[-1] > 3 * floors[0]
    assert not part.scored.all()


def test_a_stranger_has_the_tiles_of_a_neighbour(chips: dict[str, Chip]) -> None:
    p4, t4 = chips["tesla-p4"], chips["tesla-t4"]
    for chip in (p4, t4):
        unseen = stranger(chip)
        for kind, tiles in unseen.tiles.items():
            assert tiles == specs.tiles_of(chip.neighbours[0])[kind]
        assert replace(unseen, tiles=chip.tiles) == chip
    assert stranger(t4).tiles != t4.tiles
    assert stranger(stranger(specs.load_chip("gtx-980"))) == stranger(specs.load_chip("gtx-980"))


def test_calibrations(
    parts: Parts, without: dict[str, Fit], chips: dict[str, Chip], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {id(parts): without}  # fitted once for all tests
    monkeypatch.setattr(gpu_calibrate, "fits_without_each", lambda asked: known[id(asked)])
    anyone = calibrate_any(parts, {"sets": "made"})
    assert anyone.chip == ANY_GPU
    assert anyone.data["rows"] == dict.fromkeys(CARDS, 48)
    assert "sustained" not in anyone.ceilings
    own = calibrate_card(parts, chips["tesla-t4"], anyone, {})
    assert own.chip == "tesla-t4"
    assert own.ceilings["sustained"] == pytest.approx(OWN["tesla-t4"], rel=0.2)
    assert own.families["linear"].points == 24
    assert own.families["linear"].p90_error < anyone.families["linear"].p90_error
    assert own.data["families"] == ["elementwise", "linear"]
    few = Parts({key: part.select(np.arange(9)) for key, part in parts.where(chips=("tesla-t4",)).items()}, {})
    with pytest.raises(DataError, match="18 calls, too few"):
        calibrate_card(few, chips["tesla-t4"], anyone, {})
    family = calibrate_architecture(parts, "turing", chips, anyone, {})
    assert (family.chip, family.architecture) == ("any turing", "turing")
    assert "sustained" not in family.ceilings
    assert family.families == anyone.families
    with pytest.raises(DataError, match="the file has pascal, turing, volta"):
        calibrate_architecture(parts, "hopper", chips, anyone, {})
    with pytest.raises(DataError, match="two GPUs or more"):
        calibrate_any(Parts(parts.where(chips=("tesla-t4",)), {}), {})


def test_a_fit_speaks_for_the_families_it_has_seen(parts: Parts, chips: dict[str, Chip]) -> None:
    shared = specs.load_calibration(specs.calibrations_for("any-gpu", "any-gpu")[0])
    own = calibrate_card(parts, chips["tesla-t4"], shared, {})
    net = predict("tesla-t4", "resnet18", calibration=own, run=Run(host_dispatch=0.0))
    tiers = {layer.op: layer.tier for layer in net.layers}
    assert (tiers["relu"], tiers["linear"], tiers["conv2d"]) == ("calibrated", "calibrated", "borrowed")
    assert net.tier == "borrowed"


def test_cards_are_drawn_back_to_what_all_share() -> None:
    found = Fit({"stream": 0.8}, {"one": {"stream": 0.8 * np.e, "sustained": 0.5}, "two": {"stream": 0.8 * np.e}})
    assert in_common(found, ("one",)) == {"stream": pytest.approx(0.8 * np.exp(1 / 2))}
    assert in_common(found, ("one", "two")) == {"stream": pytest.approx(0.8 * np.exp(2 / 3))}


def test_weights_of_a_quantile() -> None:
    values, even = np.array([3.0, 1.0, 2.0]), np.ones(3)
    assert quantile(values, even, 0.5) == 2.0
    assert quantile(values, np.array([10.0, 1.0, 1.0]), 0.5) == 3.0


def test_validation_with_a_card_left_out(measured: list[Measurement], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_fit, "ROUNDS", 3)  # of seven fits here
    net = Measurement(
        "network", "tesla-t4", "fp32", 0.05, network="mlp", symbols={"batch": 64}, stack=Stack(), mode="inference"
    )
    result = validate_held_out([*measured, net], "device")
    assert {row.held_out for row in result.rows} == {"card left out"}
    assert {row.tier for row in result.of_kind("operator")} == {"borrowed"}
    assert len(result.of_kind("network")) == 1
    assert len(result.of_kind("operator")) == len(measured)
    seen = validate_held_out(measured, "half")
    assert seen.median < result.median
    kept = validate_held_out(measured[::2], "half", apart=measured[1::2])
    assert len(kept.rows) == len(measured[1::2])
    with pytest.raises(DataError, match="needs calls of 2 GPUs"):
        validate_held_out([row for row in measured if row.chip == "tesla-t4"], "device")


def test_families_are_told_apart(parts: Parts, shared: Fit) -> None:
    fits = family_fits(halves(parts, shared.shared, refit=False))
    assert set(fits) == {"linear", "elementwise"}
    assert fits["linear"].quantiles["0.05"] < fits["linear"].quantiles["0.95"]
