"""What may be wrong in the file of a chip of arrays, and what each fault says."""

from __future__ import annotations

import pytest

from roofline.errors import SpecError, Unsupported
from roofline.prediction.predict import predict
from roofline.specs.chipdump import dump_chip
from roofline.specs.chipfile import read_chip
from roofline.specs.yamlio import parse_document

GOOD = """\
name: toy-npu
kind: array
vendor: Nobody
architecture: toys
sources:
  sheet: the sheet
cores: {value: 2, source: sheet}
engines:
  - name: array
    kind: matrix
    count: {value: 2, source: sheet}
    clock:
      boost: {value: 1 GHz, source: sheet}
    fma_per_clock:
      int8: {value: 4096, source: sheet}
    array:
      rows: 64
      cols: 64
      dataflow: weight-stationary
      source: sheet
      issue: {value: 16, source: sheet}
      moving: {value: 256, source: sheet}
      load: {value: 64, source: sheet}
      accumulators: {value: 1024, source: sheet, status: unverified}
      load_exposed: true
      lowering: im2col
      padded_weights: true
      streamed_weights: true
  - name: lanes
    kind: vector
    inline: true
    count: {value: 2, source: sheet}
    clock:
      boost: {value: 1 GHz, source: sheet}
    fma_per_clock:
      int8: {value: 64, source: sheet}
memory:
  - name: SRAM
    capacity: {value: 1 MiB, each: true, source: sheet}
    private: true
  - name: DRAM
    capacity: {value: 64 MiB, source: sheet}
    bandwidth: {value: 20 GB/s, source: sheet}
"""


def faults(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read_chip(parse_document(text, "toy-npu.yaml"))
    return [str(fault) for fault in caught.value.faults]


def line_of(start: str, text: str = GOOD) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if line.strip().startswith(start))


def test_everything_an_array_may_say() -> None:
    chip = read_chip(parse_document(GOOD, "toy-npu.yaml"))
    array = chip.engines[0].array
    assert array is not None
    assert (array.issue and array.issue.value, array.moving and array.moving.value) == (16, 256)
    assert array.accumulators is not None
    assert array.accumulators.status == "unverified"
    assert array.drain is None
    assert array.load_exposed
    assert array.padded_weights
    assert array.streamed_weights
    assert array.lowering == "im2col"
    assert chip.engines[1].inline
    assert chip.core_count == 2
    assert chip.engines[0].place == f"toy-npu.yaml:{line_of('fma_per_clock')}"


def test_it_is_written_as_it_was_read() -> None:
    chip = read_chip(parse_document(GOOD, "toy-npu.yaml"))
    again = read_chip(parse_document(dump_chip(chip), "toy-npu.yaml"))
    assert again == chip


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("      dataflow: weight-stationary\n", "", "array:", "dataflow: is missing; write what stays in the array"),
        ("dataflow: weight-stationary", "dataflow: weights", "dataflow:", "did you mean weight-stationary?"),
        ("lowering: im2col", "lowering: im2row", "lowering:", "did you mean im2col?"),
        ("value: 1 MiB", "value: 2 KiB", "capacity:", "cannot hold one tile of 64 x 64 values, 4 KiB"),
        ("issue: {value: 16,", "issue: {value: 1.5,", "issue:", "must be a whole number"),
        ("issue: {value: 16, source: sheet}", "issue: 16", "issue:", "a figure needs its source"),
        ("load_exposed: true", "load_exposed: often", "load_exposed:", "expected true or false"),
        ("      rows: 64", "      rows: 32", "array:", "32 x 64 x 1 = 2048 FMA, but fma_per_clock says 4096"),
        ("    kind: vector\n    inline", "    kind: matrix\n    inline", "inline:", "only a vector engine"),
        ("cores: {value: 2,", "cores: {value: 2.5,", "cores:", "must be a whole number"),
        ("      issue:", "      isue:", "isue:", "unknown key; did you mean issue?"),
    ],
)
def test_each_fault_is_named_with_its_line(old: str, new: str, where: str, what: str) -> None:
    text = GOOD.replace(old, new, 1)
    found = faults(text)
    assert any(f"toy-npu.yaml:{line_of(where, text)}:" in fault and what in fault for fault in found), found


def test_an_array_of_which_only_the_shape_is_known_needs_no_dataflow() -> None:
    lines = GOOD.replace("kind: array", "kind: gpu").splitlines(keepends=True)
    cycles = ("      dataflow:", "      issue:", "      moving:", "      load:", "      accumulators:", "cores:")
    text = "".join(line for line in lines if not line.startswith(cycles))
    assert read_chip(parse_document(text, "toy-npu.yaml")).engines[0].array is not None


def test_a_dtype_the_array_lacks_names_the_line() -> None:
    chip = read_chip(parse_document(GOOD, "toy-npu.yaml"))
    with pytest.raises(Unsupported, match=rf"int8 \(toy-npu.yaml:{line_of('fma_per_clock')}\)"):
        predict(chip, "mlp", dtype="bf16")


def test_a_net_that_fits_nowhere_names_the_line() -> None:
    """VGG-16 has 138 MB of weights; the toy holds 64 MiB."""
    chip = read_chip(parse_document(GOOD, "toy-npu.yaml"))
    made = predict(chip, "vgg16", batch=1, dtype="int8")
    line = next(i for i, text in enumerate(GOOD.splitlines(), 1) if "64 MiB" in text)
    assert made.fits is False
    assert any(f"(toy-npu.yaml:{line})" in said and "weights" in said for said in made.warnings), made.warnings
