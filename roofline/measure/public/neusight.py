"""NeuSight's operators on GPUs (S. Lee, A. Phanishayee, D. Mahajan, ASPLOS 2025; sitar-lab/NeuSight @ 6945927, MIT).

Understood are the files of its collector, ``dataset/train/collect/<op>/p2.1.0/<device>.csv``, merged tables of the
same columns (``dataset/{train,test}/*.csv``), the times of whole nets ``label/<device>/<run>.json``, and tidy copies:
one table for each operator, ``end_to_end.csv``. Where a folder holds the collector's own files, merged tables in
it are left out, because they repeat them.

Latencies are in milliseconds, of one eager call in fp32 with TF32 off and with what the host needs for it: the mean
of the 5 smallest of 25. The letters are unusual: a batched product is [B,M,N] x [B,N,K], a linear layer is N -> K on
B x M rows. ``...u`` is an operator with a scalar.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from roofline.core.measurement import Measurement
from roofline.core.stack import Stack
from roofline.errors import DataError
from roofline.measure.public.devices import chip_named
from roofline.measure.public.files import Line, Source, header, opened, stem, table, understood

COMMIT = "sitar-lab/NeuSight @ 6945927"
STACK = Stack(version="2.1.0, cuDNN 8.9.2")
NETS: dict[str, tuple[str, dict[str, int]]] = {
    "bert_large": ("bert-large", {}),
    "gpt2_large": ("gpt2-large", {}),
    "opt_13": ("opt-1.3b", {}),
    "gpt3_27": ("gpt3-2.7b", {}),
    "gpt3_xl": ("gpt3-2.7b", {"layers": 24, "hidden": 3072, "heads": 24}),
}
"""Its nets and ours, with the sizes that differ; its gpt3_xl is not the published one."""

What = tuple[str, dict[str, Any], tuple[tuple[int, ...], ...]]
"""Operator, attributes and input shapes."""

# of the names of a column the collector's stand first, then those of tidy copies
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
"""Its operators, and what a row of each asks."""


def read(source: Source) -> Iterator[Measurement]:
    """The operators and whole nets of the set, file by file."""
    tables, nets = [], []
    for path in source.files(".csv", ".json"):
        name, suffix = stem(path)
        if suffix == ".json":
            nets += [path] if _RUN.fullmatch(name) else []
        elif {"num_layer", "e2e_ms"} <= set(header(path)):
            nets.append(path)
        elif _operators_in(path):
            tables.append(path)
    understood(source.path, [*tables, *nets], "tables of operators (OPName, Latency, Device...) or runs of nets")
    collected = [path for path in tables if re.fullmatch(r"p\d[\d.]*", path.parent.name)]
    if collected and len(collected) < len(tables):
        source.skip("files left out: they repeat those of the collector", len(tables) - len(collected))
    for path in collected or tables:
        yield from _operators(path, source)
    for path in nets:
        yield from (_tidy_nets if stem(path)[1] == ".csv" else _labelled)(path, source)


def _operators_in(path: Path) -> bool:
    names = header(path)
    known = "OPName" in names or stem(path)[0] in OPERATORS
    return known and any(name in names for name in _LATENCY) and any(name in names for name in _DEVICE)


def _one(names: list[str], *either: str) -> str:
    """The one of these columns that is there; the first where none is, so that a message can name it."""
    return next((name for name in either if name in names), either[0])


def _operators(path: Path, source: Source) -> Iterator[Measurement]:
    names, file = header(path), stem(path)[0]
    device, latency, kernel = (_one(names, *either) for either in (_DEVICE, _LATENCY, _KERNEL))
    stacks: dict[tuple[str, str], Stack] = {}
    seen: dict[str, int] = defaultdict(int)
    for line in table(path, device, latency):
        op = line.values.get("OPName", file)
        if op not in OPERATORS:
            source.skip(f"an operator without a formula here: {op}")
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
            raise DataError(f"{line.place}: no column {missing}, which rows of {op} have") from None
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
    """``p2.1.0`` and ``8902`` as the set writes them; what it was collected with where it says nothing."""
    if not torch or not cudnn.isdigit():
        return STACK
    number = int(cudnn)
    return Stack(version=f"{torch.removeprefix('p')}, cuDNN {number // 1000}.{number // 100 % 10}.{number % 100}")


_RUN = re.compile(r"(?P<net>\w+)-(?P<mode>inf|train)-(?P<seq>\d+)-(?P<batch>\d+)(?P<fused>-fusion)?")


def _tidy_nets(path: Path, source: Source) -> Iterator[Measurement]:
    for line in table(path, "device", "run", "e2e_ms"):
        yield from _net(line.place, line["device"], line["run"], line.seconds("e2e_ms"), source)


def _labelled(path: Path, source: Source) -> Iterator[Measurement]:
    """``label/NVIDIA_A100-PCIE-40GB/bert_large-inf-512-8.json``: the device is the folder's name."""
    with opened(path) as file:
        text = file.read()
    try:
        milliseconds = float(json.loads(text)["e2e_latency"])
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: expected an object with e2e_latency in milliseconds") from None
    if not 0.0 < milliseconds < 1e12:
        raise DataError(f"{path}: e2e_latency: expected a time above zero, got {milliseconds}")
    yield from _net(str(path), path.parent.name.replace("_", " "), stem(path)[0], milliseconds * 1e-3, source)


def _net(place: str, device: str, run: str, seconds: float, source: Source) -> Iterator[Measurement]:
    found = _RUN.fullmatch(run)
    if found is None:
        raise DataError(f"{place}: run: expected net-mode-sequence-batch, got {run!r}")
    chip = chip_named(device)
    if not source.wants(chip):
        return
    if found["fused"]:
        source.skip("runs of nets with fused operators, whose fusions the set does not list")
        return
    if found["net"] not in NETS:
        source.skip(f"runs of a net that is not here: {found['net']}")
        return
    name, sizes = NETS[found["net"]]
    yield Measurement(
        kind="network",
        chip=chip,
        dtype="fp32",
        seconds=seconds,
        stack=Stack(version=STACK.version, fused_attention=False),
        network=name,
        symbols={**sizes, "batch": int(found["batch"]), "seq": int(found["seq"])},
        mode="training" if found["mode"] == "train" else "inference",
        cache="warm",
        set="neusight/end_to_end",
        provenance=f"NeuSight ({COMMIT}), {run}",
    )
