"""How far off are whole image nets of 2015 on a Titan X? convnet-benchmarks' Caffe runs with cuDNN R4.

    python studies/caffe_nets.py $ROOFLINE_DATA

Sums over layers, forward, and forward with backward; the library is called from C++ (no host to wait for) and
has no Winograd. None of these rows is fitted.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from roofline.core.run import Recipe, Run
from roofline.measurements.public.caffe import CHIP, NETS, STACK
from roofline.prediction.predict import predict

MODES = {"inference": ("forward",), "training": ("forward", "backward")}


def ratios(data: Path, calibration: str | None = None) -> Iterator[tuple[str, str, float]]:
    """(net, mode, predicted / measured) of every net both ways."""
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    with gzip.open(data / "caffe" / "titan_x_maxwell_layers.csv.gz", "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            seconds[row["net"], row["dir"]] += float(row["ms"]) / 1e3
    for key, (net, batch, bind) in NETS.items():
        for mode, directions in MODES.items():
            run = Run("training" if mode == "training" else "inference", Recipe("none"), host_dispatch=0.0)
            found = predict(CHIP, net, batch=batch, bind=bind, stack=STACK, calibration=calibration, run=run)
            yield net, mode, found.seconds.middle / sum(seconds[key, direction] for direction in directions)


def main() -> None:
    for calibration in ("none", None):
        print("plain roofline" if calibration else "fitted")
        for net, mode, ratio in ratios(Path(sys.argv[1]), calibration):
            print(f"  {net:10} {mode:10} predicted / measured: {ratio:.2f}")


if __name__ == "__main__":
    main()
