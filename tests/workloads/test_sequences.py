"""Do sequence nets, the recommender and the hashes do the work that papers, PyTorch and miners say they do?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roofline.core.attention import square
from roofline.core.dtype import precision
from roofline.core.schedule import KINDS
from roofline.core.workload import Workload
from roofline.lowering import build, check, lower, memory_of
from roofline.operators import operator_named
from roofline.prediction.predict import predict
from roofline.specs.netfile import load_network

WORKLOADS = Path(__file__).parents[2] / "workloads"

EXACT = {
    # checkpoints on Hugging Face: bert-large-uncased has 335,141,888 with the pooler's 1024 x 1024 + 1024
    "bert-large": 335_141_888 - 1_049_600,
    "distilbert": 66_362_880,
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "opt-1.3b": 1_315_758_080,
    "llama-2-7b": 6_738_415_616,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "mixtral-8x7b": 46_702_792_704,
    "vit-b-16": 86_567_656,  # torchvision
    "gnmt": 160_671_297,  # MLPerf, as NVIDIA's Apex tests its optimizer with
    # words and output 10,000 x 650 x 2 + 10,000, two layers of 4 x 650 x (650 + 650 + 2)
    "lstm": 13_010_000 + 2 * 2600 * 1302,
    # Criteo terabyte with at most 40 million rows: 187,767,399 rows of 128, and 2,368,897 in the dense part
    "dlrm": 187_767_399 * 128 + 2_368_897,
}

PUBLISHED = {
    "gpt3-2.7b": 2.65e9,  # Brown et al., arXiv:2005.14165, table D.1; the name rounds up
    "lstm": 20e6,  # Merity et al., arXiv:1609.07843, table 2
    "dlrm": 24e9,  # MLPerf training: about 100 GB in fp32
}

SIZES: dict[str, dict[str, int]] = {  # smaller where all of it would only take longer
    "bert-large": {"layers": 3},
    "gpt2": {"layers": 3},
    "gpt2-medium": {"layers": 2},
    "gpt2-large": {"layers": 2},
    "gpt2-xl": {"layers": 2},
    "gpt3-2.7b": {"layers": 2},
    "opt-1.3b": {"layers": 2},
    "llama-2-7b": {"layers": 2},
    "llama-3-8b": {"layers": 2},
    "llama-3-70b": {"layers": 2},
    "mixtral-8x7b": {"layers": 2},
    "gnmt": {"source_length": 5, "target_length": 7},
    "lstm": {"seq": 6},
}

NETS = sorted({*EXACT, *PUBLISHED})
DECODERS = ("gpt2", "opt-1.3b", "llama-2-7b", "llama-3-8b", "mixtral-8x7b")


def load(name: str, dtype: str = "fp32", **symbols: int) -> Workload:
    return build(load_network(WORKLOADS / f"{name}.yaml"), symbols, precision(dtype))


def matrix_flops(workload: Workload) -> float:
    schedule = lower(workload)
    flops = schedule.all_flops * square(schedule)  # the counter takes no notice of a mask
    return float(flops[schedule.kind == KINDS.index("matmul")].sum())


def written_twice(name: str) -> Any:
    """The net once more, in PyTorch, with the sizes of :data:`SIZES`."""
    from workloads import modules_sequences as modules

    layers = SIZES.get(name, {}).get("layers", 0)
    tables = [node.attributes["entries"] for node in load("dlrm").nodes if node.op == "embedding_bag"]
    made: dict[str, Callable[[], Any]] = {
        "bert-large": lambda: modules.Bert(1024, 16, layers, types=2),
        "distilbert": lambda: modules.Bert(768, 12, 6, types=0),
        "vit-b-16": modules.Vit,
        "gpt2": lambda: modules.Gpt(768, 12, layers, 1024),
        "gpt2-medium": lambda: modules.Gpt(1024, 16, layers, 1024),
        "gpt2-large": lambda: modules.Gpt(1280, 20, layers, 1024),
        "gpt2-xl": lambda: modules.Gpt(1600, 25, layers, 1024),
        "gpt3-2.7b": lambda: modules.Gpt(2560, 32, layers, 2048),
        "opt-1.3b": lambda: modules.Gpt(2048, 32, layers, 2050, vocabulary=50272),
        "llama-2-7b": lambda: modules.Llama(4096, 32, 32, 11008, layers, 32000),
        "llama-3-8b": lambda: modules.Llama(4096, 32, 8, 14336, layers, 128256),
        "llama-3-70b": lambda: modules.Llama(8192, 64, 8, 28672, layers, 128256),
        "mixtral-8x7b": lambda: modules.Llama(4096, 32, 8, 14336, layers, 32000, experts=8),
        "lstm": modules.WordLstm,
        "gnmt": modules.Gnmt,
        "dlrm": lambda: modules.Dlrm(tables),
    }
    return made[name]()


@pytest.mark.parametrize(("name", "count"), EXACT.items())
def test_parameters(name: str, count: int) -> None:
    assert load(name).parameters == count


@pytest.mark.parametrize(("name", "count"), PUBLISHED.items())
def test_published_parameters(name: str, count: float) -> None:
    assert load(name).parameters == pytest.approx(count, rel=0.02 if name == "lstm" else 0.01)


def test_published_work() -> None:
    # torchvision: 17.56 G multiply-adds for one image
    assert matrix_flops(load("vit-b-16", batch=1)) / 2 == pytest.approx(17.56e9, rel=0.01)
    # Jiang et al.: 12.9 B parameters are active for a token; a product does two operations with each of them,
    # and the table of words is only looked into
    active = 12.9e9 - 32000 * 4096
    assert matrix_flops(load("mixtral-8x7b", seq=1)) / 2 == pytest.approx(active, rel=0.01)
    # all but the words' table and the norms of Llama 2 is multiplied with every token
    weights = 6_738_415_616 - 32000 * 4096 - 65 * 4096
    attention = 2 * 32 * 4096 * 1  # per layer: queries with one key, weights with one value
    assert matrix_flops(load("llama-2-7b", seq=1)) / 2 == weights + attention


@pytest.mark.parametrize("name", NETS)
def test_the_net_in_torch_has_as_many_parameters_and_does_as_much(name: str) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    workload = load(name, batch=2, **SIZES.get(name, {}))
    with torch.device("meta"), torch.no_grad():
        module = written_twice(name).eval()
        kinds = {"int": torch.int64, "float": torch.float32}
        tensors = [workload.tensors[source] for source in workload.inputs]
        inputs = [torch.empty(tensor.shape, dtype=kinds[tensor.dtype.kind]) for tensor in tensors]
        with FlopCounterMode(display=False) as counter:
            result = module(*inputs)
    assert sum(weight.numel() for weight in module.parameters()) == workload.parameters
    assert tuple(result.shape) == workload.tensors[workload.outputs[0]].shape
    assert matrix_flops(workload) == pytest.approx(counter.get_total_flops(), rel=0.01)


@pytest.mark.parametrize("name", NETS)
def test_every_net_can_be_trained_through(name: str) -> None:
    for node in load(name).nodes:
        assert operator_named(node.op).backward is not None, node.op


@pytest.mark.parametrize(
    ("name", "per_token"),
    [
        ("gpt2", 2 * 12 * 768 * 2),
        ("llama-2-7b", 512 * 1024),  # keys and values, 32 layers, 4096 numbers of two bytes
        ("llama-3-8b", 128 * 1024),  # a quarter: 8 heads of keys for 32 of queries
        ("llama-3-70b", 320 * 1024),
        ("mixtral-8x7b", 128 * 1024),
    ],
)
def test_cache_of_one_token(name: str, per_token: int) -> None:
    workload = load(name, "fp16", batch=3, seq=1, context=100)
    memory = memory_of(workload)
    assert memory.cache == 3 * 101 * per_token
    # it is no activation: what is alive is small beside it
    assert memory.activations < 0.1 * memory.cache
    # one step writes one token
    schedule = lower(workload)
    rows = np.array(schedule.op_labels()) == "kv_cache"
    assert schedule.writes[rows].sum() == 3 * per_token
    assert schedule.weights[rows].sum() == 0


@pytest.mark.parametrize("name", DECODERS)
def test_a_prompt_at_once_is_as_much_work_as_token_by_token(name: str) -> None:
    length, sizes = 8, {"layers": 2, "batch": 2}

    def work(**symbols: int) -> tuple[float, float]:
        schedule = lower(load(name, **sizes, **symbols))
        products = schedule.kind == KINDS.index("matmul")
        attention = schedule.in_family("attention")
        return float(schedule.flops[products & ~attention].sum()), float(schedule.flops[attention].sum())

    whole, half = work(seq=length), [work(seq=1, context=past) for past in range(length)]
    assert whole[0] == sum(step[0] for step in half)
    assert whole[1] == sum(step[1] for step in half)  # 1 + 2 + ... + 8 keys


@pytest.mark.parametrize("name", DECODERS)
def test_scores_are_computed_where_they_are_asked_for(name: str) -> None:
    every, last = (load(name, layers=1, seq=16, logits=count) for count in (16, 1))
    head = every.tensors["head"]
    assert last.tensors["head"].shape == (1, 1, head.shape[-1])
    rows = every.tensors["last"].shape[-1]
    assert matrix_flops(every) - matrix_flops(last) == 15 * 2 * head.shape[-1] * rows


def test_a_step_reads_the_experts_of_its_tokens() -> None:
    one, many = (lower(load("mixtral-8x7b", "fp16", layers=1, seq=count)) for count in (1, 512))
    expert = 3 * 4096 * 14336 * 2
    for schedule, experts in ((one, 2), (many, 8)):
        rows = schedule.batch == experts
        assert schedule.weights[rows & (schedule.kind == KINDS.index("matmul"))].sum() == pytest.approx(
            experts * expert, rel=1e-6
        )


def test_what_extends_another_has_its_layers() -> None:
    small, large = load_network(WORKLOADS / "gpt2.yaml"), load_network(WORKLOADS / "gpt2-xl.yaml")
    assert large.name == "gpt2-xl"
    assert (large.layers, large.blocks, large.inputs) == (small.layers, small.blocks, small.inputs)
    assert large.bind({})["head"] == 64
    assert load_network(WORKLOADS / "llama-3-70b.yaml").recipe == str(WORKLOADS / "llama-2-7b.yaml")


def test_hashes_are_what_they_are_made_of() -> None:
    for name in ("sha-256d", "ethash"):
        assert check(load_network(WORKLOADS / f"{name}.yaml")) == []
    (sha,) = lower(load("sha-256d", batch=1000))
    # a round 24, a word 13: 122 and 91 of them, and 9 sums
    assert (sha.flops, sha.precision, sha.family) == (1000 * 4120, "int32", "opaque")
    # a header by itself: three compressions of 64 rounds, 48 words and 8 sums
    (whole,) = lower(load("sha-256d", batch=1, rounds=192, words=144, sums=24))
    assert whole.flops == 3 * 2168
    (page,) = lower(load("ethash", batch=1000))
    assert (page.kind, page.m, page.k) == ("gather", 64_000, 128)
    assert (page.reads, page.flops) == (1000 * 8192, 1000 * 16_880)


@pytest.mark.parametrize(
    ("chip", "net", "measured", "limit"),
    [
        # miners' own figures: 20 to 22 and 37 to 40 million a second; 224 and 448 GB/s over 8 KiB
        ("gtx-980", "ethash", 21e6, 224e9 / 8192),
        ("rtx-2070", "ethash", 40e6, 448e9 / 8192),
        # about a thousand million; 2048 lanes of two operations at 1.216 GHz over 4120
        ("gtx-980", "sha-256d", 1.0e9, 2 * 2048 * 1.216e9 / 4120),
    ],
)
def test_no_miner_is_faster_than_the_limit(chip: str, net: str, measured: float, limit: float) -> None:
    prediction = predict(chip, net, calibration="none")
    assert prediction.samples_per_s == pytest.approx(limit, rel=1e-3)
    assert measured < prediction.samples_per_s < 1.5 * measured
