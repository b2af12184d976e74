"""How does a net get in that nobody wrote a file for? A PyTorch module, an ONNX file, a ``config.json``.

``trace`` runs a module on tensors without numbers; ``from_config`` and ``from_onnx`` read files and execute nothing.
All give a :class:`~roofline.core.network.Network`. Nothing here is imported before it is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from roofline.core.network import Network
from roofline.errors import MissingExtra
from roofline.frontends.inputs import Input

__all__ = ["Input", "load", "open_net", "trace"]


def trace(model: Any, inputs: Sequence[Input | str], *, mode: str = "inference", name: str = "") -> Network:
    """The net of a PyTorch module, to be predicted, shown, changed and written down like one from a file.

    model : a ``torch.nn.Module``, its class, a function that makes one, or ``"package.module:factory"``. Its code
        runs in this process, on tensors that have shapes and no numbers.
    inputs : such as ``["32x3x224x224:float32"]`` or ``["ids:batch=8xseq=128:int64"]``.
    mode : ``training`` traces the module as after ``train()``. Gradients, optimizer and host follow from the
        operators when it is predicted with ``run=Run("training", Recipe("adamw"))``.

    Raises
    ------
    UsageError : what is wrong with the model or its inputs, and the way out.
    MissingExtra : torch is not installed.
    """
    traced: Network = load().trace(model, inputs, mode=mode, name=name).network
    return traced


def load() -> Any:
    """The module that traces, which needs torch; raises :class:`MissingExtra`."""
    try:
        import_module("torch")
    except ImportError:
        raise MissingExtra("tracing a PyTorch model", "torch") from None
    return import_module("roofline.frontends.pytorch.tracing")


def open_net(path: str) -> tuple[Network, tuple[str, ...]]:
    """The net of a ``config.json`` or an ``.onnx`` file, and what there is to say about it. Nothing is executed.

    Raises
    ------
    UsageError, SpecError : what is wrong with the file.
    """
    if path.endswith(".onnx"):
        from roofline.frontends.onnx.files import from_onnx

        return from_onnx(path)
    from roofline.frontends.huggingface import from_config

    return from_config(path)
