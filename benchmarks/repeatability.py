"""How far apart are two campaigns over the same shapes?

    python benchmarks/repeatability.py reports/measurements/<chip>/<a>.jsonl.gz <b>.jsonl.gz

Cold operator rows in both files, |log(a / b)|: median, 90th percentile, the worst rows, and the signed
median, which is how much one campaign was slower throughout.
"""

from __future__ import annotations

import sys

import numpy as np

from roofline.measure.store import read_measurements


def main() -> None:
    first, second = (
        {m.key: m for m in read_measurements(path).measurements if m.kind == "operator" and m.cache == "cold"}
        for path in sys.argv[1:3]
    )
    both = [key for key in first if key in second]
    ratio = np.log([first[key].seconds / second[key].seconds for key in both])
    apart = np.abs(ratio)
    print(f"{len(both)} rows: median {np.median(apart):.1%}, p90 {np.quantile(apart, 0.9):.1%}")
    print(f"first over second throughout: {np.median(ratio):+.1%}")
    for index in np.argsort(-apart)[:5]:
        print(f"  {np.exp(ratio[index]):.2f}  {first[both[index]].label}")


if __name__ == "__main__":
    main()
