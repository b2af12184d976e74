"""How are NeuSight's operators on GPUs read?

It reads the files of its collector, ``dataset/train/collect/<op>/p2.1.0/<device>.csv``, merged tables of the same
columns (``dataset/{train,test}/*.csv``), whole networks and the calls in them (:mod:`.neusight_nets`), and tidy copies,
one table for each operator. In a folder with the collector's own files, merged tables are left out, because they repeat
them.

Latencies are in milliseconds, of one eager call in fp32 with TF32 off, host time included: the mean of the 5 smallest
of 25. The letters are unusual: a batched GEMM is [B,M,N] x [B,N,K], a linear layer is N -> K on B x M rows. ``...u`` is
an operator with a scalar.

Source: S. Lee, A. Phanishayee, D. Mahajan, ASPLOS 2025; sitar-lab/NeuSight @ 6945927, MIT.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from roofline.core.measurement import Measurement
from roofline.core.stack import Stack
from roofline.errors import DataError
from roofline.measurements.public.devices import chip_named
from roofline.measurements.public.files import Line, Source, header, stem, table, understood
from roofline.measurements.public.neusight_nets import (
    COMMIT,
    NETS,
    RUN,
    TIDY_NETS,
    TRACED,
    VERSION,
    What,
    labelled_net,
    tidy_nets,
    traced,
)

__all__ = ["NETS", "read"]

STACK = Stack(version=VERSION)
# names of a column: the collector's first, then those of tidy copies
_DEVICE, _LATENCY, _KERNEL = ("Device", "device"), ("Latency", "latency_ms"), ("Kernel Name", "kernel")
_CONV = {
    "c_in": ("Input_Channel", "c_in"),
    "c_out": ("Output_Channel", "c_out"),
    "kernel": ("Kernel_Szie", "kernel_size"),
    "size": ("Input_Size", "input_size"),
    "stride": ("Stride", "stride"),
    "padding": ("Padding", "padding"),
}


def _linear(line: Line, names: list[str]) -> What:
    b, m, n, k = (line.whole(letter) for letter in "BMNK")
    return "linear", {"out": k}, ((b * m, n),)


def _bmm(line: Line, names: list[str]) -> What:
    b, m, n, k = (line.whole(letter) for letter in "BMNK")
    return "matmul", {}, ((b, m, n), (b, n, k))


def _conv(line: Line, names: list[str]) -> What:
    given = {what: _one(names, *either) for what, either in _CONV.items()}
    side = line.whole(given["size"])
    attributes: dict[str, Any] = {"out": line.whole(given["c_out"]), "kernel": line.whole(given["kernel"])}
    attributes |= {"padding": line.count(given["padding"]), "bias": False}
    stride = line.whole(given["stride"])
    attributes |= {"stride": stride} if stride != 1 else {}
    return "conv2d", attributes, ((line.whole("B"), line.whole(given["c_in"]), side, side),)


def _tensors(op: str, *, scalar: bool = False, two: bool = False) -> Callable[[Line, list[str]], What]:
    def read(line: Line, names: list[str]) -> What:
        shape = (line.whole("B"), line.whole("H"))
        return op, {}, (shape, shape) if two else (shape, ()) if scalar else (shape,)

    return read


OPERATORS: dict[str, Callable[[Line, list[str]], What]] = {
    "linear": _linear,
    "bmm": _bmm,
    "conv": _conv,
    **{op: _tensors(op, two=True) for op in ("add", "mul", "div", "pow")},
    **{f"{op}u": _tensors(op, scalar=True) for op in ("add", "mul", "div", "pow")},
    **{op: _tensors(op) for op in ("relu", "gelu", "tanh", "softmax")},
    "ln": _tensors("layer_norm"),
}
"""Its operators, and the question of a line of each."""


def read(source: Source) -> Iterator[Measurement]:
    """The operators of the set, then whole networks and the calls in them, file by file."""
    tables: list[Path] = []
    others: list[tuple[Callable[[Path, Source], Iterator[Measurement]], Path]] = []
    for path in source.files(".csv", ".json"):
        name, suffix = stem(path)
        if suffix == ".json":
            others += [(labelled_net, path)] if RUN.fullmatch(name) else []
        elif set(TIDY_NETS) <= set(header(path)):
            others.append((tidy_nets, path))
        elif set(TRACED) <= set(header(path)):
            others.append((traced, path))
        elif _operators_in(path):
            tables.append(path)
    understood(source.path, [*tables, *others], "tables of operators (OPName, Latency, Device...) or runs of networks")
    collected = [path for path in tables if re.fullmatch(r"p\d[\d.]*", path.parent.name)]
    if collected and len(collected) < len(tables):
        source.skip("files that repeat those of the collector", len(tables) - len(collected))
    for path in collected or tables:
        yield from _operators(path, source)
    for reader, path in others:
        yield from reader(path, source)


def _operators_in(path: Path) -> bool:
    names = header(path)
    known = "OPName" in names or stem(path)[0] in OPERATORS
    return known and any(name in names for name in _LATENCY) and any(name in names for name in _DEVICE)


def _one(names: list[str], *either: str) -> str:
    """The column of these names that exists; the first if none does, for the error message."""
    return next((name for name in either if name in names), either[0])


def _operators(path: Path, source: Source) -> Iterator[Measurement]:
    names, file = header(path), stem(path)[0]
    device, latency, kernel = (_one(names, *either) for either in (_DEVICE, _LATENCY, _KERNEL))
    stacks: dict[tuple[str, str], Stack] = {}
    seen: dict[str, int] = defaultdict(int)
    for line in table(path, device, latency):
        op = line.values.get("OPName", file)
        if op not in OPERATORS:
            source.skip(f"unknown operator: {op}")
            continue
        chip = chip_named(line[device])
        order = line.count("row") if "row" in line.values else seen[chip]
        seen[chip] += 1
        if not source.wants(chip):
            continue
        versions = (line.values.get("Torch Version", ""), line.values.get("CUDNN Version", ""))
        if versions not in stacks:
            stacks[versions] = _stack(*versions)
        try:
            what, attributes, inputs = OPERATORS[op](line, names)
        except KeyError as missing:
            raise DataError(f"{line.place}: no column {missing}, which {op} needs") from None
        yield Measurement(
            kind="operator",
            chip=chip,
            dtype="fp32",
            seconds=line.seconds(latency),
            stack=stacks[versions],
            op=what,
            attributes=attributes,
            inputs=inputs,
            cache="unknown",
            kernel=line.values.get(kernel, ""),
            set=f"neusight/{op}",
            order=order,
            provenance=f"NeuSight ({COMMIT}), {op}",
        )


def _stack(torch: str, cudnn: str) -> Stack:
    """From ``p2.1.0`` and ``8902`` as the set writes them; the stack of its collection where it has neither."""
    if not torch or not cudnn.isdigit():
        return STACK
    number = int(cudnn)
    return Stack(version=f"{torch.removeprefix('p')}, cuDNN {number // 1000}.{number // 100 % 10}.{number % 100}")
