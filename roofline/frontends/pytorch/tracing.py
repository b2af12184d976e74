"""How does a PyTorch module become a network? It runs at several sizes on tensors without values; the graphs are
compared.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from roofline.core.network import Network
from roofline.errors import UsageError
from roofline.frontends.inputs import Input, parse_input, resized, sizes_of, with_symbols
from roofline.frontends.pytorch import models, surroundings
from roofline.frontends.pytorch.assemble import assemble
from roofline.frontends.pytorch.calls import tensors_in
from roofline.frontends.pytorch.folding import folded
from roofline.frontends.pytorch.formulas import HANDLERS
from roofline.frontends.pytorch.graph import Graph
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


def trace(
    model: Any, inputs: Sequence[Input | str], *, mode: str = "inference", name: str = "", proposals: int = 0
) -> Traced:
    """Run a module on tensors with shapes and no values, and record what it does.

    Parameters
    ----------
    model : a ``torch.nn.Module``, its class, a function that makes one, or ``"package.module:factory"``.
    inputs : such as ``"32x3x224x224:float32"`` (see :func:`.inputs.parse_input`).
    mode : ``inference`` traces the module as after ``eval()``, ``training`` as after ``train()``; gradients and
        optimizer follow from the operators when the network is predicted.
    proposals : how many elements are taken where only data would say how many (boxes that a detector keeps); 0 refuses
        such models. Conditions on data are taken as false then.

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
    runs = _Runs(module, given, training=mode == "training", proposals=proposals)
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


class _Reads(UsageError):
    """The model reads values that do not exist."""


def _plain(what: str) -> str:
    return what.rpartition(":")[2].rpartition(".")[2].lower().replace("_", "-") or "model"


class _Runs:
    """One module at several sizes. ``notes`` are of the first run."""

    def __init__(self, module: Any, inputs: Sequence[Input], *, training: bool, proposals: int = 0) -> None:
        self.module, self.inputs, self.training, self.proposals = module, inputs, training, proposals
        if models.is_lazy(module):
            self.module = module = self._sized()
        self.parameters = {name: _meta(value) for name, value in module.named_parameters(remove_duplicate=False)}
        self.buffers = {name: _meta(value) for name, value in module.named_buffers(remove_duplicate=False)}
        _share(module, self.parameters, self.buffers)
        self.notes: list[str] = []
        self.uncovered: list[tuple[str, str]] = []
        self.runs = 0
        self.exporting = False

    def _sized(self) -> Any:
        """A copy of a lazy module after one call, in which its parameters get their shapes."""
        module = models.without_values(self.module)
        _, positional, keywords = self._arguments(sizes_of(self.inputs))
        try:
            with torch.no_grad(), torch.device("meta"), models.Undrawn():
                module(*positional, **keywords)
        except Exception as error:
            raise UsageError(
                f"{type(module).__name__} is lazy and gets no shapes from --input: {models.said(error)}; "
                "call the model once with real tensors before tracing it"
            ) from error
        return module

    def at(self, sizes: Mapping[str, int]) -> Graph:
        """The graph at these sizes; a model that reads values runs once more, as it does when it is exported."""
        if not self.exporting:
            try:
                return self._at(sizes)
            except _Reads as error:
                self.exporting, self.runs, self.notes, self.uncovered = True, 0, [], []
                try:
                    return self._at(sizes)
                except UsageError as second:
                    self.exporting = False
                    raise second if isinstance(second, _Reads) else error from error.__cause__
        return self._at(sizes)

    def _at(self, sizes: Mapping[str, int]) -> Graph:
        first = self.runs == 0
        self.runs += 1
        recorder = Recorder(self.parameters, self.buffers, HANDLERS, QUICK, self.proposals)
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
        results = _results(out, training=self.training)
        graph.outputs = list(dict.fromkeys(recorder.name(tensor) for tensor in results))
        lost = recorder.audit.lost(graph, results) if self.training else []
        graph.prune()
        if first:
            self.uncovered = [entry for entry in recorder.uncovered if entry[1] in graph.tensors]
            self.notes += _remarks(recorder, functions)
            if lost:
                self.notes.append(
                    f"gradients may be missing: the result depends on {', '.join(lost[:3])}"
                    f"{', ...' if len(lost) > 3 else ''} through memory that was written in place, in a way that the "
                    "trace cannot follow"
                )
            if recorder.taken:
                self.notes.append(
                    f"{plural(self.proposals, 'element')} taken where data decide: {', '.join(sorted(recorder.taken))}"
                )
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
                surroundings.paths(module, recorder),
                surroundings.own_functions(functions),
                surroundings.fast_path_off(),
                surroundings.as_for_export(self.exporting),
                recorder,
            ):
                return torch.func.functional_call(
                    module, {**self.parameters, **self.buffers}, tuple(positional), keywords, tie_weights=False
                )
        except ReadsNumbers as error:
            raise _Reads(
                f"{models.where(error) or 'the model'} reads tensor values ({error}), but tracing has shapes only: "
                "a branch or a shape depends on data. Trace the parts on either side of it, write the branch with "
                "torch.where, or give a function that returns the model with the branch decided; for a detector, add "
                "--proposals 1000: the number of boxes that it keeps"
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


def _results(out: Any, *, training: bool) -> list[Any]:
    """The results; in training the loss, or else the first result."""
    values = (
        out if isinstance(out, dict | list | tuple | torch.Tensor) else vars(out) if hasattr(out, "__dict__") else ()
    )
    found = [tensor for tensor in tensors_in(values) if tensor.is_floating_point()] or list(tensors_in(values))
    if not found:
        raise UsageError("the model returns no tensor; return its result from forward")
    if training:
        found = [next((tensor for tensor in found if tensor.dim() == 0), found[0])]
    return found


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
