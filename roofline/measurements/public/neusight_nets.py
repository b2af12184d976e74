"""How are NeuSight's whole networks, and the calls of one of their layers, read? See :mod:`.neusight`.

Times of networks are ``label/<device>/<run>.json``, or a tidy table ``end_to_end.csv``; a run is called
network-mode-sequence-batch. The calls are traced one by one, ``label/<device>/<run>.csv`` or a tidy table with the
columns device, run, op, target, input_shapes, output_shape, dtype, forward_ms and backward_ms. GEMMs, norms, softmax,
activations and arithmetic become measurements, with both gradients together in training runs.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roofline.core.measurement import Measurement
from roofline.core.stack import Stack
from roofline.errors import DataError
from roofline.files import parse_json
from roofline.measurements.public.devices import chip_named
from roofline.measurements.public.files import Line, Source, opened, stem, table

COMMIT = "sitar-lab/NeuSight @ 6945927"
VERSION = "2.1.0, cuDNN 8.9.2"
STACK = Stack(version=VERSION, fused_attention=False)
NETS: dict[str, tuple[str, dict[str, int]]] = {
    "bert_large": ("bert-large", {}),
    "gpt2_large": ("gpt2-large", {}),
    "opt_13": ("opt-1.3b", {}),
    "gpt3_27": ("gpt3-2.7b", {}),
    "gpt3_xl": ("gpt3-2.7b", {"layers": 24, "hidden": 3072, "heads": 24}),
}
"""Its networks and their names here, with the sizes that differ; its gpt3_xl is not the published one."""

HEADED = {"bert-large": "bert-large-pretraining"}
"""Networks trained with a head instead of the one without."""

TIDY_NETS = ("device", "run", "e2e_ms")
TRACED = ("op", "target", "input_shapes", "output_shape", "dtype")
PARTS = {"forward": ("forward_ms", "fw_latency"), "backward": ("backward_ms", "bw_latency")}
"""Columns of the times of traced calls, in tidy tables and in its own."""

RUN = re.compile(r"(?P<net>\w+)-(?P<mode>inf|train)-(?P<seq>\d+)-(?P<batch>\d+)(?P<fused>-fusion)?")

Shape = tuple[int, ...]
What = tuple[str, dict[str, Any], tuple[Shape, ...]]
"""Operator, attributes and input shapes."""


def tidy_nets(path: Path, source: Source) -> Iterator[Measurement]:
    """Times of networks, one a line."""
    for line in table(path, *TIDY_NETS):
        yield from _net(line.place, line["device"], line["run"], line.seconds("e2e_ms"), source)


def labelled_net(path: Path, source: Source) -> Iterator[Measurement]:
    """``NVIDIA_A100-PCIE-40GB/bert_large-inf-512-8.json``: the device is the folder's name."""
    with opened(path) as file:
        text = file.read()
    try:
        milliseconds = float(parse_json(text)["e2e_latency"])
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: expected an object with e2e_latency in milliseconds") from None
    if not 0.0 < milliseconds < 1e12:
        raise DataError(f"{path}: e2e_latency: expected a time above zero, got {milliseconds}")
    yield from _net(str(path), device_of(path), stem(path)[0], milliseconds / 1e3, source)


def device_of(path: Path) -> str:
    """The device of a labelled file."""
    return path.parent.name.replace("_", " ")


def _net(place: str, device: str, run: str, seconds: float, source: Source) -> Iterator[Measurement]:
    found = RUN.fullmatch(run)
    if found is None:
        raise DataError(f"{place}: run: expected net-mode-sequence-batch, got {run!r}")
    chip = chip_named(device)
    if not source.wants(chip):
        return
    if found["fused"]:
        source.skip("runs of networks with fused operators, whose fusions the data set does not list")
        return
    if found["net"] not in NETS:
        source.skip(f"runs of an unknown network: {found['net']}")
        return
    name, sizes = NETS[found["net"]]
    training = found["mode"] == "train"
    yield Measurement(
        kind="network",
        chip=chip,
        dtype="fp32",
        seconds=seconds,
        stack=STACK,
        network=HEADED.get(name, name) if training else name,
        symbols={**sizes, "batch": int(found["batch"]), "seq": int(found["seq"])},
        mode="training" if training else "inference",
        cache="warm",
        set="neusight/end_to_end",
        provenance=f"NeuSight ({COMMIT}), {run}",
    )


def traced(path: Path, source: Source) -> Iterator[Measurement]:
    """The calls of one layer of a run, forward and, in training, backward."""
    order: dict[str, int] = defaultdict(int)
    for line in table(path, *TRACED):
        chip = chip_named(line.values.get("device") or device_of(path))
        run = line.values.get("run") or stem(path)[0]
        order[chip] += 1
        if not source.wants(chip):
            continue
        asked = _asked(line) if line["dtype"] == "torch.float32" else None
        if asked is None:
            source.skip("traced calls that launch no kernel, or of unknown operators")
            continue
        op, attributes, inputs = asked
        for part, either in PARTS.items():
            column = next((name for name in either if name in line.values), either[0])
            if line.values.get(column, "") in _NOTHING or (part == "backward" and not _told_backward(op, inputs)):
                continue
            yield Measurement(
                kind="operator",
                chip=chip,
                dtype="fp32",
                seconds=line.seconds(column),
                stack=STACK,
                op=op,
                attributes=attributes,
                inputs=inputs,
                part=part,
                cache="unknown",
                set="neusight/traced",
                order=order[chip] - 1,
                provenance=f"NeuSight ({COMMIT}), {run}, {line['target']}",
            )


_NOTHING = ("", "0", "0.0")


def _told_backward(op: str, inputs: tuple[Shape, ...]) -> bool:
    """Whether a measurement can describe the backward: sums pass gradients on, and a smaller operand may need none."""
    other = inputs[-1]
    return op not in ("add", "sub") and (op == "matmul" or other in ((), inputs[0]))


_FUNCTION = re.compile(r"<(?:built-in )?(?:function|method) (\w+)")
_LINEAR = re.compile(r"query|key|value|dense|[qkv]_proj|out_proj|fc\d|lm_head|classifier|decoder|seq_relationship")
_NORM = re.compile(r"LayerNorm|ln_\w+|\w*layer_norm")
_ARITHMETIC = {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow"}
_ACTIVATIONS = {"activation_fn": "relu", "activation": "tanh"}
"""Modules of OPT and of BERT's pooler."""


def _asked(line: Line) -> What | None:
    """The operator of a traced call; None if it becomes no measurement."""
    found = _FUNCTION.match(line["target"])
    name = found[1] if found else line["target"].rsplit(".", 1)[-1]
    shapes, out = _shapes(line, "input_shapes"), _shapes(line, "output_shape")[0]
    if not shapes or out in ((), (1,)):
        return None
    if line["op"] == "call_module":
        if _NORM.fullmatch(name):
            return "layer_norm", {}, (shapes[0],)
        if _LINEAR.fullmatch(name):
            return "linear", {"out": out[-1], "bias": name != "lm_head"}, (shapes[0],)
        return (_ACTIVATIONS[name], {}, (shapes[0],)) if name in _ACTIVATIONS else None
    if name == "addmm" and len(shapes) == 3:
        return "linear", {"out": out[-1]}, (shapes[1],)
    if name in ("matmul", "bmm") and len(shapes) == 2:
        return "matmul", {}, (shapes[0], shapes[1])
    if name in ("softmax", "gelu", "tanh"):
        return name, {}, (shapes[0],)
    if name in _ARITHMETIC and len(shapes) <= 2:
        # a number is missing, or listed as one element
        other = shapes[1] if len(shapes) == 2 and shapes[1] != (1,) else ()
        return _ARITHMETIC[name], {}, (shapes[0], other)
    return None


def _shapes(line: Line, column: str) -> list[Shape]:
    """``[[16, 512], [1]]`` or ``(16, 512)``."""
    try:
        given = parse_json(line[column].replace("(", "[").replace(",)", "]").replace(")", "]") or "[]")
        listed = [given] if column == "output_shape" else given
        return [tuple(int(size) for size in shape) for shape in listed]
    except (ValueError, TypeError):
        raise line.fault(column, f"expected shapes, got {line[column]!r}") from None
