"""Which network does an argument mean? A name, a path, a value or a PyTorch module becomes a network, with
its notes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from roofline import specs
from roofline.core.network import Network
from roofline.core.workload import Workload
from roofline.errors import UsageError
from roofline.frontends import open_net, trace


def network_of(workload: Any, inputs: Any = None, *, mode: str = "inference") -> Network | Workload:
    """The network that an argument of a public function means.

    Parameters
    ----------
    workload : a name of :func:`roofline.specs.networks`; the path of a YAML file, of an ONNX model or of a
        ``config.json`` of Hugging Face; a :class:`Network`; or a ``torch.nn.Module``, which is traced.
    inputs : of a module only: see :func:`roofline.frontends.inputs.inputs_of`.
    mode : ``training`` traces a module as after ``train()``.

    Raises
    ------
    UsageError : a module without inputs, inputs without a module, or an unsupported type.
    UnknownName, SpecError : as :func:`roofline.load_network` does.
    MissingExtra : a module, and torch is not installed.
    """
    if isinstance(workload, Network | Workload):
        return _without(inputs, workload, workload.name)
    if isinstance(workload, str | Path):
        if str(workload).endswith((".json", ".onnx")):
            return _without(inputs, open_net(str(workload)), str(workload))
        if ":" in str(workload) and inputs is not None:
            return trace(str(workload), inputs, mode=mode)
        return _without(inputs, specs.load_network(workload), str(workload))
    if not callable(workload):
        raise UsageError(
            f"network: expected a name, a path, a Network or a torch.nn.Module, got {type(workload).__name__}"
        )
    if inputs is None:
        raise UsageError(
            f"{type(workload).__name__} is a PyTorch module, which needs its inputs: "
            "inputs=['batch=32x3x224x224'], or example tensors"
        )
    return trace(workload, inputs, mode=mode)


def _without(inputs: Any, network: Network | Workload, name: str) -> Network | Workload:
    if inputs is not None:
        raise UsageError(f"inputs belong to a PyTorch module; {name} has its own, set their sizes with batch and bind")
    return network


def notes_of(network: Network | Workload) -> tuple[str, ...]:
    """The notes of the reader or tracer about a network."""
    return network.notes if isinstance(network, Network) else ()


def unbound(network: Network | Workload) -> Network:
    """The network with free symbols.

    Raises
    ------
    UsageError : a workload that is already bound.
    """
    if isinstance(network, Workload):
        raise UsageError(f"{network.name} is bound already; give the network instead")
    return network
