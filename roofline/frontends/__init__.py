"""How does a network without a workload file get in? As a PyTorch module, an ONNX file, or a ``config.json``.

``trace`` runs a module on tensors without values; ``from_config`` and ``from_onnx`` read files and execute nothing. All
return a :class:`~roofline.core.network.Network`. Nothing here is imported before it is needed.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

from roofline.core.network import Network
from roofline.errors import MissingExtra
from roofline.frontends.inputs import Input, inputs_of

__all__ = ["Input", "load", "open_net", "trace"]


def trace(model: Any, inputs: Any, *, mode: str = "inference", name: str = "", proposals: int = 0) -> Network:
    """The network of a PyTorch module, which can be predicted, shown, changed and saved like one from a file.

    Parameters
    ----------
    model : a ``torch.nn.Module``, its class, a function that makes one, or ``"package.module:factory"``. Its code runs
        in this process, on tensors with shapes and no values.
    inputs : such as ``["32x3x224x224:float32"]`` or ``["ids:batch=8xseq=128:int64"]``, shapes, or example tensors; see
        :func:`roofline.frontends.inputs.inputs_of`.
    mode : ``training`` traces the module as after ``train()``. Gradients, optimizer and host follow from the operators
        when it is predicted with ``run=Run("training", Recipe("adamw"))``.
    name : of the network.
    proposals : how many boxes a detector keeps, and of anything else whose number depends on data; 0 refuses models
        that read data.

    Raises
    ------
    UsageError : what is wrong with the model or its inputs, and how to fix it.
    MissingExtra : torch is not installed.
    """
    traced: Network = load().trace(model, inputs_of(inputs), mode=mode, name=name, proposals=proposals).network
    return traced


def load() -> Any:
    """The module that traces, which needs torch; raises :class:`MissingExtra` without it."""
    try:
        import_module("torch")
    except ImportError:
        raise MissingExtra("tracing a PyTorch model", "torch") from None
    return import_module("roofline.frontends.pytorch.tracing")


def open_net(path: str) -> Network:
    """The network of a ``config.json`` or an ``.onnx`` file, and its notes. Nothing is executed.

    Raises
    ------
    UsageError, SpecError : what is wrong with the file.
    """
    if path.endswith(".onnx"):
        from roofline.frontends.onnx.files import from_onnx

        network, notes = from_onnx(path)
    else:
        from roofline.frontends.huggingface import from_config

        network, notes = from_config(path)
    return replace(network, notes=notes)
