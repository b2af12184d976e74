"""One model of each kind that other libraries have: what it traces to."""

from __future__ import annotations

from typing import Any

import pytest

from roofline.errors import UsageError
from roofline.lowering import build, lower

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from roofline.core.schedule import KINDS  # noqa: E402
from roofline.frontends import trace  # noqa: E402


class Net(nn.Module):
    """A model from a function of itself and its inputs."""

    def __init__(self, run: Any, **parts: Any) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: Any) -> Any:
        return self.run(self, *inputs)


def products(make: Any, inputs: list[str], **options: Any) -> float:
    schedule = lower(build(trace(make, inputs, **options), {}))
    return float(schedule.all_flops[schedule.kind == KINDS.index("matmul")].sum())


def kinds(make: Any, inputs: list[str], **options: Any) -> set[str]:
    return {layer.op for layer in trace(make, inputs, **options).layers}


def linear() -> nn.Linear:
    return nn.Linear(16, 16, bias=False)


def test_images_of_two_sizes_share_no_symbol() -> None:
    network = trace(
        lambda: Net(lambda s, a, b: s.c(a).mean() + s.c(b).mean(), c=nn.Conv2d(3, 8, 3)), ["2x3x32x32", "2x3x16x16"]
    )
    assert {"image", "image2"} <= set(network.symbols)
    schedule = lower(build(network, {"image": 48, "image2": 21}))
    pixels = 46 * 46 + 19 * 19
    assert float(schedule.all_flops[schedule.kind == KINDS.index("matmul")].sum()) == 2 * 2 * pixels * 27 * 8


def test_fewer_rows_than_groups() -> None:
    """2 x 4 rows x 32 x 32, and the matrices of four groups alone are read."""

    def run(s: Any, x: Any, ends: Any) -> Any:
        return nn.functional.grouped_mm(x, s.weights, offs=ends)

    network = trace(lambda: Net(run, weights=nn.Parameter(torch.empty(16, 32, 32))), ["rows=4x32", "16:int32"])
    schedule = lower(build(network, {}))
    assert float(schedule.all_flops.sum()) == 2 * 4 * 32 * 32
    assert float((schedule.reads + schedule.weights).sum()) == 4 * (4 * 32 + 4 * 32 * 32)


def test_bilinear() -> None:
    assert products(lambda: nn.Bilinear(20, 30, 40), ["8x20", "8x30"]) == 2 * 8 * 40 * (20 * 30 + 30)


@pytest.mark.parametrize(
    "run",
    [
        lambda s, x: x * torch.histc(x, bins=16, min=-1, max=1),
        lambda s, x: torch.cdist(x, x),
        lambda s, x: torch.pdist(x),
        lambda s, x: torch.zeros_like(x).masked_scatter(x > 0, x),
        lambda s, x: torch.addr(x, x[:, 0], x[0]),
        lambda s, x: torch.logaddexp(x, x),
        lambda s, x: torch.cat([x] * 80),
        lambda s, x: nn.functional.avg_pool2d(x[None, None], 64, ceil_mode=True),
        lambda s, x: x * torch.div(x.size(0), 2, rounding_mode="trunc"),
    ],
)
def test_nothing_is_uncovered(run: Any) -> None:
    assert "uncovered" not in kinds(lambda: Net(run), ["8x16"])


def test_lazy_modules_get_their_shapes_from_the_inputs() -> None:
    made = nn.Sequential(nn.LazyConv2d(8, 3), nn.Flatten(), nn.LazyLinear(10))
    assert build(trace(made, ["2x3x8x8"]), {}).parameters == 3_114
    assert nn.parameter.is_lazy(made[0].weight)  # the model itself is as it was


def _masked(s: Any, x: Any, mask: Any) -> Any:
    x = s.linear(x)
    return x if not torch.compiler.is_exporting() and mask.all() else x * mask


def test_a_model_that_looks_at_its_mask_is_traced_as_for_export() -> None:
    make = lambda: Net(_masked, linear=linear())  # noqa: E731
    assert "mul" in kinds(make, ["8x16", "8x16:bool"])
    assert not torch.compiler.is_exporting()


def _checked(s: Any, x: Any) -> Any:
    x = s.linear(x)
    if torch.isinf(x).any() or torch.isnan(x).any() or (s.training and torch.rand([]) < 0.1):
        return x.clamp(-1, 1)
    return x


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_values_are_finite_and_layers_stay(mode: str) -> None:
    assert not {"clamp", "uncovered"} & kinds(lambda: Net(_checked, linear=linear()), ["8x16"], mode=mode)


def _detected(s: Any, x: Any) -> Any:
    scores = s.linear(x).flatten()
    kept = torch.where(scores > 0.5)[0]
    boxes = scores[kept][:, None].expand(-1, 16)
    return s.linear(boxes[boxes[:, 0] > 0])


def test_a_number_of_proposals_stands_for_what_data_decide() -> None:
    make = lambda: Net(_detected, linear=linear())  # noqa: E731
    with pytest.raises(UsageError, match="--proposals"):
        trace(make, ["64x16"])
    assert products(make, ["64x16"], proposals=100) == 2 * (64 + 100) * 16 * 16
    assert any("100 elements taken where data decide" in note for note in trace(make, ["64x16"], proposals=100).notes)
