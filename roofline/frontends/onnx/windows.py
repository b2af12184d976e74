"""How do convolutions and pools of ONNX files become layers: ``auto_pad``, borders of two sizes, ``ceil_mode``?

A border is the same at both ends here. Where one border gives the size that ONNX infers, it is taken; where none does,
a ``pad`` comes before, as in PyTorch.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from roofline.frontends.onnx.reader import Attributes, Reader
from roofline.frontends.pytorch.graph import Shape

PLACES = {"Conv": (0, 1, 2), "ConvTranspose": (0, 1, 2), "ConvInteger": (0, 1, 9), "QLinearConv": (0, 3, 8)}
"""Which inputs are the image, the weight and the bias."""


@dataclass(frozen=True)
class Windows:
    """Windows over the last dimensions; one dimension is an image of height one."""

    have: Shape
    want: Shape
    kernel: Shape
    stride: Shape
    dilation: Shape
    begin: Shape | None
    """Borders at the beginning and the end; None: those that give the size that is wanted (``auto_pad``)."""
    end: Shape | None

    @classmethod
    def of(cls, a: Mapping[str, Any], have: Shape, want: Shape, kernel: Shape) -> Windows:
        count = len(kernel)
        auto, pads = a.get("auto_pad", "NOTSET"), tuple(a.get("pads", (0,) * 2 * count))
        pads = (0,) * 2 * count if auto == "VALID" else pads
        same = auto.startswith("SAME") or "output_shape" in a
        steps, apart = tuple(a.get("strides", (1,) * count)), tuple(a.get("dilations", (1,) * count))
        begin, end = (None, None) if same else (pads[:count], pads[count:])
        if count > 1:
            return cls(have[-count:], want[-count:], kernel, steps, apart, begin, end)
        begin, end = (None, None) if begin is None or end is None else ((0, *begin), (0, *end))
        return cls((1, *have[-1:]), (1, *want[-1:]), (1, *kernel), (1, *steps), (1, *apart), begin, end)

    def reach(self, side: int) -> int:
        """Pixels from the first to the last of a window."""
        return self.dilation[side] * (self.kernel[side] - 1) + 1

    def borders(self, side: int, total: int) -> list[int]:
        """Borders to try, the likely one first; ``total`` is that of both ends."""
        if self.begin is None or self.end is None:
            tries = [(self.reach(side) - 1) // 2, -(-total // 2), total // 2]
        else:
            one, two = self.begin[side], self.end[side]
            tries = [one] if one == two else [max(one, two), -(-(one + two) // 2), min(one, two)]
        return [border for border in dict.fromkeys(tries) if border >= 0]

    def padding(self) -> tuple[int | None, ...]:
        """One border for each side, None where none gives the wanted size."""
        found: list[int | None] = []
        for side, (have, want, step) in enumerate(zip(self.have, self.want, self.stride, strict=True)):
            total = max(0, (want - 1) * step + self.reach(side) - have)
            fits = (p for p in self.borders(side, total) if (have + 2 * p - self.reach(side)) // step + 1 == want)
            found.append(next(fits, None))
        return tuple(found)

    def enlarged(self) -> tuple[Shape, tuple[int, ...]]:
        """The size of the image with a border where no even one fits, and the borders that are left."""
        sizes, left = list(self.have), []
        for side, border in enumerate(self.padding()):
            if border is None:
                sizes[side] = max(sizes[side], (self.want[side] - 1) * self.stride[side] + self.reach(side))
            left.append(border or 0)
        return tuple(sizes), tuple(left)

    def turned(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Border and output padding of a transposed convolution; ValueError where there are none."""
        borders, extra = [], []
        for side, (have, want, step) in enumerate(zip(self.have, self.want, self.stride, strict=True)):
            total = (have - 1) * step + self.reach(side) - want
            most = max(step, self.dilation[side])
            tries = [*self.borders(side, max(0, total)), max(0, -(-total // 2))]
            border = next((p for p in tries if 0 <= 2 * p - total < most), None)
            if border is None:
                raise ValueError("no even border")
            borders.append(border)
            extra.append(2 * border - total)
        return tuple(borders), tuple(extra)

    @property
    def attributes(self) -> Attributes:
        made: Attributes = {"kernel": self.kernel, "stride": self.stride}
        return made if set(self.dilation) == {1} else {**made, "dilation": self.dilation}


def conv(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    """Also transposed, and of quantized numbers; the weight must be stored in the file."""
    x, weight, bias = (node.input[place] if place < len(node.input) else "" for place in PLACES[node.op_type])
    taps, turned = r.weights[weight], node.op_type == "ConvTranspose"
    count, groups = len(taps) - 2, int(a.get("group", 1))
    if not 1 <= count <= 3 or (bias and bias not in r.weights):
        return ""
    windows = Windows.of(a, r.shapes[x], r.shapes[node.output[0]], taps[2:])
    attributes = {**windows.attributes, "out": taps[1] * groups if turned else taps[0]}
    attributes |= {"groups": groups, "bias": bool(bias)}
    image = (*r.shapes[x][:2], *windows.have)
    layer = r.graph.seen_as(r.name(x), image)
    if turned:
        attributes["padding"], attributes["output_padding"] = windows.turned()
    else:
        layer, attributes["padding"] = _padded(r, layer, windows)
    op = ("conv_transpose" if turned else "conv") + ("3d" if count == 3 else "2d")
    return r.put(op, node, [layer], attributes, [weight, *([bias] if bias else [])])


def pool(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    """The maximum, the mean or a norm of every window."""
    x, kernel = given[0], tuple(a["kernel_shape"])
    if not 1 <= len(kernel) <= 3:
        return ""
    windows = Windows.of(a, r.shapes[x], r.shapes[node.output[0]], kernel)
    layer = r.graph.seen_as(r.name(x), (*r.shapes[x][:2], *windows.have))
    op = ("max" if node.op_type == "MaxPool" else "avg") + f"_pool{3 if len(kernel) == 3 else 2}d"
    count = len(r.graph.entries)
    if a.get("ceil_mode") and len(kernel) < 3 and windows.begin is not None and windows.begin == windows.end:
        attributes: Attributes = {**windows.attributes, "padding": windows.begin, "ceil_mode": True}
        made = r.graph.add(op, r.label(node), [layer], attributes)
        if r.graph.tensors[made].shape[2:] == windows.want:
            return r.graph.seen_as(made, r.shapes[node.output[0]])
        r.graph.back_to(count)
    layer, padding = _padded(r, layer, windows)
    return r.put(op, node, [layer], {**windows.attributes, "padding": padding})


def _padded(r: Reader, layer: str, windows: Windows) -> tuple[str, tuple[int, ...]]:
    """The image with a border where no even one fits, and the even borders that are left."""
    sizes, padding = windows.enlarged()
    if sizes != windows.have:
        layer = r.graph.add("pad", "pad", [layer], {"shape": (*r.graph.tensors[layer].shape[:2], *sizes)})
    return layer, padding


def global_pool(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    """One number of every channel."""
    shape = r.shapes[given[0]]
    kind = node.op_type.removeprefix("QLinear")
    if kind == "GlobalAveragePool" and len(shape) == 4:
        return r.put("global_avg_pool", node, r.read(given[:1]), {})
    op = {"GlobalMaxPool": "row_max", "GlobalLpPool": "row_norm"}.get(kind, "mean")
    rows = r.graph.seen_as(r.name(given[0]), (*shape[:2], prod(shape[2:])))
    return r.put(op, node, [rows], {})
