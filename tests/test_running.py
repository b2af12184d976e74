"""Ways to run a net: in training by a recipe, in narrower storage, behind a loader, under another stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from synthetic import Synthetic

from roofline import specs
from roofline.core.dtype import precision
from roofline.core.network import Network
from roofline.core.prediction import Prediction
from roofline.core.run import OPTIMIZERS, Recipe, Run
from roofline.core.stack import Stack
from roofline.devices.gpu.host import REPLAY_S
from roofline.errors import UnknownName, Unsupported, UsageError
from roofline.lowering.program import with_tf32
from roofline.prediction.input_pipeline import LOADER, host_link
from roofline.prediction.largest_batch import largest_batch
from roofline.prediction.predict import predict

CHIP = "a100-pcie-40gb"
NO_HOST = 0.0


def answer(net: str | Network, run: Run | None = None, chip: str = CHIP, **options: Any) -> Prediction:
    return predict(chip, net, calibration="none", run=run, **options)


def training(host_dispatch: float | None = NO_HOST, **recipe: Any) -> Run:
    """A training step, fed by a host that takes no time unless told."""
    return Run("training", Recipe(**recipe), host_dispatch=host_dispatch)


def seconds(prediction: Prediction) -> float:
    return prediction.seconds.middle


# Training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mlp", "resnet18", "gpt-small", "unet", "lstm"])
def test_a_step_takes_longer_than_an_inference(name: str) -> None:
    once, step = answer(name, Run(host_dispatch=NO_HOST)), answer(name, training(optimizer="adamw"))
    assert seconds(step) > 2 * seconds(once)
    assert step.memory.total > once.memory.total
    assert list(step.phases) == ["forward", "backward", "optimizer"]
    assert step.phases["backward"] > step.phases["forward"] > 0
    assert sum(step.phases.values()) == pytest.approx(seconds(step))
    assert (step.mode, once.mode, list(once.phases)) == ("training", "inference", ["forward"])


def test_layers_stand_twice_and_the_optimizer_once() -> None:
    step = answer("mlp", training(optimizer="adam"))
    assert [(layer.name, layer.phase) for layer in step.layers] == [
        *((name, "forward") for name in ("fc1", "relu1", "fc2", "relu2", "fc3", "loss")),
        *((name, "backward") for name in ("loss", "fc3", "relu2", "fc2", "relu1", "fc1")),
        ("optimizer", "optimizer"),
    ]
    assert (step.layers[-1].op, step.layers[-1].shapes) == ("adam", "")
    assert all(layer.covered for layer in step.layers)


def test_optimizers_cost_what_they_move() -> None:
    took = {name: answer("mlp", training(optimizer=name, implementation="fused")) for name in OPTIMIZERS}
    parts = {name: step.phases.get("optimizer", 0.0) for name, step in took.items()}
    assert parts["none"] == 0 < parts["sgd"] < parts["momentum"] < parts["adam"] == parts["adamw"]
    for name, arrays in (("sgd", 3), ("momentum", 5), ("adam", 7)):
        assert took[name].layers[-1].bytes == pytest.approx(arrays * 4 * took[name].parameters)
    slow, lists, one = (
        answer("mlp", training(optimizer="adam", implementation=how)).phases["optimizer"]
        for how in ("loop", "foreach", "fused")
    )
    assert one < lists <= slow


def test_micro_batches_are_the_same_batch_and_one_optimizer_step() -> None:
    whole, parts = (answer("resnet18", training(accumulate=n, optimizer="adam"), batch=32) for n in (1, 4))
    assert (whole.batch, parts.batch, parts.symbols["batch"]) == (32, 32, 32)
    assert parts.phases["optimizer"] == whole.phases["optimizer"]
    assert parts.layers[-1].op == "adam"
    assert parts.memory.activations < whole.memory.activations / 2
    assert parts.samples_per_s == pytest.approx(32 / seconds(parts))
    # four times an eighth is as much work, and three sums of all gradients more
    sums = next(layer for layer in parts.layers if layer.op == "add_gradients")
    assert sums.phase == "backward"
    assert sums.flops == 3 * parts.parameters
    assert parts.flops == pytest.approx(whole.flops + sums.flops, rel=1e-4)


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(UsageError, match="a batch of 32 does not divide into 5 micro-batches"):
        answer("resnet18", training(accumulate=5), batch=32)
    with pytest.raises(UsageError, match="does not divide"):
        answer("resnet18", training(accumulate=64), batch=32)


def test_checkpoints_trade_time_for_memory() -> None:
    plain, again = (answer("vit-b-16", training(checkpoint=c, optimizer="adam"), batch=64) for c in (False, True))
    assert again.memory.activations < plain.memory.activations / 4
    assert again.memory.weights == plain.memory.weights
    assert again.memory.optimizer == plain.memory.optimizer
    assert again.phases["forward"] == pytest.approx(plain.phases["forward"])
    assert again.phases["optimizer"] == pytest.approx(plain.phases["optimizer"])
    extra = again.phases["backward"] - plain.phases["backward"]
    assert 0.5 * plain.phases["forward"] < extra <= 1.001 * plain.phases["forward"]


def test_mixed_precision_keeps_wide_weights_and_pure_does_not() -> None:
    wide = answer("resnet18", training(optimizer="adam"), dtype="fp32", batch=64)
    mixed = answer("resnet18", training(optimizer="adam"), dtype="bf16", batch=64)
    pure = answer("resnet18", training(optimizer="adam", pure=True), dtype="bf16", batch=64)
    assert mixed.memory.weights == wide.memory.weights == 2 * pure.memory.weights
    assert mixed.memory.optimizer == wide.memory.optimizer == 2 * pure.memory.optimizer
    assert mixed.memory.activations < wide.memory.activations
    assert seconds(pure) < seconds(mixed) < seconds(wide)
    # the same products
    assert mixed.parameters == pure.parameters == wide.parameters


@pytest.mark.parametrize("dtype", ["int8", "fp8"])
def test_nobody_trains_in_eight_bits(dtype: str) -> None:
    with pytest.raises(UsageError, match=r"training in (int8|fp8.*) is not modelled; use fp32, tf32, fp16 or bf16"):
        answer("mlp", training(), chip="h100-sxm", dtype=dtype)


def test_what_cannot_be_trained_says_so() -> None:
    with pytest.raises(Unsupported, match="has no backward pass, so training of sha-256d cannot be predicted"):
        answer("sha-256d", training(), dtype="fp32")
    with pytest.raises(Unsupported, match="training with a KV cache is not modelled"):
        answer("llama-2-7b", training(), chip="h200-sxm", dtype="bf16", bind={"context": 16, "seq": 16})


@pytest.mark.parametrize("run", [training(), training(accumulate=3), training(optimizer="adamw", checkpoint=True)])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_largest_batch_is_exact(run: Run, dtype: str) -> None:
    chip = specs.load_chip("l4")
    most = largest_batch(chip, "resnet18", dtype=dtype, run=run)
    unit = run.recipe.accumulate
    assert most % unit == 0
    assert most > 0
    fits = [predict(chip, "resnet18", batch=n, dtype=dtype, run=run).fits for n in (most, most + unit)]
    assert fits == [True, False]
    assert most < largest_batch(chip, "resnet18", dtype=dtype)


def test_a_net_whose_weights_alone_do_not_fit_has_no_batch() -> None:
    assert largest_batch("l4", "llama-2-7b", dtype="bf16", bind={"context": 0, "seq": 16}) >= 1
    assert largest_batch("l4", "llama-2-7b", dtype="bf16", bind={"context": 0, "seq": 16}, run=training()) == 0


def test_a_cpu_trains_too_and_nobody_feeds_it(cpu: Synthetic) -> None:
    step = predict(cpu.chip, "mlp", calibration=cpu.calibration, run=Run("training", Recipe("adam")))
    assert seconds(step) > 2 * seconds(predict(cpu.chip, "mlp", calibration=cpu.calibration))
    assert "host" not in {name for layer in step.layers for name in layer.resources}
    # one parameter after the other: two denominators of the largest
    assert list(step.phases) == ["forward", "backward", "optimizer"]


# Storage ---------------------------------------------------------------------------------------------------------


def test_narrow_weights_by_hand() -> None:
    # 784 x 2048, 2048 x 2048 and 2048 x 10 matrices; the vectors of 2048, 2048 and 10 stay fp16
    matrices, vectors = 784 * 2048 + 2048 * 2048 + 2048 * 10, 2 * (2048 + 2048 + 10)
    wide, eight, four = (answer("mlp", Run(weights=stored), dtype="fp16") for stored in ("", "int8", "int4"))
    assert wide.memory.weights == 2 * matrices + vectors
    # a scale of 16 bits for each output
    assert eight.memory.weights == matrices + vectors + 2 * (2048 + 2048 + 10)
    # half a byte each; a scale for each 128 inputs: 7 of 784, 16 of 2048
    assert four.memory.weights == matrices / 2 + vectors + 2 * (2048 * 7 + 2048 * 16 + 10 * 16)
    # the net has as many parameters, and products do as much
    assert wide.parameters == eight.parameters == four.parameters
    assert wide.flops == eight.flops == four.flops
    assert wide.bytes - eight.bytes == wide.memory.weights - eight.memory.weights
    assert wide.memory.activations == eight.memory.activations == four.memory.activations


def test_narrow_weights_make_one_token_faster() -> None:
    token = {"seq": 1, "context": 512}
    took = [
        seconds(answer("llama-2-7b", Run(weights=stored, host_dispatch=NO_HOST), dtype="fp16", bind=token))
        for stored in ("", "int8", "int4")
    ]
    assert took[0] > 1.7 * took[1] > 2.5 * took[2]


def test_narrow_caches_shrink_the_cache_alone() -> None:
    token = {"seq": 1, "context": 4095, "batch": 4}
    wide, narrow = (answer("llama-2-7b", Run(cache=stored), dtype="fp16", bind=token) for stored in ("", "int8"))
    # 32 layers of keys and values, 4 x 32 heads of 4096 positions and 128 numbers
    assert wide.memory.cache == 2 * narrow.memory.cache == 2 * 32 * 4 * 32 * 4096 * 128 * 2
    assert wide.memory.weights == narrow.memory.weights
    assert narrow.bytes < wide.bytes
    assert narrow.flops == wide.flops


def test_narrow_storage_is_for_inference() -> None:
    for run in ({"weights": "int8"}, {"cache": "int8"}):
        with pytest.raises(UsageError, match="are for inference"):
            Run("training", **run)  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="storage of weights"):
        Run(weights="int3")
    with pytest.raises(UnknownName, match="storage of keys and values"):
        Run(cache="int4")
    with pytest.raises(UnknownName, match="did you mean training"):
        Run("trainig")  # type: ignore[arg-type]


# The input pipeline ----------------------------------------------------------------------------------------------


def test_a_slow_loader_is_the_bound() -> None:
    alone = answer("resnet50", training(), batch=64)
    fed = answer("resnet50", Run("training", loader_rate=100.0, host_dispatch=NO_HOST), batch=64)
    assert fed.bound == LOADER
    assert seconds(fed) == pytest.approx(64 / 100)
    assert fed.samples_per_s == pytest.approx(100)
    wait = fed.layers[-1]
    assert (wait.name, wait.bound) == ("input pipeline", LOADER)
    assert wait.seconds.middle == pytest.approx(0.64 - seconds(alone))
    assert wait.resources[LOADER] == pytest.approx(0.64)
    assert fed.memory == alone.memory


def test_a_fast_loader_is_nothing_to_wait_for() -> None:
    alone = answer("resnet50", training(), batch=64)
    fed = answer("resnet50", Run("training", loader_rate=1e9, host_dispatch=NO_HOST), batch=64)
    assert seconds(fed) == pytest.approx(seconds(alone))
    assert LOADER not in fed.bounds


def test_micro_batches_load_the_whole_batch() -> None:
    recipe = Recipe(accumulate=4)
    fed = answer("resnet50", Run("training", recipe, loader_rate=100.0), batch=64)
    assert fed.samples_per_s == pytest.approx(100)


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Hardly any work on large images: the copy takes longer."""
    path = tmp_path_factory.mktemp("nets") / "pixels.yaml"
    text = "title: pixels\nsource: made up\nsymbols: {batch: 64}\ninputs:\n  x: [batch, 3, 512, 512]\n"
    path.write_text(f"{text}layers:\n  - mean: global_avg_pool\n", encoding="utf-8")
    return specs.load_network(path)


def test_images_are_copied_over_the_link(pixels: Network) -> None:
    chip = specs.load_chip(CHIP)
    link = host_link(chip)
    assert link is not None
    fed = answer(pixels, Run(loader_rate=float("inf")))
    assert fed.bound == link.name
    assert seconds(fed) == pytest.approx(64 * 3 * 512 * 512 * 4 / link.bandwidth.value)
    # of two that are slow the slower one counts
    slow = answer(pixels, Run(loader_rate=64 / (2 * seconds(fed))))
    assert (slow.bound, seconds(slow)) == (LOADER, pytest.approx(2 * seconds(fed)))
    assert seconds(answer(pixels)) < seconds(fed)


def test_a_processor_has_no_link_to_itself(cpu: Synthetic, pixels: Network) -> None:
    run = Run(loader_rate=float("inf"))
    assert predict(cpu.chip, pixels, run=run).seconds == predict(cpu.chip, pixels).seconds
    with pytest.raises(UsageError, match="above zero"):
        Run(loader_rate=0.0)


# The stack -------------------------------------------------------------------------------------------------------


def test_a_small_net_on_a_large_gpu_waits_for_the_host() -> None:
    eager, compiled, graphs, fed = (
        answer("resnet18", Run(host_dispatch=host), chip="h100-sxm", batch=1, stack=Stack(mode=mode))
        for mode, host in (("eager", None), ("compiled", None), ("graphs", None), ("eager", 0.0))
    )
    assert eager.bound == "host"
    assert seconds(graphs) < seconds(compiled) < seconds(eager)
    assert seconds(graphs) <= seconds(fed) < seconds(eager)
    assert "host" not in fed.bounds
    assert any("host" in warning for warning in eager.warnings)


def test_a_slower_host_is_never_better() -> None:
    took = [
        seconds(answer("resnet18", training(host, optimizer="adam", implementation="loop"), batch=8))
        for host in (0.0, 2e-6, 8e-6, 30e-6, 100e-6)
    ]
    assert took == sorted(took)
    assert took[-1] > 2 * took[0]


@pytest.mark.parametrize("name", ["mlp", "resnet18", "gpt-small", "bert-base"])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_graphs_and_compilers_are_never_slower_than_eager(name: str, mode: Any) -> None:
    run = Run(mode)
    eager, compiled, graphs = (
        answer(name, run, chip="h100-sxm", stack=Stack(mode=stack)) for stack in ("eager", "compiled", "graphs")
    )
    assert seconds(graphs) <= seconds(eager) + REPLAY_S
    assert seconds(compiled) <= seconds(eager)
    assert compiled.bytes <= eager.bytes == graphs.bytes
    assert compiled.bytes < eager.bytes or name == "mlp"  # products and functions by turns: nothing to merge
    assert compiled.flops == pytest.approx(eager.flops)


def test_fused_attention_moves_less() -> None:
    fused, apart = (answer("bert-base", stack=Stack(fused_attention=f), bind={"seq": 512}) for f in (True, False))
    assert fused.bytes < apart.bytes
    assert fused.memory.workspace < apart.memory.workspace


def test_tf32_is_for_chips_that_have_it() -> None:
    plain, fast = (answer("resnet50", stack=Stack(tf32=t), batch=64) for t in (False, True))
    assert (plain.dtype, fast.dtype) == ("fp32", "tf32")
    assert seconds(fast) < seconds(plain)
    assert fast.bytes == plain.bytes
    old = [answer("resnet50", chip="gtx-980", stack=Stack(tf32=t), batch=8) for t in (False, True)]
    assert old[0].dtype == old[1].dtype == "fp32"
    assert old[0].seconds == old[1].seconds
    # halves stay halves
    half = precision("fp16")
    assert with_tf32(half, specs.load_chip(CHIP), Stack(tf32=True)) == half


# The answer ------------------------------------------------------------------------------------------------------


def test_the_answer_in_json_says_how_it_ran() -> None:
    step = answer("mlp", training(optimizer="adamw", accumulate=2), batch=64).to_dict()
    text = json.loads(json.dumps(step, allow_nan=False))
    assert text["mode"] == "training"
    assert set(text["phases"]) == {"forward", "backward", "optimizer"}
    assert sum(text["phases"].values()) == pytest.approx(text["seconds"]["middle"])
    assert text["run"]["mode"] == "training"
    assert text["run"]["recipe"]["optimizer"] == "adamw"
    assert text["run"]["recipe"]["accumulate"] == 2
    assert {layer["phase"] for layer in text["layers"]} == {"forward", "backward", "optimizer"}
    parts = [
        text["memory"][name] for name in ("weights", "gradients", "optimizer", "activations", "workspace", "cache")
    ]
    assert sum(parts) == text["memory"]["total"]
    once = answer("mlp", Run(weights="int8", loader_rate=1000.0), dtype="fp16").to_dict()
    assert once["run"]["recipe"] is None
    assert (once["run"]["weights"], once["run"]["loader_rate"]) == ("int8", 1000.0)
    assert set(once["phases"]) == {"forward", "waiting"}  # for the loader


def test_a_net_without_a_batch_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "alone.yaml"
    path.write_text("title: a\nsource: b\ninputs: {x: [4, 8]}\nlayers:\n  - fc: {op: linear, out: 4}\n")
    assert answer(specs.load_network(path), training()).batch == 1
    with pytest.raises(UsageError, match="has no batch, so it cannot be split"):
        answer(specs.load_network(path), training(accumulate=2))
