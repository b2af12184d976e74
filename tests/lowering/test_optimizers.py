"""Passes, launches and bytes of optimizers by hand, and the passes that torch.optim really makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline.core.dtype import dtype, precision
from roofline.core.run import IMPLEMENTATIONS, Implementation, OptimizerName, Recipe
from roofline.core.schedule import Kernel
from roofline.core.stack import Stack
from roofline.core.workload import Tensor
from roofline.errors import UnknownName, UsageError
from roofline.lowering import lower_training, single, training_step
from roofline.lowering.optimizers import FUSED, PASSES, optimizer_kernels, temporaries

NAMES: tuple[OptimizerName, ...] = ("sgd", "momentum", "adam", "adamw")
ARRAYS = {"sgd": (2, 1), "momentum": (5, 3), "adam": (11, 7), "adamw": (12, 8)}
"""Arrays of the size of the parameters that all passes together read and write."""


def tensors(*sizes: int, stored: str = "fp32") -> list[Tensor]:
    return [Tensor(f"w{index}", (size,), dtype(stored), "weight") for index, size in enumerate(sizes)]


def kernels(
    name: OptimizerName, implementation: Implementation, parameters: Sequence[Tensor], unscale: bool = False
) -> list[Kernel]:
    return list(optimizer_kernels(parameters, Recipe(name), implementation, layer=7, unscale=unscale))


def launches(found: Sequence[Kernel]) -> int:
    return sum(k.repeats for k in found)


def moved(found: Sequence[Kernel]) -> tuple[float, float]:
    return sum(k.reads * k.repeats for k in found), sum(k.writes * k.repeats for k in found)


def test_sgd_by_hand() -> None:
    # p -= lr g: 8 numbers, two read and one written
    (k,) = kernels("sgd", "loop", tensors(8))
    assert (k.family, k.op, k.phase, k.layer, k.elements) == ("elementwise", "add_", "optimizer", 7, 8)
    assert (k.reads, k.weights, k.writes, k.flops, k.precision) == (64, 0, 32, 16, "fp32")


def test_adam_by_hand() -> None:
    found = kernels("adam", "loop", tensors(8))
    # m = lerp(m, g); v *= b; v += g g; sqrt(v); / correction; + eps; p -= m / it
    assert [(k.op, k.reads / 32, k.writes / 32) for k in found] == [
        ("lerp_", 2, 1),
        ("mul_", 1, 1),
        ("addcmul_", 2, 1),
        ("sqrt_", 1, 1),
        ("div_", 1, 1),
        ("add_", 1, 1),
        ("addcdiv_", 3, 1),
    ]
    # weight decay first
    decayed = kernels("adamw", "loop", tensors(8))
    assert decayed[0].op == "mul_"
    assert decayed[1:] == found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("implementation", ["loop", "foreach"])
def test_loop_and_foreach_move_the_same(name: OptimizerName, implementation: Implementation) -> None:
    reads, writes = ARRAYS[name]
    assert moved(kernels(name, implementation, tensors(100, 20, 3))) == (reads * 123 * 4, writes * 123 * 4)


@pytest.mark.parametrize(
    ("name", "reads", "writes"),
    [("sgd", 2, 1), ("momentum", 3, 2), ("adam", 4, 3), ("adamw", 4, 3)],
)
def test_fused_reads_and_writes_everything_once(name: OptimizerName, reads: int, writes: int) -> None:
    # parameter, gradient and states in; parameter and states out
    (k,) = kernels(name, "fused", tensors(100, 20, 3))
    assert (k.op, k.repeats, moved([k])) == (f"fused_{name}", 1, (reads * 123 * 4, writes * 123 * 4))


@pytest.mark.parametrize(("name", "passes"), [("sgd", 1), ("momentum", 3), ("adam", 7), ("adamw", 8)])
def test_launches_of_a_small_net(name: OptimizerName, passes: int) -> None:
    few = tensors(*[100] * 10)
    assert launches(kernels(name, "loop", few)) == 10 * passes
    assert launches(kernels(name, "foreach", few)) == passes
    assert launches(kernels(name, "fused", few)) == 1


def test_a_launch_takes_so_many_tensors_and_so_many_blocks() -> None:
    # sgd walks over two lists: 64 tensors a launch
    assert launches(kernels("sgd", "foreach", tensors(*[10] * 64))) == 1
    assert launches(kernels("sgd", "foreach", tensors(*[10] * 65))) == 2
    # fused Adam over four: 36
    assert launches(kernels("adam", "fused", tensors(*[10] * 72))) == 2
    assert launches(kernels("adam", "fused", tensors(*[10] * 73))) == 3
    # 320 blocks of 65,536 numbers
    assert launches(kernels("sgd", "foreach", tensors(320 * 65_536))) == 1
    assert launches(kernels("sgd", "foreach", tensors(320 * 65_536 + 1))) == 2
    (k,) = kernels("sgd", "foreach", tensors(640 * 65_536))
    assert (k.repeats, k.elements, k.reads, k.flops) == (2, 320 * 65_536, 2 * 320 * 65_536 * 4, 2 * 320 * 65_536)


@given(
    st.lists(st.integers(1, 10_000_000), min_size=1, max_size=200),
    st.sampled_from(NAMES),
    st.sampled_from(["foreach", "fused"]),
)
def test_lists_launch_less_and_move_no_more_than_a_loop(
    sizes: list[int], name: OptimizerName, implementation: Implementation
) -> None:
    parameters = tensors(*sizes)
    loop, lists = kernels(name, "loop", parameters), kernels(name, implementation, parameters)
    blocks = sum(-(-size // 65_536) for size in sizes)
    assert len(lists) <= launches(lists) <= len(lists) * (1 + len(sizes) // 30 + blocks // 320)
    assert moved(lists)[0] <= moved(loop)[0] * (1 + 1e-9)
    if implementation == "foreach":
        assert moved(lists) == pytest.approx(moved(loop))
        flops = [sum(k.flops * k.repeats for k in found) for found in (lists, loop)]
        assert flops[0] == pytest.approx(flops[1])


def test_fp16_gradients_are_divided_by_the_loss_scale_first() -> None:
    first, *rest = kernels("adam", "fused", tensors(100, 20), unscale=True)
    assert (first.op, first.repeats, first.reads, first.writes) == ("unscale", 1, 480, 480)
    assert rest == kernels("adam", "fused", tensors(100, 20))
    for name, pure, expected in (("fp16", False, 1), ("fp16", True, 0), ("bf16", False, 0), ("fp32", False, 0)):
        work = single("linear", {"out": 4}, [(2, 8)], precision(name))
        step = training_step(work, Recipe("adam", pure=pure), Stack(), cuda=True)
        assert [k.op for k in lower_training(step)].count("unscale") == expected


def test_sixteen_bits_move_half() -> None:
    for implementation in IMPLEMENTATIONS:
        wide, narrow = (moved(kernels("adamw", implementation, tensors(100, 20, stored=s))) for s in ("fp32", "bf16"))
        assert wide == (2 * narrow[0], 2 * narrow[1])
    # mixed precision keeps fp32 weights, gradients and states; pure keeps all in 16 bits
    work = single("linear", {"out": 4, "bias": False}, [(2, 8)], precision("bf16"))
    for pure, size in ((False, 4), (True, 2)):
        step = training_step(work, Recipe("sgd", "fused", pure=pure), Stack(), cuda=True)
        assert list(lower_training(step))[-1].reads == 2 * 32 * size


def test_temporaries() -> None:
    parameters = tensors(100, 20)
    for name in NAMES:
        for implementation in IMPLEMENTATIONS:
            expected = 0.0
            if name.startswith("adam") and implementation != "fused":
                expected = 2 * 400.0 if implementation == "loop" else 480.0
            assert temporaries(parameters, Recipe(name), implementation) == expected


def test_no_optimizer_stops_at_the_gradients() -> None:
    work = single("linear", {"out": 4}, [(2, 8)])
    phases = [k.phase for k in lower_training(training_step(work, Recipe("none"), Stack(), cuda=True))]
    assert set(phases) == {"forward", "backward"}


def test_the_default_is_foreach_on_gpus_and_a_loop_elsewhere() -> None:
    work = single("linear", {"out": 4}, [(2, 8)])
    last = [list(lower_training(training_step(work, Recipe("sgd"), Stack(), cuda=gpu)))[-1].op for gpu in (True, False)]
    assert last == ["foreach_add", "add_"]


def test_recipes_are_checked() -> None:
    with pytest.raises(UnknownName, match="did you mean adam"):
        Recipe("adan")  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="did you mean foreach"):
        Recipe("adam", "forech")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="accumulate is 0"):
        Recipe(accumulate=0)


# What PyTorch does -----------------------------------------------------------------------------------------------


def called(name: OptimizerName, implementation: Implementation) -> list[str]:
    """What the second step of a real optimizer of two parameters calls, beside bookkeeping of the step number."""
    torch = pytest.importorskip("torch")
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    found: list[str] = []

    class Log(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            touched = [value for value in tree_leaves(args) if isinstance(value, torch.Tensor)]
            if any(tensor.numel() > 1 for tensor in touched):
                found.append(call.overloadpacket.__name__)
            return call(*args, **(kwargs or {}))

    parameters = [torch.nn.Parameter(torch.randn(size)) for size in (5, 7)]
    how: dict[str, Any] = {"foreach": implementation == "foreach", "fused": implementation == "fused", "lr": 0.1}
    optimizer = {
        "sgd": lambda: torch.optim.SGD(parameters, **how),
        "momentum": lambda: torch.optim.SGD(parameters, momentum=0.9, **how),
        "adam": lambda: torch.optim.Adam(parameters, **how),
        "adamw": lambda: torch.optim.AdamW(parameters, **how),
    }[name]()
    for _ in range(2):  # the first step makes the states
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        found.clear()
        with Log():
            optimizer.step()
    return found


@pytest.mark.parametrize("name", NAMES)
def test_pytorch_makes_the_same_passes(name: OptimizerName) -> None:
    passes = [name for name, *_ in PASSES[name]]
    loop = called(name, "loop")
    assert len(loop) == launches(kernels(name, "loop", tensors(5, 7)))
    assert [call.rstrip("_") for call in loop] == 2 * passes
    foreach = called(name, "foreach")
    assert len(foreach) == launches(kernels(name, "foreach", tensors(5, 7)))
    assert [call.removeprefix("_foreach_").rstrip("_") for call in foreach] == passes


@pytest.mark.parametrize("name", NAMES)
def test_pytorch_fuses_into_one(name: OptimizerName) -> None:
    assert len(called(name, "fused")) == 1
    assert set(FUSED) == set(PASSES)
