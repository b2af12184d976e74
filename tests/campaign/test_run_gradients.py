"""What is measured as a gradient is the gradient: the same numbers as autograd's."""

from collections.abc import Mapping
from typing import Any

import pytest

from roofline.core.dtype import precision
from roofline.errors import Unsupported
from roofline.lowering import part_kernels

torch = pytest.importorskip("torch")

IMAGE, ROWS = ((2, 8, 12, 12),), ((6, 32),)
CASES: list[tuple[str, Mapping[str, Any], tuple[tuple[int, ...], ...], str]] = [
    ("linear", {"out": 16, "bias": False}, ((3, 5, 32),), "data"),
    ("linear", {"out": 16, "bias": False}, ((3, 5, 32),), "weights"),
    ("linear", {"out": 16}, ROWS, "backward"),
    ("matmul", {"transpose_b": True}, ((4, 6, 8), (4, 5, 8)), "data"),
    ("conv2d", {"out": 8, "kernel": 3, "padding": 1, "bias": False}, IMAGE, "data"),
    ("conv2d", {"out": 8, "kernel": 3, "padding": 1, "bias": False}, IMAGE, "weights"),
    ("conv2d", {"out": 8, "kernel": 3, "padding": 1, "groups": 8, "bias": False}, IMAGE, "backward"),
    ("attention", {"causal": True}, ((1, 2, 16, 8),) * 3, "backward"),
    ("layer_norm", {}, ROWS, "backward"),
    ("batch_norm", {"tracked": False}, IMAGE, "backward"),
    ("softmax", {}, ROWS, "data"),
    ("relu", {"inplace": True}, ROWS, "data"),
    ("gelu", {}, ROWS, "data"),
    ("add", {}, ((6, 32), (32,)), "data"),
    ("max_pool2d", {"kernel": 2, "stride": 2}, IMAGE, "data"),
    ("embedding", {"entries": 50, "features": 8}, ((4, 6),), "backward"),
    ("dropout", {"percent": 10}, ROWS, "data"),
    ("cross_entropy", {}, ROWS, "data"),
    ("mean_squares", {}, ROWS, "data"),
]


@pytest.mark.parametrize(("op", "attributes", "inputs", "part"), CASES)
def test_nodes_called_by_hand_give_what_autograd_gives(
    op: str, attributes: Mapping[str, Any], inputs: tuple[tuple[int, ...], ...], part: str, monkeypatch: Any
) -> None:
    from roofline.campaign import run_gradients
    from roofline.campaign.run import Pool, build_calls

    wanted: list[Any] = []

    def checked(torch: Any, forward: Any, asked: None) -> Any:
        """Runs the operator once more under autograd, with the same gradient of its result."""
        kept = forward()
        first = kept[0] if isinstance(kept, tuple) else kept
        torch.manual_seed(1)
        given = torch.randn_like(first)
        leaves = [leaf for leaf in _leaves(first.grad_fn) if leaf.requires_grad]
        wanted.extend(g for g in torch.autograd.grad(first, leaves, given, retain_graph=True) if g is not None)
        torch.manual_seed(1)
        return plain(torch, lambda: kept)

    plain = run_gradients.backward_call
    monkeypatch.setattr(run_gradients, "backward_call", checked)
    pool = Pool.create(1 << 18, dtype=torch.float32, device="cpu")
    with torch.inference_mode():
        call = next(build_calls(op, attributes, inputs, device="cpu", pool=pool, part=part))
        for _ in range(2):  # again and again from one graph
            made = call()
    made = made if isinstance(made, list | tuple) else [made]
    found = sorted(float(g.double().pow(2).sum()) for g in made if g is not None)
    assert wanted
    assert found == pytest.approx(sorted(float(g.double().pow(2).sum()) for g in wanted), rel=1e-5)
    assert part_kernels(op, attributes, inputs, precision("fp32"), part)  # and the operators know that part


@pytest.mark.parametrize("op", ["rnn", "gru", "lstm"])
def test_recurrent_layers_train_as_they_do_in_a_net(op: str) -> None:
    """Many steps: thousands of nodes, which only the engine walks through."""
    from roofline.campaign.run import Pool, build_calls

    pool = Pool.create(1 << 18, dtype=torch.float32, device="cpu")
    asked = {"device": "cpu", "pool": pool}
    with torch.inference_mode():
        output, _ = next(build_calls(op, {"hidden": 8}, ((2, 400, 4),), part="training", **asked))()[:2]
        backward = next(build_calls(op, {"hidden": 8}, ((2, 400, 4),), part="backward", **asked))
        gradients = [made.shape for _ in range(2) for made in backward()]
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[op]
    assert output.grad_fn is not None  # what the backward needs was kept
    assert gradients == [(2, 400, 4), (gates * 8, 4), (gates * 8, 8), (gates * 8,), (gates * 8,)] * 2


def _leaves(node: Any) -> list[Any]:
    if node is None:
        return []
    if hasattr(node, "variable"):
        return [node.variable]
    found: dict[int, Any] = {}
    for after, _ in node.next_functions:
        found |= {id(leaf): leaf for leaf in _leaves(after)}
    return list(found.values())


def test_without_anything_to_learn_there_is_no_gradient() -> None:
    from roofline.campaign.run_gradients import backward_call

    with pytest.raises(Unsupported, match="has a gradient"):
        backward_call(torch, lambda: torch.ones(3))


@pytest.mark.parametrize(("name", "states"), [("sgd", 0), ("momentum", 1), ("adam", 2), ("adamw", 2)])
def test_optimizers_step_on_every_parameter_with_all_they_keep(name: str, states: int) -> None:
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from roofline.campaign.run import Pool, build_calls

    seen: list[Any] = []
    hook = register_optimizer_step_post_hook(lambda optimizer, *rest: seen.append(optimizer))
    pool = Pool.create(1 << 18, dtype=torch.float32, device="cpu")
    shapes = ((16, 8), (16, 8))
    with torch.inference_mode():
        steps = build_calls(name, {"implementation": "loop"}, shapes, device="cpu", pool=pool)
        before = len({id(one) for one in seen})
        for _ in range(3):
            next(steps)()
    hook.remove()
    assert before == 0
    assert len({id(one) for one in seen[-3:]}) == 3  # a set of its own for each call
    parameters = seen[-1].param_groups[0]["params"]
    assert [tuple(p.shape) for p in parameters] == list(shapes)
    kept = [value for value in seen[-1].state[parameters[0]].values() if torch.is_tensor(value) and value.dim()]
    assert len(kept) == states
