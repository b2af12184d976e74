"""How does an ``.onnx`` file become a network? Nodes become operators; shapes come from ONNX's own inference.

Nothing is executed. Sizes without a number in the file (``dim_param``) become symbols, as in traced networks: shapes
are inferred at several sizes and compared.
"""

# onnx is untyped here, so its classes are unknown
# mypy: disable-error-code="misc"

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roofline.core.network import Network
from roofline.errors import Fault, MissingExtra, RooflineError, SpecError, Unreadable, UsageError
from roofline.files import open_file
from roofline.frontends.onnx.einsum import odd_equation
from roofline.frontends.onnx.nodes import SPECIAL
from roofline.frontends.onnx.reader import Reader
from roofline.frontends.onnx.sizes import LARGEST
from roofline.frontends.onnx.values import walked
from roofline.frontends.pytorch.assemble import assemble
from roofline.frontends.pytorch.folding import folded
from roofline.frontends.pytorch.graph import Graph
from roofline.frontends.pytorch.symbols import settle

MAX_BYTES = 2_100_000_000
OLDEST, NEWEST = 7, 23
DEFAULTS = {"batch": 1, "seq": 128, "image": 224}
_ENDS = ("ZipMap", "LabelEncoder", "ArrayFeatureExtractor")
"""Of ``ai.onnx.ml``: they give names to classes at the end, and compute nothing."""
MOST = 1_000_000
"""Nodes of a file with its functions written out."""


def from_onnx(path: str | Path) -> tuple[Network, tuple[str, ...]]:
    """The network of an ONNX file, and its notes.

    Raises
    ------
    MissingExtra : the package ``onnx`` is not installed.
    SpecError : the file is no ONNX model, of an unknown opset, or without shapes.
    UsageError : it cannot be read.
    """
    try:
        model = _load(Path(path))
        return _net(path, model)
    except RooflineError:
        raise
    except Exception as error:  # bytes that parse but are meaningless can raise any error
        raise _fault(path, f"is damaged: {type(error).__name__}: {str(error)[:80]}") from error


def _net(path: str | Path, model: Any) -> tuple[Network, tuple[str, ...]]:
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if not OLDEST <= opset <= NEWEST:
        raise _fault(path, f"is of opset {opset}; {OLDEST} to {NEWEST} are supported; export it again, or convert it")
    names, sizes = _symbols(model)
    found: list[tuple[str, str]] = []

    def graph_at(now: Mapping[str, int]) -> Graph:
        reader = _graph(path, model, {old: now[new] for old, new in names.items()})
        found[:] = found or reader.uncovered
        return reader.graph

    settled = settle(sizes, graph_at)
    producer = f"{model.producer_name} {model.producer_version}".strip() or "an unknown program"
    title = f"{model.graph.name or Path(path).stem}, from ONNX"
    network = assemble(Path(path).stem, title, f"{path}, opset {opset}, written by {producer}", settled, sizes)
    notes = settled.notes(sizes)
    notes += [f"no formula for {operation}: layer {layer} counts by bytes only" for operation, layer in found]
    return folded(network), tuple(notes)


def _load(path: Path) -> Any:
    try:
        import onnx
    except ImportError:
        raise MissingExtra("reading an ONNX file", "onnx") from None
    try:
        with open_file(path, MAX_BYTES, "store its weights in external data files") as file:
            if file.read(1) == b"\0":  # no message begins so; an empty disk does
                raise ValueError("begins with a zero")
            file.seek(0)
            model = onnx.load_model_from_string(file.read())
    except Unreadable:
        raise
    except Exception as error:  # the errors of a parser of untrusted bytes are not documented
        raise _fault(path, f"is not an ONNX model: {str(error)[:120] or type(error).__name__}") from None
    if not model.graph.node or not model.graph.input:
        raise _fault(path, "is not an ONNX model with nodes and inputs")
    odd = odd_equation((*model.graph.node, *(node for function in model.functions for node in function.node)))
    if odd is not None:
        raise _fault(path, f"has an Einsum of {odd[:40]!r}, which is not an equation such as 'bij,bjk->bik'")
    return _plain(path, model)


def _plain(path: Path, model: Any) -> Any:
    """Without functions of the file's own, and without the numbers of its large weights."""
    if model.functions:
        from onnx import inliner

        if _count(model) > MOST:
            raise _fault(path, f"has more than {MOST:,} nodes, or functions that call themselves")
        model = inliner.inline_local_functions(model)
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > 8 * LARGEST:
            tensor.ClearField("raw_data")
            tensor.data_location = 1
    return model


def _count(model: Any) -> float:
    """Nodes with all functions written out; infinite where one calls itself."""
    bodies = {(one.domain, one.name): one.node for one in model.functions}
    counts: dict[tuple[str, str], float] = {}

    def count(nodes: Any) -> float:
        total = 0.0
        for node in nodes:
            key = (node.domain, node.op_type)
            if key in bodies and key not in counts:
                counts[key] = float("inf")
                counts[key] = count(bodies[key])
            total += counts.get(key, 1.0)
            total += sum(count(graph.node) for one in node.attribute for graph in (one.g, *one.graphs))
        return total

    return count(model.graph.node)


def _fault(path: str | Path, text: str) -> SpecError:
    return SpecError([Fault(str(path), None, "", text)])


def _inputs(model: Any) -> list[Any]:
    """The real inputs: older files also list their weights."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def _symbols(model: Any) -> tuple[dict[str, str], dict[str, int]]:
    """Names of sizes in the file -> symbols here, and the sizes to start from."""
    names: dict[str, str] = {}
    for value in _inputs(model):
        for index, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.HasField("dim_value") and dim.dim_value > 0:
                continue
            old = dim.dim_param or f"{value.name}_{index}"
            dim.dim_param = old
            if old not in names:
                plain = re.sub(r"\W", "_", old, flags=re.ASCII).strip("_").lower() or f"size{len(names)}"
                plain = f"n{plain}" if plain[0].isdigit() else plain
                names[old] = f"{plain}_{len(names)}" if plain in names.values() else plain
    sizes = {}
    sides = {
        dim.dim_param
        for value in _inputs(model)
        if len(dims := value.type.tensor_type.shape.dim) == 4
        for dim in (*dims,)[2:]
    }
    for index, (old, symbol) in enumerate(names.items()):
        known = next((size for word, size in DEFAULTS.items() if word in symbol), None)
        usual = DEFAULTS["image"] if old in sides else 1 if index == 0 else DEFAULTS["seq"]
        sizes[symbol] = usual if known is None else known
    if names and "batch" not in sizes and next(iter(sizes.values())) == 1:
        old, first = next(iter(names.items()))
        names[old] = "batch"
        sizes = {"batch" if symbol == first else symbol: size for symbol, size in sizes.items()}
    return names, sizes


def _graph(path: str | Path, model: Any, sizes: Mapping[str, int]) -> Reader:
    """The graph at these sizes."""
    inputs = {}
    for value in _inputs(model):
        kind = inputs[value.name] = type(value.type)()
        kind.CopyFrom(value.type)
        for dim in kind.tensor_type.shape.dim:
            if dim.dim_param in sizes:
                dim.dim_value = sizes[dim.dim_param]
    opsets = {"" if one.domain == "ai.onnx" else one.domain: one.version for one in model.opset_import}
    try:
        values = walked(inputs, model.graph, opsets)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    shapes = {name: shape for name in values.types if (shape := values.shape(name)) is not None}
    reader = Reader(shapes, {name: values.kind(name) for name in values.types}, SPECIAL)
    reader.constants = values.known
    for name in values.weights:
        if name in shapes:
            reader.weight(name, shapes[name], reader.kinds[name])
    for name in inputs:
        if name not in shapes:
            raise _fault(path, f"does not give the shape of its input {name}; export it with shapes")
        reader.names[name] = reader.graph.source(name, shapes[name], reader.kinds[name])
    for node, opset in values.nodes:
        if node.op_type in _ENDS:
            continue
        try:
            reader.node(node, opset)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None
    outputs = [value.name for value in model.graph.output if value.name in reader.names]
    if not outputs:
        raise _fault(path, "has no output that a node computes")
    reader.graph.outputs = list(dict.fromkeys(reader.names[name] for name in outputs))
    reader.graph.prune()
    return reader
