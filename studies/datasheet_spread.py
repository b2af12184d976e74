"""How much longer than the plain roofline do real GPU kernels take? Fits the datasheet interval.

    ROOFLINE_DATA=<folder of the sets> python studies/datasheet_spread.py [--write | --quick]

For every public row of a card we have a spec of, log(measured / plain roofline), where the roofline is at
least 20 us so that host time is not what is seen; per operator family the 5, 50 and 95 % quantiles, each
device counting the same. ``--write`` puts them into hw_specs/calibrations/datasheet-gpu.yaml; ``--quick`` takes few of
the rows.
"""

from __future__ import annotations

import csv
import gzip
import os
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from roofline import lowering, specs
from roofline.calibration.spreads import Ratios, datasheet, over_the_roofline
from roofline.core.dtype import precision
from roofline.core.schedule import Kernel

SETS = (
    "NeuSight (sitar-lab/NeuSight @ 6945927), DeepBench (baidu-research/DeepBench @ da81ba7), "
    "aiconfigurator (ai-dynamo/aiconfigurator @ 095f58a)"
)
ELEMENTWISE = {"add": "add", "mul": "mul", "div": "div", "relu": "relu", "gelu": "gelu", "tanh": "tanh"}
QUICK = 50
"""``--quick`` takes one row of so many."""
DTYPES = {"fp32": "fp32", "fp16_mixed": "fp16", "bfloat16": "bf16"}


def read(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt") as file:
        yield from csv.DictReader(file)


def questions(data: Path) -> Iterator[tuple[str, str, str, dict[str, object], list[tuple[int, ...]], float]]:
    """(device, dtype, operator, attributes, input shapes, seconds) of every row used."""
    for row in read(data / "neusight/linear.csv.gz"):
        b, m, n, k = (int(row[c]) for c in "BMNK")  # N is the reduction
        yield row["device"], "fp32", "linear", {"out": k}, [(b * m, n)], float(row["latency_ms"]) / 1e3
    for row in read(data / "neusight/bmm.csv.gz"):
        b, m, n, k = (int(row[c]) for c in "BMNK")
        yield row["device"], "fp32", "matmul", {}, [(b, m, n), (b, n, k)], float(row["latency_ms"]) / 1e3
    for row in read(data / "neusight/conv.csv.gz"):
        side = int(row["input_size"])
        attributes: dict[str, object] = {"out": int(row["c_out"]), "kernel": 3, "padding": 1}
        shape = (int(row["B"]), int(row["c_in"]), side, side)
        yield row["device"], "fp32", "conv2d", attributes, [shape], float(row["latency_ms"]) / 1e3
    for name, op in ELEMENTWISE.items():
        for row in read(data / f"neusight/{name}.csv.gz"):
            shape2 = (int(row["B"]), int(row["H"]))
            inputs = [shape2] * (2 if op in ("add", "mul", "div") else 1)
            yield row["device"], "fp32", op, {}, list(inputs), float(row["latency_ms"]) / 1e3
    for name, op in (("softmax", "softmax"), ("ln", "layer_norm")):
        for row in read(data / f"neusight/{name}.csv.gz"):
            yield row["device"], "fp32", op, {}, [(int(row["B"]), int(row["H"]))], float(row["latency_ms"]) / 1e3
    for row in read(data / "deepbench/gemm.csv.gz"):
        if row["dtype"] in DTYPES:
            m, n, k = (int(row[c]) for c in "MNK")
            yield (
                row["device"],
                DTYPES[row["dtype"]],
                "linear",
                {"out": m, "bias": False},
                [(n, k)],
                float(row["ms"]) / 1e3,
            )
    for row in read(data / "aiconfigurator/h200_sxm_gemm.csv.gz"):
        if row["dtype"] in DTYPES:
            m, n, k = (int(row[c]) for c in "mnk")
            yield (
                "h200-sxm",
                DTYPES[row["dtype"]],
                "linear",
                {"out": n, "bias": False},
                [(m, k)],
                float(row["latency_ms"]) / 1e3,
            )


def spread(data: Path, every: int = 1) -> tuple[Ratios, dict[str, int]]:
    """family -> device -> log ratios, and rows used by device; ``every`` so many of them is taken."""
    kernels: dict[str, list[Kernel]] = {}
    seconds: dict[str, list[float]] = {}
    known = specs.list_chips()
    for device, dtype, op, attributes, inputs, measured in islice(questions(data), 0, None, every):
        if device in known and measured > 0:
            work = lowering.single(op, attributes, inputs, precision(dtype))  # type: ignore[arg-type]
            kernels.setdefault(device, []).extend(lowering.lower(work))
            seconds.setdefault(device, []).append(measured)
    return over_the_roofline(kernels, seconds)


def main() -> None:
    folder = os.environ.get("ROOFLINE_DATA")
    if not folder:
        sys.exit("set ROOFLINE_DATA to the folder that holds neusight/, deepbench/ and aiconfigurator/")
    quick = "--quick" in sys.argv
    ratios, counts = spread(Path(folder), QUICK if quick else 1)
    made = datasheet(ratios, counts, {"sets": SETS})
    for family, fit in made.families.items():
        factors = "  ".join(f"{level}: x{np.exp(value):.2f}" for level, value in fit.quantiles.items())
        print(f"{family:12s} {fit.points:6d} rows, {len(ratios[family])} devices   {factors}")
        medians = {device: round(float(np.exp(np.median(logs))), 2) for device, logs in ratios[family].items()}
        print(f"{'':12s} median by device {medians}")
    if "--write" in sys.argv and not quick:
        specs.save_calibration(made, Path(__file__).parent.parent / "hw_specs/calibrations/datasheet-gpu.yaml")


if __name__ == "__main__":
    main()
