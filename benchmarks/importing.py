"""How many public rows are read, written as JSON, lowered and scored per second?

python benchmarks/importing.py $ROOFLINE_DATA [set...]
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from pathlib import Path

from roofline.measurements.kernels import kernels_of
from roofline.measurements.public import SETS, read_public
from roofline.validation.validate import validate

SCORED = 10_000
"""Rows that are lowered and scored, evenly drawn."""


def main() -> None:
    data, names = Path(sys.argv[1]), sys.argv[2:] or list(SETS)
    print(f"{'rows/s':16}{'rows':>10}{'read':>12}{'as JSON':>12}{'lowered':>12}{'scored':>12}")
    for name in names:
        took = [time.perf_counter()]
        rows = list(read_public(name, data / name))
        took.append(time.perf_counter())
        for row in rows:
            json.dumps(row.to_dict())
        took.append(time.perf_counter())
        some = [row for row in rows[:: max(1, len(rows) // SCORED)] if row.kind == "operator"]
        took.append(time.perf_counter())
        for row in some:
            kernels_of(row)
        took.append(time.perf_counter())
        validate(some)
        took.append(time.perf_counter())
        read, written, _, lowered, scored = (stop - start for start, stop in pairwise(took))
        rates = (len(rows) / read, len(rows) / written, len(some) / lowered, len(some) / scored)
        print(f"{name:16}{len(rows):>10,}" + "".join(f"{rate:>12,.0f}" for rate in rates), flush=True)


if __name__ == "__main__":
    main()
