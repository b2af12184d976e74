"""How are Caffe's layers of four image networks read?

It reads the logs of ``caffe time``, ``caffe/output_<net>.log`` of AlexNet, OverFeat, VGG-A and GoogLeNet, and tidy
copies with the columns net, layer, dir, ms. Neither names the device: it was a GTX Titan X (Maxwell) with cuDNN R4,
which had no Winograd; ``--chip`` overrides it.

Every convolution and dense layer becomes a measurement of its forward pass and one of both gradients together, with the
shapes of the files of these networks in ``workloads/``. The sums of all layers become measurements of the networks. The
logs have ``force_backward``: they include the first layer's gradient for the images, which a training step here does
not.

Source: soumith/convnet-benchmarks @ b458aab, MIT.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from roofline import lowering, specs
from roofline.core.measurement import Measurement
from roofline.core.run import Mode
from roofline.core.stack import Stack
from roofline.core.workload import Node, Workload
from roofline.errors import DataError
from roofline.measurements.public.files import Source, header, opened, stem, table, understood

COMMIT = "soumith/convnet-benchmarks @ b458aab"
CHIP = "titan-x-maxwell"
STACK = Stack(framework="caffe", version="cuDNN R4", cudnn=4)
NETS: dict[str, tuple[str, int, dict[str, int]]] = {
    "alexnet": ("alexnet", 128, {}),
    "overfeat": ("overfeat", 128, {}),
    "vgg_a": ("vgg-a", 64, {}),
    "googlenet": ("googlenet", 128, {"lrn": 0}),
}
"""Its networks: the name here, their batch, and symbols that differ."""
DIRECTIONS = ("forward", "backward")
"""Of its layers, and the names of those parts in measurements."""

_PRODUCT = re.compile(r"conv\d+(/(?!relu).+)?|inception_\w+/(\dx\d(_reduce)?|pool_proj)|fc\d+")
"""Names of its layers with matrix multiplications: all but activations, pooling, concatenation and splits."""
_TIME = re.compile(r"\]\s+(\S+)\s+(forward|backward): (\S+) ms\.$")
_NAME = re.compile(r'^name: "([^"]+)"')
_BATCH = re.compile(r"^\s*(?:input_)?dim: (\d+)")


@dataclass
class Run:
    """One network: the seconds of its layers by direction, in their order."""

    net: str
    place: str
    batch: int
    seconds: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, layer: str, direction: str, seconds: float) -> None:
        self.seconds[direction][layer] = seconds


def read(source: Source) -> Iterator[Measurement]:
    """The convolutions and dense layers of every network, layer by layer, then the whole network."""
    paths = [path for path in source.files(".csv", ".log") if stem(path)[1] == ".log" or "net" in header(path)]
    understood(source.path, paths, "logs of 'caffe time' (.log), or a table with the columns net, layer, dir, ms")
    for path in paths:
        for run in _logged(path, source) if stem(path)[1] == ".log" else _tidy(path):
            yield from _rows(run, source.chip or CHIP)


def _tidy(path: Path) -> list[Run]:
    runs: dict[str, Run] = {}
    for line in table(path, "net", "layer", "dir", "ms"):
        net = line["net"]
        if net not in NETS:
            raise line.fault("net", f"expected one of {', '.join(NETS)}, got {net!r}")
        if line["dir"] not in DIRECTIONS:
            raise line.fault("dir", f"expected forward or backward, got {line['dir']!r}")
        run = runs.setdefault(net, Run(net, str(path), NETS[net][1]))
        run.add(line["layer"], line["dir"], line.seconds("ms"))
    return list(runs.values())


def _logged(path: Path, source: Source) -> list[Run]:
    run: Run | None = None
    name, batch = "", 0
    with opened(path) as file:
        for number, text in enumerate(file, start=1):
            name = found[1] if not name and (found := _NAME.match(text)) else name
            batch = int(found[1]) if not batch and (found := _BATCH.match(text)) else batch
            found = _TIME.search(text.rstrip())
            if found is None:
                continue
            if name not in NETS:
                source.skip(f"logs of another network: {name or 'no name'}")
                return []
            run = run or Run(name, str(path), batch)
            try:
                seconds = float(found[3]) / 1e3
            except ValueError:
                raise DataError(f"{path}:{number}: expected a time in ms, got {found[3]!r}") from None
            run.add(found[1], found[2], seconds)
    if run is None:
        source.skip("logs without layer times")
    return [run] if run else []


def _rows(run: Run, chip: str) -> Iterator[Measurement]:
    name, _, sizes = NETS[run.net]
    symbols = {"batch": run.batch, **sizes}
    work = lowering.build(specs.load_network(name), symbols)
    nodes = [node for node in work.nodes if node.op in ("conv2d", "linear")]
    for part in DIRECTIONS:
        layers = [layer for layer in run.seconds[part] if _PRODUCT.fullmatch(layer)]
        if len(layers) != len(nodes):
            raise DataError(
                f"{run.place}: {run.net} has {len(layers)} convolutions and dense layers timed {part}, "
                f"and {len(nodes)} in {name}: {', '.join(layers) or 'none'}"
            )
        for layer, node in zip(layers, nodes, strict=True):
            yield _layer(run, layer, node, work, chip, part, run.seconds[part][layer])
    forward, backward = (sum(run.seconds[part].values()) for part in DIRECTIONS)
    yield _net(run, name, symbols, chip, "inference", forward)
    yield _net(run, name, symbols, chip, "training", forward + backward)


def _layer(run: Run, layer: str, node: Node, work: Workload, chip: str, part: str, seconds: float) -> Measurement:
    return Measurement(
        kind="operator",
        chip=chip,
        dtype="fp32",
        seconds=seconds,
        stack=STACK,
        op=node.op,
        attributes=node.attributes,
        inputs=tuple(work.tensors[tensor].shape for tensor in node.inputs),
        part=part,
        cache="unknown",
        set="caffe/layers",
        provenance=f"convnet-benchmarks ({COMMIT}), {run.net}, {layer}",
    )


def _net(run: Run, name: str, symbols: dict[str, int], chip: str, mode: Mode, seconds: float) -> Measurement:
    return Measurement(
        kind="network",
        chip=chip,
        dtype="fp32",
        seconds=seconds,
        stack=STACK,
        network=name,
        symbols=symbols,
        mode=mode,
        cache="warm",
        set="caffe/nets",
        provenance=f"convnet-benchmarks ({COMMIT}), {run.net}, sum of all layers",
    )
