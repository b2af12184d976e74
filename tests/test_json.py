"""Is everything that the program prints as JSON what the published schema says, and strict JSON?"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from toy import ROW

import roofline
from roofline.cli.app import cli as main
from roofline.cli.output import clean
from roofline.core.prediction import SCHEMA_VERSION

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).resolve().parent.parent
SCHEMA = json.loads((ROOT / "docs" / f"roofline-{SCHEMA_VERSION}.schema.json").read_text())

OUTPUTS = {
    "prediction": (
        "predict rtx-2070 -w resnet50 --batch 32",
        "predict rtx-2070 -w mlp --mode training --optimizer adamw --dtype fp16 --stack compiled",
        "predict tesla-fsd -w resnet50 --dtype int8 --serving latency",
        "predict inferentia -w bert-base --dtype bf16",
        "predict epyc-9654 -w mlp --calibration none",
        "predict rtx-2070 -w mlp --loader-rate inf --host-dispatch 8us",
    ),
    "comparison": ("compare gtx-980 rtx-2070 tesla-fsd -w mlp --dtype fp32,int8",),
    "generation": ("predict l4 -w llama-3-8b --weights int4 --dtype bf16 --bind seq=64 --generate 8",),
    "explanation": (
        "explain rtx-2070 -w resnet50 --layer layer3.0.conv2",
        "explain epyc-9654 -w resnet50 --layer layer3.0.conv2 --calibration none",
        "explain tpu-v1 -w mlp --layer fc1 --dtype int8",
        "explain rtx-2070 -w bert-base --layer layer.0.attention",
    ),
    "published": ("validate --published",),
    "ridges": ("plot rtx-2070 tpu-v1",),
    "chips": ("specs list",),
    "chip": ("specs show rtx-2070", "specs show tpu-v1"),
    "chip_difference": ("specs diff gtx-980 tpu-v1",),
    "faults": ("specs check {root}/hw_specs/rtx-2070.yaml", "specs check {wrong}"),
    "networks": ("workloads list",),
    "network": ("workloads show bert-base",),
    "operators": ("workloads operators",),
    "doctor": ("doctor",),
    "measurements": ("measurements show {rows}",),
    "measurements_difference": ("measurements diff {rows} {rows}",),
    "validation": ("validate {rows}",),
}


def validator(name: str) -> Any:
    return jsonschema.Draft202012Validator(SCHEMA | {"anyOf": [{"$ref": f"#/$defs/{name}"}]})


def no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    rows, wrong = tmp_path / "rows.jsonl", tmp_path / "wrong.yaml"
    fast = ROW | {"seconds": 1e-9, "inputs": [[4096, 512]]}
    net = {"kind": "network", "network": "mlp", "symbols": {"batch": 8}, "seconds": 1e-3}
    kept = {key: ROW[key] for key in ("record", "schema", "chip", "dtype", "cache", "provenance")}
    rows.write_text("".join(json.dumps(one) + "\n" for one in (ROW, fast, kept | net)))
    wrong.write_text("name: wrong\n")
    return {"root": str(ROOT), "rows": str(rows), "wrong": str(wrong)}


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    documents = {one["$ref"].rpartition("/")[2] for one in SCHEMA["anyOf"]}
    assert documents - {"check", "calibration"} == set(OUTPUTS)
    for name in documents:
        assert SCHEMA["$defs"][name]["properties"]["schema_version"] == {
            "const": SCHEMA_VERSION,
            "description": "the version of this format",
        }


@pytest.mark.parametrize(("name", "command"), [(name, one) for name, several in OUTPUTS.items() for one in several])
def test_outputs_are_what_the_schema_says(name: str, command: str, places: dict[str, str]) -> None:
    result = CliRunner().invoke(main, [*command.format(**places).split(), "--json"])
    assert result.exit_code in (0, 1), result.output
    document = json.loads(result.stdout, parse_constant=no_constant)
    faults = [
        f"{'.'.join(map(str, fault.absolute_path))}: {fault.message}" for fault in validator(name).iter_errors(document)
    ]
    assert not faults, faults[:5]


def test_an_unknown_field_is_refused() -> None:
    document = roofline.predict("rtx-2070", "mlp").to_dict()
    validator("prediction").validate(document)
    with pytest.raises(jsonschema.ValidationError):
        validator("prediction").validate(document | {"color": "red"})
    with pytest.raises(jsonschema.ValidationError):
        validator("prediction").validate({key: value for key, value in document.items() if key != "tier"})


def test_json_says_what_the_text_says() -> None:
    """Price, energy, tier and warnings, as the headline has them."""
    result = CliRunner().invoke(main, ["predict", "rtx-2070", "-w", "resnet50", "--json"])
    document = json.loads(result.stdout)
    chip = roofline.load_chip("rtx-2070")
    assert chip.power is not None
    assert document["price"]["amount"] == chip.price[0].amount
    assert document["power_w"] == chip.power.value
    assert document["samples_per_s_per_price"] == pytest.approx(document["samples_per_s"] / chip.price[0].amount)
    assert document["samples_per_joule"] == pytest.approx(document["samples_per_s"] / chip.power.value)
    assert document["tier_meaning"]
    assert document["warnings"]
    assert result.stderr.count("warning: ") == len(document["warnings"])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_null(value: float) -> None:
    assert clean({"a": value, "b": [value, (1.5, value)], "c": {"d": value}}) == {
        "a": None,
        "b": [None, [1.5, None]],
        "c": {"d": None},
    }
