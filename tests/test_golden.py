"""No change moves a predicted number unnoticed.

``tests/golden/predictions.json`` holds what was predicted at the commit and date it names. Where a
change is meant to move numbers, write them anew, look at the difference, and say why in the changelog:

    python tests/test_golden.py --write

The CPU among them does not exist. Its parameters lie beside, in ``cpu-synthetic.yaml``, so that a new
starting point of a fit moves nothing; they are made anew only where the model gained a parameter.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from roofline import specs
from roofline.core.calibration import Calibration
from roofline.core.prediction import Prediction
from roofline.core.run import Recipe, Run
from roofline.core.stack import Stack
from roofline.errors import RooflineError
from roofline.prediction.predict import predict

FILE = Path(__file__).resolve().parent / "golden" / "predictions.json"
PARAMETERS = FILE.with_name("cpu-synthetic.yaml")
TOLERANCE = 1e-9

CHECKPOINTED = Recipe("sgd", checkpoint=True, accumulate=2)
MIXED = Run("training", Recipe("adamw"))
PLAIN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gtx-980 resnet50 fp32": ("gtx-980", "resnet50", {"batch": 32}),
    "gtx-980 resnet50 fp16": ("gtx-980", "resnet50", {"batch": 32, "dtype": "fp16"}),
    "rtx-2070 resnet50 fp16": ("rtx-2070", "resnet50", {"batch": 32, "dtype": "fp16"}),
    "rtx-2070-fe vgg16 fp32": ("rtx-2070-fe", "vgg16", {"batch": 8}),
    "a100-pcie-40gb bert-base tf32": (
        "a100-pcie-40gb",
        "bert-base",
        {"bind": {"batch": 8, "seq": 384}, "dtype": "tf32"},
    ),
    "h200-sxm gpt-small bf16": ("h200-sxm", "gpt-small", {"batch": 4, "dtype": "bf16"}),
    "tesla-fsd-npu resnet50 int8": ("tesla-fsd-npu", "resnet50", {"batch": 1, "dtype": "int8"}),
    "inferentia alphago-zero-20 bf16": ("inferentia", "alphago-zero-20", {"batch": 16, "dtype": "bf16"}),
    "nnp-i-1000 mobilenetv2 int8": ("nnp-i-1000", "mobilenetv2", {"batch": 4, "dtype": "int8"}),
    "nnp-t-1300 mlp bf16": ("nnp-t-1300", "mlp", {"batch": 256, "dtype": "bf16"}),
    "rtx-2070 resnet50 fp16 trained": ("rtx-2070", "resnet50", {"batch": 32, "dtype": "fp16", "run": MIXED}),
    "gtx-980 bert-base fp32 trained": ("gtx-980", "bert-base", {"batch": 8, "run": Run("training", CHECKPOINTED)}),
    "gtx-970 unet fp32 beyond its fast memory": ("gtx-970", "unet", {"batch": 4}),
    "a100-sxm-80gb llama-3-8b bf16 int4": (
        "a100-sxm-80gb",
        "llama-3-8b",
        {"bind": {"seq": 1, "context": 512}, "dtype": "bf16", "run": Run(weights="int4", cache="int8")},
    ),
    "h200-sxm mobilenetv2 graphs": ("h200-sxm", "mobilenetv2", {"batch": 1, "stack": Stack(mode="graphs")}),
    "h200-sxm mobilenetv2 compiled": ("h200-sxm", "mobilenetv2", {"batch": 1, "stack": Stack(mode="compiled")}),
    "rtx-2070 bert-base fp16 trained, compiled": (
        "rtx-2070",
        "bert-base",
        {"batch": 8, "dtype": "fp16", "stack": Stack(mode="compiled"), "run": MIXED},
    ),
}
FITTED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gtx-980 resnet50 fp32 borrowed": ("gtx-980", "resnet50", {"batch": 32}),
    "rtx-2070 mobilenetv2 fp16 borrowed": ("rtx-2070", "mobilenetv2", {"batch": 32, "dtype": "fp16"}),
    "tesla-t4 bert-base fp32 of its own rows": ("tesla-t4", "bert-base", {"batch": 8}),
    "inferentia2 resnet50 fp16 calibrated": ("inferentia2", "resnet50", {"batch": 8, "dtype": "fp16"}),
    "inferentia2 bert-base fp16 alone": (
        "inferentia2",
        "bert-base",
        {"batch": 1, "dtype": "fp16", "stack": Stack(serving="latency")},
    ),
    "inferentia2 llama-3-8b bf16 cut over six": (
        "inferentia2",
        "llama-3-8b",
        {"bind": {"seq": 1, "context": 512}, "dtype": "bf16", "stack": Stack(serving="sharded", chips=6)},
    ),
    "inferentia vgg16 fp16 borrowed": ("inferentia", "vgg16", {"batch": 8, "dtype": "fp16"}),
    "tpu-v1 tpu-v1-lstm1 int8 calibrated": ("tpu-v1", "tpu-v1-lstm1", {"dtype": "int8"}),
    "tesla-fsd-npu inception-v3 int8 unfitted": ("tesla-fsd-npu", "inception-v3", {"batch": 1, "dtype": "int8"}),
    "nnp-i-1000 mobilenetv2 int8 borrowed": ("nnp-i-1000", "mobilenetv2", {"batch": 1, "dtype": "int8"}),
    "epyc-9654 resnet50 fp32 borrowed": ("epyc-9654", "resnet50", {"batch": 1}),
    "xeon-8480 bert-base fp32 trained, borrowed": ("xeon-8480", "bert-base", {"batch": 8, "run": Run("training")}),
    "h100-sxm gpt2 bf16 trained, borrowed": ("h100-sxm", "gpt2", {"batch": 4, "dtype": "bf16", "run": MIXED}),
}
CPU = {"resnet18": {"batch": 2}, "mobilenetv2": {"batch": 1}, "bert-base": {"bind": {"seq": 64}}}


def predictions() -> dict[str, Prediction]:
    """Every combination by name: plain rooflines, and a CPU whose parameters are made up."""
    from synthetic import chip

    fitted = replace(specs.load_calibration(PARAMETERS), file=PARAMETERS.name)
    made = {name: predict(part, net, calibration="none", **options) for name, (part, net, options) in PLAIN.items()}
    made |= {name: predict(part, net, **options) for name, (part, net, options) in FITTED.items()}
    for net, options in CPU.items():
        made[f"cpu-synthetic {net} calibrated"] = predict(chip(), net, calibration=fitted, **options)
        made[f"cpu-synthetic {net} plain"] = predict(chip(), net, calibration="none", **options)
    return made


def complete(stored: Calibration, current: Calibration) -> bool:
    """Whether the stored parameters are those the model asks for now."""
    return stored.ceilings.keys() == current.ceilings.keys() and {
        name: set(fit.parameters) for name, fit in stored.families.items()
    } == {name: set(fit.parameters) for name, fit in current.families.items()}


def digest(prediction: Prediction) -> dict[str, Any]:
    """What is kept of a prediction: enough that a wrong layer cannot hide in a right total."""
    kinds: dict[str, float] = {}
    for layer in prediction.layers:
        kinds[layer.op] = kinds.get(layer.op, 0.0) + layer.seconds.middle
    return {
        "seconds": prediction.seconds.to_dict(),
        "flops": prediction.flops,
        "bytes": prediction.bytes,
        "memory": prediction.memory.total,
        "parameters": prediction.parameters,
        "layers": len(prediction.layers),
        "tier": prediction.tier,
        "bounds": prediction.bounds,
        "seconds_by_operator": kinds,
    }


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Where two digests differ by more than :data:`TOLERANCE`, in words."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = {**before, **after}
        return [
            text
            for key in keys
            for text in differences(before.get(key), after.get(key), f"{path}.{key}" if path else key)
        ]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (before, after))
    same = after == pytest.approx(before, rel=TOLERANCE) if numbers else before == after
    return [] if same else [f"{path}: {before} -> {after}"]


GOLDEN = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"predictions": {}}


@pytest.fixture(scope="module")
def made() -> dict[str, Prediction]:
    return predictions()


@pytest.mark.parametrize(
    "name", [*PLAIN, *FITTED, *(f"cpu-synthetic {net} {how}" for net in CPU for how in ("calibrated", "plain"))]
)
def test_no_number_moved(name: str, made: dict[str, Prediction]) -> None:
    assert name in GOLDEN["predictions"], "not written yet: python tests/test_golden.py --write"
    moved = differences(GOLDEN["predictions"][name], digest(made[name]))
    assert not moved, f"since {GOLDEN['about']}:\n" + "\n".join(moved)


def test_the_made_up_cpu_has_the_parameters_of_the_model() -> None:
    from synthetic import calibration

    assert complete(specs.load_calibration(PARAMETERS), calibration()), "python tests/test_golden.py --write"


def test_nothing_is_kept_that_nobody_asks_for(made: dict[str, Prediction]) -> None:
    assert set(GOLDEN["predictions"]) == set(made)


def write() -> None:
    """Write the files anew."""
    from synthetic import calibration

    FILE.parent.mkdir(exist_ok=True)
    try:
        kept = complete(specs.load_calibration(PARAMETERS), calibration())
    except (RooflineError, OSError):
        kept = False
    if not kept:
        specs.save_calibration(calibration(), PARAMETERS)
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=FILE.parent, capture_output=True, text=True, check=False
    ).stdout.strip()
    about = {
        "commit": commit or "unknown",
        "date": datetime.now(UTC).date().isoformat(),
        "note": "made by this program; not measured",
    }
    whole = {"about": about, "predictions": {name: digest(made) for name, made in predictions().items()}}
    FILE.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    write()
