"""Do the options that say how a net runs reach the answer, and is nonsense refused?"""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from click.testing import CliRunner, Result

from roofline.cli.app import cli

CHIP, NET = "a100-pcie-40gb", ("-w", "mlp")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="roofline")


def answer(*options: str, chip: str = CHIP, net: str = "mlp") -> dict[str, Any]:
    """The JSON of a prediction; options may stand in one string."""
    words = [word for option in options for word in shlex.split(option)]
    result = run("predict", chip, "-w", net, *words, "--json")
    assert result.exit_code == 0, result.output
    data: dict[str, Any] = json.loads(result.stdout)
    return data


def text(*arguments: str) -> str:
    result = run("predict", CHIP, *arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def middle(data: dict[str, Any]) -> float:
    return float(data["seconds"]["middle"])


def test_training_by_a_recipe() -> None:
    once = answer()
    step = answer("--mode training --optimizer adamw --optimizer-kernels fused")
    assert (once["mode"], step["mode"]) == ("inference", "training")
    assert middle(step) > middle(once)
    recipe = step["run"]["recipe"]
    assert (recipe["optimizer"], recipe["implementation"], recipe["accumulate"]) == ("adamw", "fused", 1)
    assert step["memory"]["optimizer"] == 2 * 4 * step["parameters"]
    assert answer("--mode training")["run"]["recipe"]["optimizer"] == "sgd"


def test_micro_batches_and_checkpoints() -> None:
    whole, parts = (answer("--mode training --batch 64", *more) for more in ((), ("--accumulate 4",)))
    assert whole["batch"] == parts["batch"] == 64
    assert parts["run"]["recipe"]["accumulate"] == 4
    plain, again = (answer("--mode training --batch 32", *more, net="vit-b-16") for more in ((), ("--checkpoint",)))
    assert again["memory"]["activations"] < plain["memory"]["activations"]
    assert again["flops"] > plain["flops"]


def test_mixed_and_pure() -> None:
    mixed, pure = (answer("--mode training --dtype bf16", *more) for more in ((), ("--pure",)))
    assert mixed["memory"]["weights"] == 2 * pure["memory"]["weights"]


def test_storage() -> None:
    wide, narrow = (answer("--dtype fp16", *more) for more in ((), ("--weights int4",)))
    assert 3.5 * narrow["memory"]["weights"] < wide["memory"]["weights"]
    assert narrow["run"]["weights"] == "int4"
    token = "--dtype fp16 --bind seq=1 --bind context=255"
    big, small = (answer(token, *more, net="llama-2-7b") for more in ((), ("--kv-cache int8",)))
    assert big["memory"]["cache"] == 2 * small["memory"]["cache"] > 0


def test_the_loader() -> None:
    fed = answer("--loader-rate 1000 --batch 10")
    assert (fed["bound"], middle(fed)) == ("loader", pytest.approx(0.01))
    copied = answer("--loader-rate inf")["layers"][-1]
    assert copied["name"] == "input pipeline"
    assert [name for name in copied["resources"] if name.startswith("PCIe")]
    assert answer()["layers"][-1]["name"] == "fc3"
    assert "loader" in text(*NET, "--loader-rate", "1000")


def test_the_stack() -> None:
    eager, graphs = (answer("--batch 1", "--stack", mode, net="mobilenetv2") for mode in ("eager", "graphs"))
    assert (eager["stack"]["mode"], graphs["stack"]["mode"]) == ("eager", "graphs")
    assert middle(graphs) < middle(eager)
    assert eager["bounds"]["host"] > 0.3
    fused, apart = (answer("--attention", how, net="bert-base") for how in ("fused", "unfused"))
    assert fused["bytes"] < apart["bytes"]
    assert (answer("--tf32")["dtype"], answer("--tf32", chip="gtx-980")["dtype"]) == ("tf32", "fp32")


def test_the_host() -> None:
    fast, slow = (answer(f"--batch 1 --host-dispatch '{cost}'", net="mobilenetv2") for cost in ("1 us", "80 us"))
    assert slow["run"]["host_dispatch"] == pytest.approx(80e-6)
    assert middle(slow) > 5 * middle(fast)
    assert slow["bound"] == "host"
    # 8 microseconds in other words
    eight = [middle(answer(f"--host-dispatch '{cost}'", net="resnet18")) for cost in ("8 us", "8e-6", "0.008 ms")]
    assert eight == pytest.approx([eight[0]] * 3)


def test_the_text_says_how_it_ran() -> None:
    said = text(*NET, "--mode", "training", "--optimizer", "adamw", "--dtype", "bf16", "--accumulate", "2")
    for words in ("training", "adamw", "mixed precision", "forward", "backward", "optimizer", "2"):
        assert words in said
    assert "backward" not in text(*NET)


def test_the_largest_batch_of_a_training_step() -> None:
    step = run("predict", "l4", "-w", "resnet18", "--batch", "max", "--mode", "training", "--accumulate", "4", "--json")
    assert step.exit_code == 0
    most = json.loads(step.stdout)["batch"]
    assert most % 4 == 0
    assert f"largest batch that fits: {most:,}" in step.stderr
    over = run("predict", "l4", "-w", "resnet18", "--batch", str(most + 4), "--mode", "training", "--accumulate", "4")
    assert over.exit_code == 1
    assert "does not fit" in over.stdout


def test_other_verbs_take_them_too() -> None:
    training = ("--mode", "training", "--optimizer", "adam")
    for verb in (
        ("compare", CHIP, "h100-sxm", *NET),
        ("explain", CHIP, *NET, "--layer", "fc2"),
    ):
        result = run(*verb, *training)
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    "option",
    [
        ("--optimizer", "adam"),
        ("--optimizer-kernels", "loop"),
        ("--pure",),
        ("--accumulate", "2"),
        ("--checkpoint",),
    ],
    ids=lambda option: option[0],
)
def test_options_of_training_are_refused_in_inference(option: tuple[str, ...]) -> None:
    result = run("predict", CHIP, *NET, *option)
    assert result.exit_code == 2
    assert f"{option[0]} applies to training only; add --mode training" in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--mode", "training", "--optimizer", "adm"), "adam"),
        (("--mode", "training", "--optimizer-kernels", "single"), "foreach"),
        (("--mode", "training", "--accumulate", "0"), "--accumulate"),
        (("--mode", "training", "--accumulate", "two"), "--accumulate"),
        (("--mode", "training", "--batch", "64", "--accumulate", "7"), "does not divide into 7 micro-batches"),
        (("--mode", "training", "--dtype", "int8"), "training in int8 is not modelled"),
        (("--mode", "training", "--weights", "int4"), "are for inference"),
        (("--mode", "training", "--kv-cache", "int8"), "are for inference"),
        (("--weights", "int2"), "int4"),
        (("--kv-cache", "int4"), "fp16"),
        (("--loader-rate", "0"), "is not a rate"),
        (("--loader-rate", "-5"), "is not a rate"),
        (("--loader-rate", "fast"), "'fast' is not a rate"),
        (("--loader-rate", "nan"), "is not a rate"),
        (("--stack", "lazy"), "graphs"),
        (("--attention", "flash"), "unfused"),
        (("--host-dispatch", "soon"), "soon"),
        (("--host-dispatch", "8 GB"), "GB"),
        (("--host-dispatch", "-8 us"), "-8 us"),
        (("--host-dispatch", "inf"), "inf"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_nonsense(options: tuple[str, ...], said: str) -> None:
    result = run("predict", CHIP, *NET, *options)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_net_that_cannot_be_trained_is_named() -> None:
    result = run("predict", CHIP, "-w", "sha-256d", "--mode", "training")
    assert result.exit_code == 2
    assert "training of sha-256d cannot be predicted" in result.stderr


def test_several_chips_cost_several() -> None:
    one, four = (
        json.loads(
            run("compare", "inferentia2", "-w", "resnet50", "--dtype", "bf16", "--chips", str(n), "--json").stdout
        )
        for n in (1, 4)
    )
    single, many = one["entries"][0], four["entries"][0]
    assert many["samples_per_rent"] == pytest.approx(single["samples_per_rent"])
    energy = []
    for more in (("--chips", "4"), ()):
        told = run("predict", "tpu-v1", *NET, "--dtype", "int8", *more).stdout
        energy.append(next(line for line in told.splitlines() if "/J at the power limit of 75 W per chip" in line))
    assert energy[0] == energy[1]


def test_what_an_array_applies_on_the_way_out_is_said() -> None:
    result = run("predict", "tpu-v1", "-w", "resnet50", "--dtype", "int8", "--batch", "8")
    assert "are fused: applied to results on the way out of the array" in result.stderr
