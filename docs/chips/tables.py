"""Which tables do the pages of chips show? Each is made by the program and printed as Markdown::

    python docs/chips/tables.py images|gpus|counters|scores|figures [CHIP...]

``python docs/outputs.py --write`` puts them into the pages.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import roofline
from roofline.units import format_si

ROOT = Path(__file__).resolve().parent.parent.parent
NETWORKS = {
    "Inception-v3, 299 x 299": ("inception-v3", 299),
    "Inception-v3, 960 x 960": ("inception-v3", 960),
    "ResNet-50, 224 x 224": ("resnet50", 224),
}
CARDS = {"gtx-980": "fp32", "rtx-2070": "fp16,int8", "tesla-t4": "int8"}
SHARE = 0.75
"""Part of the DRAM bandwidth that the model leaves to an NPU whose DRAM others use (docs/arrays.md)."""

COUNTERS = {f"tpu-v1-{name.lower()}": name for name in ("MLP0", "MLP1", "LSTM0", "LSTM1", "CNN0")}


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; the first column holds words, the others figures."""
    print(f"| {' | '.join(heads)} |")
    print(f"|---|{'---:|' * (len(heads) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |".replace("%", " %"))


def asked(chip: str, network: str, dtype: str, image: int, batch: int = 1, stack: str = "eager") -> dict[str, Any]:
    """One prediction as JSON has it, SI units."""
    made = roofline.predict(chip, network, batch=batch, dtype=dtype, bind={"image": image}, stack=stack)
    return made.to_dict()


def images() -> None:
    """One image at a time on one NPU of the FSD chip: what SRAM saves."""
    chip = roofline.load_chip("tesla-fsd-npu")
    peak = 2 * sum(e.count.value * e.clock.hz() * max(r.value for r in e.rates.values()) for e in chip.engines[:1])
    bandwidth = chip.dram.total_bandwidth or 0.0
    made = [asked("tesla-fsd-npu", network, "int8", image) for network, image in NETWORKS.values()]
    moved = [
        SHARE * bandwidth * sum(row["resources"].get("DRAM", 0) * row["repeats"] for row in p["layers"]) for p in made
    ]
    rates = [p["samples_per_s"] for p in made]
    markdown(
        ["one image, int8", *NETWORKS],
        [
            ["operations", *(f"{p['flops'] / 1e9:.3g} GFLOP" for p in made)],
            ["bytes that layers read and write", *(f"{p['bytes'] / 1e6:.3g} MB" for p in made)],
            ["rate if all of them passed DRAM", *(f"{bandwidth / p['bytes']:,.0f} images/s" for p in made)],
            ["predicted DRAM traffic", *(f"{x / 1e6:.2g} MB" for x in moved)],
            ["predicted rate", *(f"{rate:,.0f} images/s" for rate in rates)],
            ["share of the array's peak", *(f"{r * p['flops'] / peak:.0%}" for r, p in zip(rates, made, strict=True))],
        ],
    )


def gpus() -> None:
    """The FSD chip beside GPUs: images/s at batch 1 with recorded graphs (in brackets eager) and at batch 32."""
    rows = []
    for chip, dtypes in {"tesla-fsd-npu": "int8", "tesla-fsd": "int8", **CARDS}.items():
        power = roofline.load_chip(chip).power
        for dtype in dtypes.split(","):
            row = [f"`{chip}`, {dtype}", f"{power.value:g} W" if power else ""]
            for network, image in (("inception-v3", 299), ("resnet50", 224)):
                row += list(_rates(chip, network, dtype, image, card=chip in CARDS))
            rows.append(row)
    markdown(["images/s", "power", "Inception-v3, batch 1", "batch 32", "ResNet-50, batch 1", "batch 32"], rows)


def _rates(chip: str, network: str, dtype: str, image: int, *, card: bool) -> Iterator[str]:
    stack = "graphs" if card else "eager"
    one = f"{asked(chip, network, dtype, image, stack=stack)['samples_per_s']:,.0f}"
    yield f"{one} ({asked(chip, network, dtype, image)['samples_per_s']:,.0f})" if card else one
    yield f"{asked(chip, network, dtype, image, batch=32, stack=stack)['samples_per_s']:,.0f}"


def counters() -> None:
    """TPU v1: where its time goes, by the counters of Jouppi et al. (ISCA 2017, table 3) and by the model."""
    rows = []
    for line in (ROOT / "reports/published/tpu-v1.jsonl").read_text(encoding="utf-8").splitlines():
        figure = json.loads(line)
        if figure["network"] not in COUNTERS:
            continue
        counted = figure["counters"]
        batch = figure["symbols"]["batch"]
        p = roofline.predict("tpu-v1", figure["network"], batch=batch, dtype="int8").to_dict()
        rows.append(
            [
                COUNTERS[figure["network"]],
                f"{counted['weight_stall'] + counted['weight_shift']:.0f}%",
                f"{p['bounds'].get('DRAM', 0.0):.0%}",
                f"{counted['array_active']:.0f}%",
                f"{p['flops'] / p['seconds']['middle'] / _peak('tpu-v1'):.0%}",
            ]
        )
    heads = [
        "",
        "waits for and shifts weights",
        "model: time bound by DRAM",
        "array active",
        "model: share of the peak",
    ]
    markdown(heads, rows)


def _peak(name: str) -> float:
    chip = roofline.load_chip(name)
    return max(engine.peak(precision) for engine in chip.engines for precision in engine.rates)


def published() -> dict[str, Any]:
    """All published figures with their scores, as JSON has them."""
    from click.testing import CliRunner

    from roofline.cli.app import cli

    found: dict[str, Any] = json.loads(CliRunner().invoke(cli, ["validate", "--published", "--json"]).stdout)
    return found


def scores() -> None:
    """Median errors of the published figures."""
    markdown(
        ["median error", "figures", "model", "nothing fitted", "plain roofline"],
        (
            [name, str(score["rows"]), *(f"{100 * score[key]:.2g}%" for key in ("predicted", "unfitted", "plain"))]
            for name, score in published()["scores"].items()
        ),
    )


def figures(chips: Sequence[str]) -> None:
    """Published figures of chips (of all without names), predicted and measured."""
    rows = [row for row in published()["rows"] if not chips or row["chip"] in chips]
    markdown(
        ["figure", "measured", "predicted", "error", "nothing fitted", "plain roofline", "seen by the fit"],
        (
            [
                f"`{row['chip']}`, {row['label']}",
                format_si(row["measured"], "s"),
                format_si(row["predicted"]["middle"], "s"),
                f"{row['error']:+.0%}",
                f"{row['unfitted'] / row['measured'] - 1:+.0%}",
                f"{row['plain'] / row['measured'] - 1:+.0%}",
                "yes" if row["held_out"] == "in the fit" else "no",
            ]
            for row in rows
        ),
    )


if __name__ == "__main__":
    which, *chosen = sys.argv[1:]
    {"images": images, "gpus": gpus, "counters": counters, "scores": scores, "figures": lambda: figures(chosen)}[
        which
    ]()
