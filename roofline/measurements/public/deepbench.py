"""How are DeepBench's matrix multiplications, convolutions and recurrences read?

It reads the output of its NVIDIA programs (``gemm_bench``, ``conv_bench``, ``rnn_bench``: tables of numbers between
dashes, times in microseconds), saved as ``.txt`` or ``.log`` and read with ``--chip``, and tidy copies ``gemm.csv``,
``conv.csv``, ``rnn.csv`` (milliseconds). The spreadsheets of its ``results`` are not read.

cuBLAS and cuDNN are called from C++, the same call in a loop. Matrices are column-major, A (m, k) and B (k, n), each
may be transposed: the GEMM of a linear layer k -> m on n rows. Only where A is transposed and B is not are both stored
along k, as in a layer; otherwise it is a plain GEMM. cuDNN picks the fastest of its algorithms. Recurrences have one
layer and skip its input GEMM (CUDNN_SKIP_INPUT).

Source: baidu-research/DeepBench @ da81ba7, Apache-2.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from roofline.core.measurement import Measurement
from roofline.core.stack import Stack
from roofline.errors import DataError
from roofline.measurements.public.files import Line, Source, header, opened, stem, table, understood

COMMIT = "baidu-research/DeepBench @ da81ba7"
STACK = Stack(framework="c++")
CUDNN = {"titan-x-maxwell": 6, "tesla-t4": 7}
"""Major version by GPU: the files do not state it; their algorithms show it."""
DTYPES = {"fp32": "fp32", "float": "fp32", "fp16_mixed": "fp16", "half": "fp16"}
CELLS = {"vanilla": "rnn", "lstm": "lstm", "gru": "gru"}

GEMM = ("m", "n", "k", "ta", "tb", "precision", "time")
CONV = (*"whcnksr", "pad_w", "pad_h", "str_w", "str_h", "precision", "fwd", "bwd_in", "bwd_w", "algo")
RNN = ("cell", "hidden", "n", "t", "precision", "fwd", "bwd_in", "bwd_w")

TIDY = {
    "gemm": dict(zip(GEMM, (*"MNK", "ta", "tb", "dtype", "ms"), strict=True)),
    "conv": dict(zip(CONV, (*"WHCNKSR", *CONV[7:11], "dtype", "fwd_ms", "bwd_in_ms", "bwd_w_ms", "algo"), strict=True)),
    "rnn": dict(zip(RNN, ("cell", "hidden", "N", "T", "dtype", "fwd_ms", "bwd_in_ms", "bwd_w_ms"), strict=True)),
}
"""Names of the columns in tidy copies."""

PRINTED = {
    "m": "m",
    "n": "n",
    "k": "k",
    "a_t": "ta",
    "b_t": "tb",
    "w": "w",
    "h": "h",
    "c": "c",
    "f_w": "s",
    "f_h": "r",
    "pad_w": "pad_w",
    "pad_h": "pad_h",
    "stride_w": "str_w",
    "stride_h": "str_h",
    "type": "cell",
    "hidden": "hidden",
    "N": "n",
    "timesteps": "t",
    "precision": "precision",
    "time (usec)": "time",
    "fwd_time (usec)": "fwd",
    "bwd_inputs_time (usec)": "bwd_in",
    "bwd_time (usec)": "bwd_in",
    "bwd_params_time (usec)": "bwd_w",
    "total_time (usec)": "total",
    "pad_kerenels": "padded",
    "fwd_algo": "algo",
}
"""Names of the columns in the printed tables."""

PARTS = {"fwd": "forward", "bwd_in": "data", "bwd_w": "weights"}


@dataclass(frozen=True)
class Asked:
    """One line: its values, their names in this file, and how many of its units of time make a second."""

    line: Line
    names: Mapping[str, str]
    per_second: float
    chip: str

    def whole(self, name: str) -> int:
        return self.line.whole(self.names[name])

    def seconds(self, name: str) -> float:
        return self.line.seconds(self.names[name], self.per_second)

    def text(self, name: str) -> str:
        return self.line.values.get(self.names.get(name, ""), "").strip()


def read(source: Source) -> Iterator[Measurement]:
    """GEMMs, convolutions and recurrences, file by file; one measurement for each timed direction."""
    paths = source.files(".csv", ".txt", ".log")
    tidy = {path for path in paths if stem(path)[1] == ".csv" and _kind(header(path))}
    found = [path for path in paths if path in tidy or stem(path)[1] in (".txt", ".log")]
    understood(source.path, found, "gemm.csv, conv.csv, rnn.csv, or .txt and .log files of what its programs print")
    for path in found:
        for kind, asked in _tidy(path) if path in tidy else _printed(path, source):
            if not source.wants(asked.chip):
                continue
            dtype = DTYPES.get(asked.text("precision") or "float")
            if dtype is None:
                source.skip(f"measurements in {asked.text('precision')}")
                continue
            yield from _KINDS[kind](asked, dtype, source)


def _kind(names: list[str]) -> str:
    return next((kind for kind, columns in TIDY.items() if set(columns.values()) <= set(names)), "")


def _tidy(path: Path) -> Iterator[tuple[str, Asked]]:
    kind = _kind(header(path))
    for line in table(path, "device", *TIDY[kind].values()):
        yield kind, Asked(line, TIDY[kind], 1e3, line["device"])


def _printed(path: Path, source: Source) -> Iterator[tuple[str, Asked]]:
    """The tables in a program's output: a header of known columns, then lines of numbers until other text."""
    columns: list[str] = []
    count = 0
    with opened(path) as file:
        for number, text in enumerate(file, start=1):
            names = [PRINTED.get(name) for name in re.split(r"\s+(?!\(usec\))", text.strip())]
            if len(names) > 3 and None not in names:
                columns = [name for name in names if name]
                continue
            words = text.split()
            if not columns or not words or set(text.strip()) == {"-"}:
                continue
            if "Not Supported" in text:
                source.skip("measurements that the library did not support")
                continue
            if not "".join(words[1:2] if "cell" in columns else words[:1]).isdigit():  # remarks around the table
                continue
            words += [""] * ("algo" in columns and len(words) == len(columns) - 1)
            if len(words) != len(columns):
                raise DataError(f"{path}:{number}: expected {len(columns)} columns ({' '.join(columns)})")
            kind = "gemm" if "time" in columns else "rnn" if "cell" in columns else "conv"
            count += 1
            chip = source.needs_chip(f"{path}: what DeepBench prints")
            yield kind, Asked(Line(path, number, dict(zip(columns, words, strict=True))), _SAME, 1e6, chip)
    if not count and path != source.path:
        source.skip("text files without a table")
    elif not count:
        raise DataError(f"{path}: no table of gemm_bench, conv_bench or rnn_bench in it")


_SAME = {name: name for name in PRINTED.values()}


def _gemm(asked: Asked, dtype: str, source: Source) -> Iterator[Measurement]:
    m, n, k = (asked.whole(name) for name in "mnk")
    how = "".join("T" if asked.text(name).lower() in ("1", "t") else "N" for name in ("ta", "tb"))
    layer = how == "TN" or dtype != "fp32"  # tensor cores read all operand layouts at the same speed
    op, attributes = ("linear", {"out": m, "bias": False}) if layer else ("matmul", {})
    shapes = ((n, k),) if layer else ((n, k), (k, m))
    yield _row(asked, dtype, "gemm", op, attributes, shapes, asked.seconds("time"), kernel=f"gemm {how}")


def _conv(asked: Asked, dtype: str, source: Source) -> Iterator[Measurement]:
    attributes = {
        "out": asked.whole("k"),
        "kernel": (asked.whole("r"), asked.whole("s")),
        "padding": tuple(asked.line.count(asked.names[name]) for name in ("pad_h", "pad_w")),
        "stride": (asked.whole("str_h"), asked.whole("str_w")),
        "bias": False,
    }
    shape = tuple(asked.whole(name) for name in "nchw")
    for part, seconds in _parts(asked, source):
        kernel = asked.text("algo") if part == "forward" else ""
        yield _row(asked, dtype, "conv", "conv2d", attributes, (shape,), seconds, part=part, kernel=kernel)


def _rnn(asked: Asked, dtype: str, source: Source) -> Iterator[Measurement]:
    cell, hidden = asked.text("cell").lower(), asked.whole("hidden")
    if cell not in CELLS:
        source.skip(f"unknown recurrent cell: {cell}")
        return
    attributes = {"hidden": hidden, "skip_input": True}
    for part, seconds in _parts(asked, source):
        shape = (asked.whole("n"), asked.whole("t"), hidden)
        yield _row(asked, dtype, "rnn", CELLS[cell], attributes, (shape,), seconds, part=part)


_KINDS = {"gemm": _gemm, "conv": _conv, "rnn": _rnn}


def _parts(asked: Asked, source: Source) -> Iterator[tuple[str, float]]:
    for name, part in PARTS.items():
        if asked.text(name) in ("", "0"):
            source.skip(f"measurements without a time for the {part} part")
        else:
            yield part, asked.seconds(name)


def _row(
    asked: Asked,
    dtype: str,
    kind: str,
    op: str,
    attributes: Mapping[str, Any],
    inputs: tuple[tuple[int, ...], ...],
    seconds: float,
    *,
    part: str = "forward",
    kernel: str = "",
) -> Measurement:
    return Measurement(
        kind="operator",
        chip=asked.chip,
        dtype=dtype,
        seconds=seconds,
        stack=replace(STACK, cudnn=CUDNN.get(asked.chip, STACK.cudnn)),
        op=op,
        attributes=attributes,
        inputs=inputs,
        part=part,
        cache="unknown",
        kernel=kernel,
        set=f"deepbench/{kind}",
        provenance=f"DeepBench ({COMMIT}), {kind}",
    )
