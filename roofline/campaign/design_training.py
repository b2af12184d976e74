"""Which gradients and which optimizer steps are worth measuring? Drawn like forward passes, then reversed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from roofline.campaign.question import MAX_ELEMENTS, Point, Question

Draw = Callable[[Point], Question | None]


def gradient(draw: Draw, *parts: str) -> Draw:
    """Questions of ``draw`` about one of ``parts``: without biases, whose sums are separate kernels."""

    def turned(at: Point) -> Question | None:
        question = draw(at)
        if question is None:
            return None
        attributes = {name: value for name, value in question.attributes.items() if name != "inplace"}
        if "bias" in attributes:
            attributes["bias"] = False
        part = at.choose(parts)
        return replace(question, family=f"{question.family} gradient", attributes=attributes, part=part)

    return turned


def norm(draw: Draw) -> Draw:
    """Norms as a network in training runs them, and their backward."""

    def turned(at: Point) -> Question | None:
        question = draw(at)
        if question is None:
            return None
        if question.op == "batch_norm":  # one kernel: the counter of batches is another
            part = at.choose(["training", "backward"])
            return replace(question, family="norm gradient", attributes={"tracked": False}, part=part)
        return replace(question, family="norm gradient", part="backward")

    return turned


_STREAMS = (
    *("relu", "relu", "relu6", "gelu", "gelu_tanh", "tanh", "sigmoid", "silu", "mask", "scale"),
    *("add", "add", "mean", "dropout", "dropout", "dropout"),
)


def stream(at: Point) -> Question | None:
    """Gradients of elementwise functions, of broadcast inputs, of means and dropout."""
    rows, width = at.log_size(1, 4096), at.size(8, 8192)
    if rows * width > MAX_ELEMENTS // 2:
        return None
    shape = (rows, width)
    op = at.choose(_STREAMS)
    if op == "add":
        shape = (max(2, rows), width)
        return Question("reduction gradient", op, {}, (shape, (width,)), "data")
    if op == "dropout":
        part = at.choose(["training", "data"])
        return Question("elementwise gradient", op, {"percent": at.choose([10, 10, 25, 50])}, (shape,), part)
    inputs = (shape, shape) if op == "mask" else (shape,)
    return Question("elementwise gradient", op, {}, inputs, "data")


def loss(at: Point) -> Question | None:
    """Cross-entropy and its backward: two kernels each, so scored and not fitted."""
    rows, classes = at.log_size(1, 4096), at.choose([10, 100, 1000, 8192, 30522])
    if rows * classes > MAX_ELEMENTS // 2:
        return None
    return Question("softmax gradient", "cross_entropy", {}, ((rows, classes),), at.choose(["training", "data"]))


def optimizer(at: Point) -> Question | None:
    """One step over several equal parameters, which share the overhead of a step."""
    rows, width = at.size(1, 2048), at.size(16, 4096)
    count = at.choose([8, 16, 32])
    if rows * width * count > MAX_ELEMENTS // 2:
        return None
    op = at.choose(["sgd", "momentum", "adam", "adam", "adamw"])
    return Question("optimizer", op, {"implementation": "loop"}, ((rows, width),) * count)
