"""How many public measurements are read, written as JSON, lowered and scored per second?

    python benchmarks/importing.py $ROOFLINE_DATA [set...] [--quick]

``--quick`` takes the first few hundred measurements of each set.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import islice, pairwise
from pathlib import Path

from roofline.measurements.kernels import kernels_of
from roofline.measurements.public import SETS, read_public
from roofline.validation.validate import validate

SCORED = 10_000
"""Measurements that are lowered and scored, evenly drawn."""
QUICK = 300
"""Measurements of each set that ``--quick`` reads."""


def main() -> None:
    quick = "--quick" in sys.argv
    data, *chosen = [word for word in sys.argv[1:] if word != "--quick"]
    names = chosen or [name for name in SETS if Path(data, name).is_dir()]
    print(f"{'measurements/s':16}{'count':>10}{'read':>12}{'as JSON':>12}{'lowered':>12}{'scored':>12}")
    for name in names:
        took = [time.perf_counter()]
        rows = list(islice(read_public(name, Path(data, name)), QUICK if quick else None))
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
