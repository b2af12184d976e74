"""How does a PyTorch module become a network? It runs at several sizes on tensors without values; the graphs are
compared.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.nn.modules import module as torch_module

from roofline.core.network import Network
from roofline.errors import UsageError
from roofline.frontends.inputs import Input, parse_input, resized, sizes_of, with_symbols
from roofline.frontends.pytorch import models
from roofline.frontends.pytorch.assemble import assemble
from roofline.frontends.pytorch.calls import tensors_in
from roofline.frontends.pytorch.folding import folded
from roofline.frontends.pytorch.formulas import HANDLERS
from roofline.frontends.pytorch.graph import Graph
from roofline.frontends.pytorch.ledger import Scope
from roofline.frontends.pytorch.recorder import ReadsNumbers, Recorder
from roofline.frontends.pytorch.shapes import QUICK
from roofline.frontends.pytorch.symbols import settle
from roofline.units import plural

_FORMATS = {
    "": torch.float32, "fp64": torch.float64, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16,
    "int64": torch.int64, "int32": torch.int32, "int16": torch.int16, "int8": torch.int8, "bool": torch.bool,
}  # fmt: skip


@dataclass(frozen=True)
class Traced:
    """A network, and notes on how it was found."""

    network: Network
    notes: tuple[str, ...] = ()
    uncovered: tuple[tuple[str, str], ...] = field(default=())
    """Operations without a formula, and the layers they became."""


def trace(model: Any, inputs: Sequence[Input | str], *, mode: str = "inference", name: str = "") -> Traced:
    """Run a module on tensors with shapes and no values, and record what it does.

    Parameters
    ----------
    model : a ``torch.nn.Module``, its class, a function that makes one, or ``"package.module:factory"``.
    inputs : such as ``"32x3x224x224:float32"`` (see :func:`.inputs.parse_input`).
    mode : ``inference`` traces the module as after ``eval()``, ``training`` as after ``train()``; gradients and
        optimizer follow from the operators when the network is predicted.

    Raises
    ------
    UsageError : what is wrong with the model or its inputs, and how to fix it.
    """
    if mode not in ("inference", "training"):
        raise UsageError(f"mode is {mode!r}; write inference or training")
    what = model if isinstance(model, str) else getattr(model, "__name__", type(model).__name__)
    if isinstance(model, str):
        model = models.find(model)
    module = models.module_of(model, what)
    if not what.replace("_", "a").replace(":", ".").replace(".", "a").isalnum():  # a lambda has no name
        what = type(module).__name__
    given = with_symbols([parse_input(one) if isinstance(one, str) else one for one in inputs])
    if not given:
        raise UsageError("a model needs inputs; add for example --input 32x3x224x224:float32")
    runs = _Runs(module, given, training=mode == "training")
    asked = sizes_of(given)
    settled = settle(asked, runs.at)
    title = f"{type(module).__name__}, traced" + (" in training" if mode == "training" else "")
    source = f"traced from {what} with PyTorch {torch.__version__.split('+')[0]}"
    network = folded(assemble(name or _plain(what), title, source, settled, asked))
    notes = (*settled.notes(asked), *runs.notes)
    unknown = (
        f"no formula for {kind}: layer {layer} counts as its inputs and outputs in bytes, without operations"
        for kind, layer in runs.uncovered
    )
    return Traced(replace(network, notes=(*notes, *unknown)), notes, tuple(runs.uncovered))


def _plain(what: str) -> str:
    return what.rpartition(":")[2].rpartition(".")[2].lower().replace("_", "-") or "model"


class _Runs:
    """One module at several sizes. ``notes`` are of the first run."""

    def __init__(self, module: Any, inputs: Sequence[Input], *, training: bool) -> None:
        self.module, self.inputs, self.training = module, inputs, training
        self.parameters = {name: _meta(value) for name, value in module.named_parameters(remove_duplicate=False)}
        self.buffers = {name: _meta(value) for name, value in module.named_buffers(remove_duplicate=False)}
        _share(module, self.parameters, self.buffers)
        self.notes: list[str] = []
        self.uncovered: list[tuple[str, str]] = []
        self.runs = 0

    def at(self, sizes: Mapping[str, int]) -> Graph:
        """The graph at these sizes."""
        first = self.runs == 0
        self.runs += 1
        recorder = Recorder(self.parameters, self.buffers, HANDLERS, QUICK)
        named, positional, keywords = self._arguments(sizes)
        for name, tensor in named:
            floating = tensor.is_floating_point()
            kind = (
                "" if floating else "bool" if tensor.dtype == torch.bool else str(tensor.dtype).removeprefix("torch.")
            )
            shape = tuple(int(size) for size in tensor.shape)
            recorder.bind(tensor, recorder.graph.source(name, shape, kind))
        functions: set[str] = set()
        out = self._run(recorder, positional, keywords, functions)
        graph = recorder.graph
        graph.outputs = _outputs(recorder, out, training=self.training)
        graph.prune()
        if first:
            self.uncovered = [entry for entry in recorder.uncovered if entry[1] in graph.tensors]
            self.notes += _remarks(recorder, functions)
        return graph

    def _arguments(self, sizes: Mapping[str, int]) -> tuple[list[tuple[str, Any]], list[Any], dict[str, Any]]:
        """Tensors with their names, as positional and as keyword arguments."""
        accepted = [
            parameter.name
            for parameter in inspect.signature(self.module.forward).parameters.values()
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ]
        named, positional, keywords = [], [], {}
        for index, given in enumerate(resized(self.inputs, sizes)):
            if given.dtype not in _FORMATS:
                raise UsageError(
                    f"--input: a model cannot be traced in {given.dtype}; use float32 here and --dtype when predicting"
                )
            tensor = torch.empty(given.shape, dtype=_FORMATS[given.dtype], device="meta")
            called = given.name or (accepted[index] if index < len(accepted) else f"x{index}")
            named.append((called, tensor))
            if given.name:
                keywords[given.name] = tensor
            else:
                positional.append(tensor)
        return named, positional, keywords

    def _run(self, recorder: Recorder, positional: list[Any], keywords: dict[str, Any], functions: set[str]) -> Any:
        """Call the module with meta tensors in place of its own."""
        module, modes = self.module, {part: part.training for part in self.module.modules()}
        module.train(self.training)
        try:
            with (
                torch.inference_mode(),
                torch.device("meta"),
                _paths(module, recorder),
                _own_functions(functions),
                _fast_path_off(),
                recorder,
            ):
                return torch.func.functional_call(
                    module, {**self.parameters, **self.buffers}, tuple(positional), keywords, tie_weights=False
                )
        except ReadsNumbers as error:
            raise UsageError(
                f"{models.where(error) or 'the model'} reads tensor values ({error}), but tracing has shapes only: "
                "a branch or a shape depends on data. Trace the parts on either side of it, write the branch with "
                "torch.where, or give a function that returns the model with the branch decided"
            ) from error
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(
                f"{type(module).__name__} cannot be traced: {models.said(error)}{_hint(error, self)}"
            ) from error
        finally:
            for part, was in modes.items():
                part.training = was


def _hint(error: Exception, runs: _Runs) -> str:
    """The likely cause and how to fix it."""
    text = str(error)
    if "CUDA" in text or "NVIDIA" in text:
        return "; the model moves tensors to a GPU itself: use the device of an input (x.device) instead"
    if isinstance(error, NotImplementedError) and ("meta" in text.lower() or "register_fake" in text):
        return (
            "; an operation has no shape rule. Give it one with torch.library.register_fake; it then becomes a layer "
            "without a formula"
        )
    if any(word in text.lower() for word in ("meta tensor", "data pointer", "data_ptr", "numpy")):
        return "; it reads tensor values or passes memory to code outside PyTorch, but tracing has shapes only"
    if isinstance(error, TypeError):
        wanted = ", ".join(inspect.signature(runs.module.forward).parameters)
        return f"; its forward takes ({wanted}): give one --input per tensor, in this order or as NAME:SIZES:FORMAT"
    if isinstance(error, RuntimeError | IndexError | ValueError):
        return "; check that the sizes and formats of --input match the model (token ids are int64)"
    return ""


def _outputs(recorder: Recorder, out: Any, *, training: bool) -> list[str]:
    """Names of the results, each once; in training the loss, or else the first result."""
    values = (
        out if isinstance(out, dict | list | tuple | torch.Tensor) else vars(out) if hasattr(out, "__dict__") else ()
    )
    found = [tensor for tensor in tensors_in(values) if tensor.is_floating_point()] or list(tensors_in(values))
    if not found:
        raise UsageError("the model returns no tensor; return its result from forward")
    if training:
        found = [next((tensor for tensor in found if tensor.dim() == 0), found[0])]
    return list(dict.fromkeys(recorder.name(tensor) for tensor in found))


def _remarks(recorder: Recorder, functions: set[str]) -> list[str]:
    used = {owner for owner, _, _ in recorder.users}
    unused = [name for name in recorder.weight_of.values() if name not in used]
    notes = []
    if unused:
        notes.append(
            f"{plural(len(unused), 'parameter')} never used: "
            f"{', '.join(unused[:3])}{', ...' if len(unused) > 3 else ''}"
        )
    if functions:
        listed = ", ".join(sorted(functions))
        notes.append(
            f"{listed} defines its own gradients; the model uses the gradients of its forward operations instead"
        )
    return notes


def _meta(tensor: Any) -> Any:
    """The same tensor without values; a tensor on the meta device stays."""
    return tensor if tensor.device.type == "meta" else torch.empty_like(tensor, device="meta")


def _share(module: Any, parameters: dict[str, Any], buffers: dict[str, Any]) -> None:
    """Tensors shared by two names stay shared."""
    for named, made in (
        (module.named_parameters(remove_duplicate=False), parameters),
        (module.named_buffers(remove_duplicate=False), buffers),
    ):
        first: dict[int, str] = {}
        for name, tensor in named:
            made[name] = made[first.setdefault(id(tensor), name)]


@contextmanager
def _paths(module: Any, recorder: Recorder) -> Iterator[None]:
    """Tell the recorder which module is running."""
    names = {id(part): name for name, part in reversed(list(module.named_modules()))}

    def enter(part: Any, args: Any) -> None:
        above = recorder.scopes[-1].path
        path = names.get(id(part))
        if path is None:
            path = f"{above}.{type(part).__name__}".strip(".")
        recorder.scopes.append(Scope(path, leaf=next(part.children(), None) is None))
        recorder.graph.path = path

    def leave(part: Any, args: Any, out: Any) -> None:
        recorder.scopes.pop()
        recorder.graph.path = recorder.scopes[-1].path

    hooks = [
        torch_module.register_module_forward_pre_hook(enter),
        torch_module.register_module_forward_hook(leave, always_call=True),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _own_functions(found: set[str]) -> Iterator[None]:
    """Detect functions with custom gradients; restore the original state afterwards."""
    apply = torch.autograd.Function.__dict__["apply"]

    def noticed(cls: Any, *args: Any, **kwargs: Any) -> Any:
        found.add(cls.__name__)
        return apply.__func__(cls, *args, **kwargs)

    torch.autograd.Function.apply = classmethod(noticed)
    try:
        yield
    finally:
        torch.autograd.Function.apply = apply


@contextmanager
def _fast_path_off() -> Iterator[None]:
    """Transformer layers in one opaque call would hide their operations."""
    was = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was)
