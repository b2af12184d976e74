"""Columns hold exactly what the kernels held."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from roofline.core.schedule import FAMILIES, KINDS, PHASES, Kernel, Schedule

count = st.integers(1, 2**40)
amount = st.floats(0, 1e18)
SPECIAL = {
    "family": st.sampled_from(FAMILIES),
    "kind": st.sampled_from(KINDS),
    "phase": st.sampled_from(PHASES),
    "op": st.sampled_from(["relu", "conv2d", "aten.fft"]),
    "precision": st.sampled_from(["fp32", "fp16/fp32", "tf32/fp32"]),
    "layer": st.integers(0, 2**20),
    **dict.fromkeys(("source", "source2", "target"), st.integers(-1, 2**20)),
}
kernels = st.builds(
    Kernel,
    **{f.name: SPECIAL.get(f.name, amount if "float" in str(f.type) else count) for f in fields(Kernel)},
)


@given(st.lists(kernels, max_size=8))
def test_round_trip(rows: list[Kernel]):
    schedule = Schedule.of(rows)
    assert len(schedule) == len(rows)
    assert list(schedule) == rows
    assert schedule.family_names() == [row.family for row in rows]
    assert schedule.op_labels() == [row.op for row in rows]
    assert schedule.bytes.tolist() == [row.reads + row.weights + row.writes for row in rows]


@given(st.lists(kernels, max_size=5), st.lists(kernels, max_size=5))
def test_joining_keeps_every_row(left: list[Kernel], right: list[Kernel]):
    joined = Schedule.concatenate([Schedule.of(left), Schedule.of(right)])
    assert list(joined) == left + right


@given(st.lists(kernels, min_size=1, max_size=8), st.data())
def test_selecting(rows: list[Kernel], data: st.DataObject):
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    picked = Schedule.of(rows).select(mask)
    assert list(picked) == [row for row, kept in zip(rows, mask, strict=True) if kept]


def test_families_are_selected_by_name():
    schedule = Schedule.of([Kernel("conv", "conv2d"), Kernel("norm", "batch_norm"), Kernel("copy", "copy")])
    assert schedule.in_family("conv", "copy").tolist() == [True, False, True]
