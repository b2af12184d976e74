"""A chip that has one of everything a chip's file may say of memory, packages, prices and software."""

from __future__ import annotations

from roofline.core.chip import Chip
from roofline.specs.chipfile import read_chip
from roofline.specs.yamlio import parse_document

GOOD = """\
name: toy
kind: gpu
vendor: Nobody
architecture: toys
sources:
  sheet: the sheet
engines:
  - name: lanes
    kind: vector
    count: {value: 16, source: sheet}
    clock:
      boost: {value: 1 GHz, source: sheet}
    fma_per_clock:
      fp32: {value: 128, source: sheet}
memory:
  - name: registers
    capacity: {value: 256 KiB, each: true, source: sheet, note: of a unit}
    private: true
  - name: DRAM
    capacity: {value: 3.5 GB, source: sheet}
    bandwidth: {value: 196 GB/s, source: sheet}
    overflow:
      capacity: {value: 0.5 GB, source: sheet}
      bandwidth: {value: 28 GB/s, source: sheet}
packages:
  - name: card
    count: {value: 2, source: sheet}
price:
  - {amount: 329, currency: USD, date: 2014-09-19, source: sheet}
  - {amount: 500, currency: USD, date: 2014-09, source: sheet, per: card}
  - {amount: 0.5, currency: USD, date: 2014, source: sheet, per: card, every: hour}
software: {cuda_capability: "5.2", first_cuda: "6.5", last_cuda: 12.x, first_torch: "0.1", source: sheet}
"""


def chip_of(text: str = GOOD) -> Chip:
    return read_chip(parse_document(text, "toy.yaml"))


ROW = {
    "record": "measurement",
    "schema": 1,
    "kind": "operator",
    "chip": "rtx-2070",
    "dtype": "fp32",
    "cache": "cold",
    "op": "linear",
    "attributes": {"out": 512},
    "inputs": [[256, 512]],
    "seconds": 1e-4,
    "provenance": "a test",
}
"""A measurement as its file has it."""
