"""Values check themselves: what nobody can mean is refused where it is made, and named."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline.core import checks
from roofline.core.arraygeometry import ArrayGeometry
from roofline.core.calibration import Calibration, FamilyFit, Spread
from roofline.core.chip import (
    Chip,
    Clock,
    Emulation,
    Engine,
    Fact,
    Link,
    MemoryLevel,
    Overflow,
    Package,
    Price,
    Software,
    StatedPeak,
    TileList,
)
from roofline.core.dtype import precision
from roofline.core.measurement import Measurement
from roofline.core.run import IMPLEMENTATIONS, LONGEST_DISPATCH_S, MODES, OPTIMIZERS, Recipe, Run
from roofline.core.stack import LAYOUTS, SERVING, STACK_MODES, Stack
from roofline.errors import RooflineError, UnknownName, UsageError

NAN, INF = math.nan, math.inf
FP32 = precision("fp32")
ONE, NOTHING = Fact(1.0, "a sheet"), Fact(0.0, "a sheet")
ENGINE = Engine("lanes", "vector", ONE, Clock(ONE), {FP32: ONE})
DRAM = MemoryLevel("DRAM", capacity=ONE, bandwidth=ONE)
SPREAD = Spread((0.1, 0.2), (0.5, 2.0), -0.1, 0.1)
FIT = FamilyFit(
    {"efficiency": 0.8}, {"efficiency": 0.02}, {"0.05": -0.2, "0.95": 0.3}, 181, {"flops": (1.0, 9.0)}, 0.06
)

GOOD = (
    Stack(),
    Recipe(),
    Run(),
    ONE,
    Clock(ONE),
    ENGINE,
    StatedPeak(ONE),
    ArrayGeometry(4, 4),
    DRAM,
    Overflow(ONE, ONE),
    Link("PCIe", ONE),
    Package("card", ONE),
    Price(499, "USD", "2018-10-17", "a sheet"),
    Software(),
    Emulation(FP32, "storage only"),
    TileList(((128, 64),), "a sheet"),
    Chip("toy", "A toy", "gpu", "Nobody", "turing", (ENGINE,), (DRAM,)),
    Measurement("operator", "cpu", "fp32", 1e-3, op="relu", inputs=((8, 32),)),
    SPREAD,
    FIT,
    Calibration("cpu", "zen5", "cpu", "fp32", {"framework": "pytorch"}, {"linear": FIT}, {"peak": 1e11}),
)
VALUE: Mapping[str, Any] = {type(value).__name__: value for value in GOOD}

WORD, FLAG, WHOLE = "expected one of ", "expected true or false, got ", "expected a whole number "
FINITE, LIST, TEXT = "expected a finite number", "expected a list", "expected a text, got "
FIGURE = "it must be a finite number not below zero"
ABOVE = "it must be above zero"

BAD: tuple[tuple[str, str, Any, str], ...] = (
    ("Stack", "framework", 3, f"framework: {TEXT}3"),
    ("Stack", "version", None, f"version: {TEXT}None"),
    ("Stack", "mode", "compield", "no mode of a stack named 'compield'; did you mean compiled?"),
    ("Stack", "mode", "", "no mode of a stack named ''; there are compiled, eager, graphs"),
    ("Stack", "mode", None, f"mode of a stack: {WORD}eager, compiled, graphs, got None"),
    ("Stack", "serving", "sharde", "no serving named 'sharde'; did you mean sharded?"),
    ("Stack", "layout", "nhcw", "no layout named 'nhcw'; did you mean "),
    ("Stack", "threads", 0, f"threads: {WHOLE}from 1 to 1000000, got 0"),
    ("Stack", "threads", -3, f"threads: {WHOLE}from 1 to 1000000, got -3"),
    ("Stack", "threads", 10**7, f"threads: {WHOLE}from 1 to 1000000, got 10000000"),
    ("Stack", "threads", 2.0, f"threads: {WHOLE}"),
    ("Stack", "threads", True, f"threads: {WHOLE}"),
    ("Stack", "chips", 0, f"chips: {WHOLE}"),
    ("Stack", "cudnn", "banana", f"cudnn: {WHOLE}from 1 to 1000000, got 'banana'"),
    ("Stack", "tf32", "no", f"tf32: {FLAG}'no'"),
    ("Stack", "winograd", 1, f"winograd: {FLAG}1"),
    ("Stack", "fused_attention", None, f"fused_attention: {FLAG}None"),
    ("Stack", "autotuned", "yes", f"autotuned: {FLAG}'yes'"),
    ("Recipe", "optimizer", "adan", "no optimizer named 'adan'; did you mean adam"),
    ("Recipe", "optimizer", "", "no optimizer named ''"),
    ("Recipe", "implementation", "forech", "no implementation of an optimizer named 'forech'; did you mean foreach?"),
    ("Recipe", "implementation", None, f"implementation of an optimizer: {WORD}loop, foreach, fused, got None"),
    ("Recipe", "pure", "no", f"pure: {FLAG}'no'"),
    ("Recipe", "accumulate", 0, "accumulate is 0; it must be a whole number of at least 1 micro-batch"),
    ("Recipe", "accumulate", "two", "accumulate is 'two'"),
    ("Recipe", "accumulate", True, "accumulate is True"),
    ("Recipe", "checkpoint", 1, f"checkpoint: {FLAG}1"),
    ("Run", "mode", "trainig", "no mode named 'trainig'; did you mean training?"),
    ("Run", "mode", 1, f"mode: {WORD}inference, training, got 1"),
    ("Run", "recipe", "adamv", "no optimizer named 'adamv'; did you mean adam"),
    ("Run", "recipe", {"optimiser": "adam"}, "no part of a recipe named 'optimiser'; did you mean optimizer?"),
    ("Run", "recipe", {"optimizer": "adam", 3: 4}, f"part of a recipe: {WORD}optimizer"),
    ("Run", "recipe", 7, "recipe: expected a Recipe, or one of sgd, momentum, adam, adamw, none, got 7"),
    ("Run", "weights", "int3", "no storage of weights named 'int3'; did you mean int"),
    ("Run", "weights", 0, f"storage of weights: {WORD}int8"),
    ("Run", "cache", "int4", "no storage of keys and values named 'int4'"),
    ("Run", "loader_rate", 0.0, "loader rate: expected samples/s above zero, got 0.0"),
    ("Run", "loader_rate", NAN, "loader rate: expected samples/s above zero, got nan"),
    ("Run", "loader_rate", "fast", "loader rate: expected samples/s above zero, got 'fast'"),
    ("Run", "loader_rate", True, "loader rate: expected samples/s above zero, got True"),
    (
        "Run",
        "host_dispatch",
        -1e-6,
        "host dispatch: expected seconds from 0 to below 0.01, got -1e-06",
    ),
    ("Run", "host_dispatch", NAN, "host dispatch: expected seconds from 0 to below 0.01, got nan"),
    ("Run", "host_dispatch", LONGEST_DISPATCH_S, "host dispatch: expected seconds from 0 to below 0.01, got 0.01"),
    ("Run", "host_dispatch", "8 us", "host dispatch: expected seconds from 0 to below 0.01, got '8 us'"),
    ("Fact", "value", -1.0, f"a figure of -1.0 (from 'a sheet'): {FIGURE}"),
    ("Fact", "value", NAN, f"a figure of nan (from 'a sheet'): {FIGURE}"),
    ("Fact", "value", INF, f"a figure of inf (from 'a sheet'): {FIGURE}"),
    ("Fact", "value", 10**400, FIGURE),
    ("Fact", "value", "448 GB/s", f"a figure of '448 GB/s' (from 'a sheet'): {FIGURE}"),
    ("Fact", "value", True, f"a figure of True (from 'a sheet'): {FIGURE}"),
    ("Fact", "value", None, FIGURE),
    ("Fact", "source", None, f"source of a figure: {TEXT}None"),
    ("Fact", "status", "datashet", "no status of a figure named 'datashet'; did you mean datasheet?"),
    ("Fact", "note", 5, f"note of a figure: {TEXT}5"),
    ("Clock", "boost", 1.6e9, "boost clock: expected a value of type Fact, got 1600000000.0"),
    ("Clock", "boost", None, "boost clock: expected a value of type Fact, got None"),
    ("Clock", "boost", NOTHING, f"boost clock: a figure of 0.0; {ABOVE}"),
    ("Clock", "base", NOTHING, "base clock: a figure of 0.0"),
    ("Clock", "top", 2, "top clock: expected"),
    ("Clock", "sustained", "2 GHz", "sustained clock: expected"),
    ("Engine", "name", 5, f"name of an engine: {TEXT}5"),
    ("Engine", "kind", "vektor", "no kind of lanes named 'vektor'; did you mean vector?"),
    ("Engine", "count", NOTHING, f"number of lanes: a figure of 0.0; {ABOVE}"),
    ("Engine", "count", 36, "number of lanes: expected a value of type Fact, got 36"),
    ("Engine", "clock", ONE, "clock of lanes: expected a value of type Clock"),
    ("Engine", "rates", [ONE], "rates of lanes: expected names and values"),
    ("Engine", "rates", {"fp32": ONE}, "rates of lanes: a key: expected a value of type Precision, got 'fp32'"),
    ("Engine", "rates", {FP32: 64}, "rates of lanes, fp32: expected a value of type Fact, got 64"),
    ("Engine", "rates", {FP32: NOTHING}, f"FMA per clock of lanes in fp32: a figure of 0.0; {ABOVE}"),
    ("Engine", "array", (8, 8), "array of lanes: expected a value of type ArrayGeometry"),
    ("Engine", "stated_peaks", {FP32: ONE}, "stated peaks of lanes, fp32: expected a value of type StatedPeak"),
    ("Engine", "inline", "no", f"inline: {FLAG}'no'"),
    ("StatedPeak", "fact", NOTHING, "stated peak: a figure of 0.0"),
    ("StatedPeak", "disagrees_because", None, f"disagrees_because: {TEXT}None"),
    ("ArrayGeometry", "rows", 0, f"rows of an array: {WHOLE}of at least 1, got 0"),
    ("ArrayGeometry", "depth", 1.5, f"depth of an array: {WHOLE}"),
    ("ArrayGeometry", "dataflow", "weight-stationry", "no dataflow named 'weight-stationry'; did you mean weight-"),
    ("ArrayGeometry", "lowering", "im2row", "no lowering named 'im2row'; did you mean im2col"),
    ("ArrayGeometry", "issue", 3, "issue of an array: expected a value of type Fact"),
    ("ArrayGeometry", "load_exposed", None, f"load_exposed: {FLAG}None"),
    ("MemoryLevel", "name", None, f"name of a memory: {TEXT}None"),
    ("MemoryLevel", "capacity", NOTHING, f"capacity of DRAM: a figure of 0.0; {ABOVE}"),
    ("MemoryLevel", "bandwidth", 4e11, "bandwidth of DRAM: expected a value of type Fact"),
    ("MemoryLevel", "read_bandwidth", NOTHING, "read_bandwidth of DRAM: a figure of 0.0"),
    ("MemoryLevel", "write_bandwidth", NOTHING, "write_bandwidth of DRAM: a figure of 0.0"),
    ("MemoryLevel", "private", "no", f"private: {FLAG}'no'"),
    ("MemoryLevel", "shared_with", "cpu", f"shared_with: {LIST}, got 'cpu'"),
    ("MemoryLevel", "overflow", DRAM, "overflow of DRAM: expected a value of type Overflow"),
    ("MemoryLevel", "inline_ecc", 0, f"inline_ecc: {FLAG}0"),
    ("Overflow", "capacity", NOTHING, "capacity of a slower part: a figure of 0.0"),
    ("Overflow", "bandwidth", None, "bandwidth of a slower part: expected"),
    ("Link", "name", 3, f"name of a link: {TEXT}3"),
    ("Link", "bandwidth", NOTHING, f"bandwidth of PCIe: a figure of 0.0; {ABOVE}"),
    ("Package", "count", 2, "number of devices in card: expected a value of type Fact, got 2"),
    ("Price", "amount", 0, f"amount of a price: {FINITE} above zero, got 0"),
    ("Price", "amount", NAN, f"amount of a price: {FINITE} above zero, got nan"),
    ("Price", "amount", "499 USD", f"amount of a price: {FINITE}"),
    ("Price", "currency", None, f"currency of a price: {TEXT}None"),
    ("Price", "date", 2018, f"date of a price: {TEXT}2018"),
    ("Price", "status", "measurd", "no status of a price named 'measurd'; did you mean measured?"),
    ("Price", "every", "hours", "no time of rent named 'hours'; did you mean hour?"),
    ("Price", "devices", -1.0, f"devices of a price: {FINITE} above zero, got -1.0"),
    ("Software", "last_cuda", 12.2, "last_cuda: expected a value of type str, got 12.2"),
    ("Software", "note", None, "note: expected a value of type str, got None"),
    ("Software", "status", "", "no status of the software named ''"),
    ("Emulation", "as_precision", "fp32", "precision of an emulation: expected a value of type Precision, got 'fp32'"),
    ("TileList", "shapes", ((128, 0),), f"side of a tile: {WHOLE}of at least 1, got 0"),
    ("TileList", "shapes", (128, 64), "a tile: expected a list of rows and columns, got 128"),
    ("TileList", "shapes", ((128, 64, 32),), "a tile: expected rows and columns"),
    ("Chip", "name", None, f"name: {TEXT}None"),
    ("Chip", "kind", None, f"kind: {TEXT}None"),
    ("Chip", "engines", ENGINE, f"engines: {LIST} of Engine values"),
    ("Chip", "engines", (DRAM,), "engines: expected a value of type Engine"),
    ("Chip", "memory", ("DRAM",), "memory: expected a value of type MemoryLevel, got 'DRAM'"),
    ("Chip", "engines", (), "engines of toy: expected at least one engine, got none"),
    ("Chip", "memory", (), "memory of toy: expected at least one level, DRAM last, got none"),
    ("Chip", "kind", "", "kind: expected a text, got ''"),
    ("Chip", "year", "2018", f"year: {WHOLE}of at least 1, got '2018'"),
    ("Chip", "process_nm", NOTHING, "process_nm of toy: a figure of 0.0"),
    ("Chip", "launch", 5e-6, "launch: expected a value of type Fact, got 5e-06"),
    ("Chip", "cores", NOTHING, f"cores of toy: a figure of 0.0; {ABOVE}"),
    ("Chip", "power", 175, "power of toy: expected a value of type Fact, got 175"),
    ("Chip", "links", (ONE,), "links: expected a value of type Link"),
    ("Chip", "packages", None, f"packages: {LIST} of Package values, got None"),
    ("Chip", "price", (499,), "price: expected a value of type Price, got 499"),
    ("Chip", "software", "12.x", "software: expected a value of type Software, got '12.x'"),
    ("Chip", "emulation", {FP32: "fp16"}, "emulation, fp32: expected a value of type Emulation"),
    (
        "Chip",
        "tiles",
        {"linaer": TileList((), "")},
        "no kind of GEMM with tiles named 'linaer'; did you mean linear",
    ),
    ("Chip", "tiles", {"linear": ((128, 64),)}, "tiles, linear: expected a value of type TileList"),
    ("Chip", "notes", "one", f"notes: {LIST}, got 'one'"),
    ("Chip", "neighbours", (3,), f"neighbours: {TEXT}3"),
    ("Measurement", "kind", "layer", "no kind named 'layer'; there are network, operator"),
    ("Measurement", "kind", "network", f"network: {TEXT}''"),
    ("Measurement", "chip", 980, f"chip: {TEXT}980"),
    ("Measurement", "dtype", "fp23", "no dtype named 'fp23'; did you mean"),
    ("Measurement", "dtype", None, f"dtype: {TEXT}None"),
    ("Measurement", "seconds", -1e-3, "seconds: expected a positive number of seconds, got -0.001"),
    ("Measurement", "seconds", NAN, "seconds: expected a positive number of seconds, got nan"),
    ("Measurement", "seconds", INF, "seconds: expected a positive number of seconds, got inf"),
    ("Measurement", "seconds", False, "seconds: expected a positive number of seconds, got False"),
    ("Measurement", "seconds", "1 ms", "seconds: expected a positive number of seconds, got '1 ms'"),
    ("Measurement", "stack", "eager", "stack: expected a value of type Stack, got 'eager'"),
    ("Measurement", "op", "", f"op: {TEXT}''"),
    ("Measurement", "attributes", ["out"], "attributes: expected names and values"),
    ("Measurement", "attributes", {3: 4}, f"attributes: {TEXT}3"),
    ("Measurement", "inputs", "8x32", f"inputs: {LIST}, got '8x32'"),
    ("Measurement", "inputs", (8, 32), f"inputs: a shape: {LIST}, got 8"),
    ("Measurement", "inputs", ((8, -1),), f"inputs: {WHOLE}of at least 0, got -1"),
    ("Measurement", "inputs", ((8, True),), f"inputs: {WHOLE}"),
    ("Measurement", "symbols", {"batch": 1.5}, f"symbols.batch: {WHOLE}"),
    ("Measurement", "mode", "trainig", "no mode named 'trainig'; did you mean training?"),
    ("Measurement", "part", "wieghts", "no part named 'wieghts'; did you mean weights?"),
    ("Measurement", "cache", "lukewarm", "no cache named 'lukewarm'; did you mean warm?"),
    ("Measurement", "kernel", 7, f"kernel: {TEXT}7"),
    ("Measurement", "order", -1, f"order: {WHOLE}of at least 0, got -1"),
    ("Measurement", "samples", 1e-3, f"samples: {LIST}, got 0.001"),
    ("Measurement", "samples", (1e-3, 0.0), "samples: expected a positive number of seconds, got 0.0"),
    ("Measurement", "flags", "drift", f"flags: {LIST}, got 'drift'"),
    ("Measurement", "used_for_fit", "no", f"used_for_fit: {FLAG}'no'"),
    ("Spread", "coefficients", (0.1, NAN), f"coefficients: {FINITE}, got nan"),
    ("Spread", "coefficients", 0.1, f"coefficients: {LIST} of numbers, got 0.1"),
    ("Spread", "scale", (2.0, 0.5), "scale: expected [smallest, largest], got (2.0, 0.5)"),
    ("Spread", "scale", (2.0,), "scale: expected [smallest, largest], got (2.0,)"),
    ("Spread", "low", INF, f"low: {FINITE}, got inf"),
    ("Spread", "high", "0.1", f"high: {FINITE}, got '0.1'"),
    ("Recipe", "accumulate", 10**29, "accumulate is"),
    ("FamilyFit", "parameters", {"efficiency": NAN}, f"parameters, efficiency: {FINITE}, got nan"),
    ("FamilyFit", "parameters", 0.8, "parameters: expected names and values, got 0.8"),
    ("FamilyFit", "uncertainty", {"efficiency": True}, f"uncertainty, efficiency: {FINITE}, got True"),
    ("FamilyFit", "quantiles", {"0.05": -INF}, f"quantiles, 0.05: {FINITE}, got -inf"),
    ("FamilyFit", "quantiles", {"0.5": 0.0}, "quantiles: those of 0.05 and 0.95 make the interval"),
    ("FamilyFit", "uncertainty", {"efficiency": -0.1}, f"uncertainty: efficiency: {FINITE} not below zero, got -0.1"),
    ("FamilyFit", "points", -1, f"points: {WHOLE}of at least 0, got -1"),
    ("FamilyFit", "range", {"flops": (9.0, 1.0)}, "range of flops: expected [smallest, largest], got (9.0, 1.0)"),
    ("FamilyFit", "median_error", -0.1, f"median_error: {FINITE} not below zero, got -0.1"),
    ("FamilyFit", "p90_error", NAN, f"p90_error: {FINITE} not below zero, got nan"),
    ("FamilyFit", "spread", (0.1, 0.2), "spread: expected a value of type Spread"),
    ("FamilyFit", "borrowed", "relu", f"borrowed: {LIST}, got 'relu'"),
    ("Calibration", "model", None, f"model: {TEXT}None"),
    ("Calibration", "stack", {"mode": "compield"}, "stack of a calibration: no mode of a stack named 'compield'; did"),
    ("Calibration", "stack", "compiled", "stack: expected names and values, got 'compiled'"),
    ("Calibration", "families", {"linear": {}}, "families, linear: expected a value of type FamilyFit"),
    ("Calibration", "ceilings", {"peak": INF}, f"ceilings, peak: {FINITE}, got inf"),
    ("Calibration", "data", [], "data: expected names and values"),
)


@pytest.mark.parametrize(("name", "field", "value", "message"), BAD, ids=[f"{row[0]}.{row[1]}" for row in BAD])
def test_what_is_not_possible_is_named(name: str, field: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(VALUE[name], **{field: value})
    assert message in str(caught.value)
    assert isinstance(caught.value, UnknownName) == message.startswith("no ")


def test_the_table_speaks_of_every_value() -> None:
    assert {name for name, *_ in BAD} == VALUE.keys()
    for name, field, *_ in BAD:
        assert field in {own.name for own in fields(VALUE[name])}


WORDS = (*STACK_MODES, *SERVING, *LAYOUTS, *MODES, *OPTIMIZERS, *IMPLEMENTATIONS, "datasheet", "fp32")
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=3),
    st.integers(-2, 3),
    st.floats(),
    st.lists(st.integers(), max_size=1),
    st.sampled_from([*WORDS, *GOOD, NOTHING, {}]),
)


@given(st.sampled_from(sorted(VALUE)), st.data())
def test_a_field_takes_a_value_or_says_why_not(name: str, data: st.DataObject) -> None:
    """Whatever is put into a field, nothing but an error of the program comes of it."""
    own = data.draw(st.sampled_from([own.name for own in fields(VALUE[name])]))
    with contextlib.suppress(RooflineError):
        made = replace(VALUE[name], **{own: data.draw(ANYTHING)})
        assert replace(made) == made  # and a NaN gets nowhere


@pytest.mark.parametrize("number", [np.int64(5), np.int32(1)])
def test_whole_numbers_of_numpy_are_welcome(number: Any) -> None:
    assert Stack(threads=number).threads == number
    assert replace(FIT, points=number).points == number
    assert Recipe(accumulate=number).accumulate == number


@pytest.mark.parametrize("number", [np.float64(0.5), np.float32(0.5), np.int64(2), 3])
def test_so_are_other_numbers(number: Any) -> None:
    assert Fact(number, "").value == number
    assert replace(FIT, parameters={"x": number}, median_error=number).median_error == number


def test_zero_is_a_figure_and_no_bandwidth() -> None:
    assert NOTHING.value == 0
    assert replace(VALUE["Chip"], launch=NOTHING).launch == NOTHING


def test_a_question_that_nobody_measured_takes_no_time() -> None:
    assert replace(VALUE["Measurement"], chip="", seconds=0.0).seconds == 0
    assert replace(VALUE["Measurement"], chip="", seconds=0).seconds == 0


# A word where a value is expected -----------------------------------------------------------------------------------


def test_a_word_means_a_stack() -> None:
    assert Stack.of(None) == Stack()
    own = Stack(threads=2)
    assert Stack.of(own) is own
    for mode in STACK_MODES:
        assert Stack.of(mode) == Stack(mode=mode)
    for serving in SERVING:
        assert Stack.of(serving) == Stack(serving=serving)


def test_a_word_means_a_run() -> None:
    assert Run.of(None) == Run()
    own = Run("training", Recipe("adam"))
    assert Run.of(own) is own
    for mode in MODES:
        assert Run.of(mode) == Run(mode)


@pytest.mark.parametrize("recipe", ["adamw", {"optimizer": "adamw"}, Recipe("adamw")])
def test_a_word_or_a_table_means_a_recipe(recipe: Any) -> None:
    made = Run("training", recipe)
    assert made == Run("training", Recipe("adamw"))
    assert isinstance(made.recipe, Recipe)
    assert Recipe.of(recipe) == Recipe("adamw")


def test_a_recipe_that_is_not_said_is_the_usual_one() -> None:
    assert Run("training", None).recipe == Recipe.of(None) == Recipe()  # type: ignore[arg-type]
    assert Recipe.of({"optimizer": "adam", "accumulate": 2}) == Recipe("adam", accumulate=2)
    assert Recipe.of({}) == Recipe()


@pytest.mark.parametrize(
    ("of", "value", "message"),
    [
        (Stack.of, "compield", "no stack named 'compield'; did you mean compiled?"),
        (Stack.of, "sharde", "no stack named 'sharde'; did you mean sharded?"),
        (Stack.of, "", "no stack named ''; there are compiled, eager, graphs, latency, sharded, throughput"),
        (Stack.of, 3, "stack: expected one of eager, compiled, graphs, throughput, latency, sharded, got 3"),
        (Stack.of, {"mode": "compiled"}, "stack: expected one of eager"),
        (Stack.of, Run(), "stack: expected one of eager"),
        (Run.of, "trainig", "no run named 'trainig'; did you mean training?"),
        (Run.of, True, "run: expected one of inference, training, got True"),
        (Run.of, Recipe("adam"), "run: expected one of inference, training, got Recipe"),
        (Recipe.of, "adan", "no optimizer named 'adan'; did you mean adam"),
        (Recipe.of, ["adam"], "recipe: expected a Recipe, or one of sgd"),
    ],
)
def test_other_words_are_refused(of: Callable[[Any], Any], value: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        of(value)
    assert str(caught.value).startswith(message)


def test_a_stack_in_words() -> None:
    stack = Stack(version="2.1", mode="compiled", threads=4, fused_attention=False, chips=2)
    assert str(stack) == stack.words() == "pytorch 2.1, compiled, 4 threads, unfused attention, 2 chips"
    assert stack.words("its own compiler") == "its own compiler, compiled, unfused attention, 2 chips"
    assert Stack(serving="latency").words("its own compiler") == "its own compiler, one batch on one core"


def test_what_a_later_version_says_of_a_stack_is_ignored() -> None:
    assert Stack.from_dict({**Stack(threads=2).to_dict(), "driver": "550"}) == Stack(threads=2)
    assert Stack.from_dict({}) == Stack()


# Chips ----------------------------------------------------------------------------------------------------------------


def test_a_chip_may_use_some_of_its_units() -> None:
    chip = replace(VALUE["Chip"], engines=(replace(ENGINE, count=Fact(8.0, "a sheet")),))
    for kind in ("gpu", "array", "cpu", "another"):
        one = replace(chip, kind=kind)
        assert one.with_units(3).engines[0].count.value == 3
        assert one.with_units(9) == one
    for units in (0, -1, 1.5, None):
        with pytest.raises(UsageError, match="units: expected a whole number of at least 1"):
            chip.with_units(units)


@pytest.mark.parametrize("chips", [0, -1, "two"])
def test_no_chip_together(chips: Any) -> None:
    with pytest.raises(UsageError, match="chips: expected a whole number of at least 1"):
        VALUE["Chip"].together(chips)


# The checks -----------------------------------------------------------------------------------------------------------


@given(st.floats())
def test_numbers(value: float) -> None:
    for check, right in (
        (checks.number, math.isfinite(value)),
        (checks.positive, math.isfinite(value) and value > 0),
        (checks.not_negative, math.isfinite(value) and value >= 0),
    ):
        if right:
            check("x", value)
        else:
            with pytest.raises(UsageError, match="x: expected a finite number"):
                check("x", value)


def test_what_was_given_is_short() -> None:
    assert checks.shown("x" * 10**6) == "'" + "x" * 56 + "..."
    with pytest.raises(UsageError) as caught:
        checks.flag("x", list(range(10**5)))
    assert len(str(caught.value)) < 120
    with pytest.raises(UsageError, match=r"threads: .* got a number too long to show"):
        Stack(threads=10**5000)
