"""Does one reader refuse whatever is no plain file of reasonable size, at once and within little memory?"""

from __future__ import annotations

import gzip
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from roofline.errors import DataError, RooflineError, Unreadable
from roofline.files import MIB, open_file, parse_json, read_bytes, unpack
from roofline.frontends.huggingface import from_config
from roofline.measurements.public.deepbench import read as read_deepbench
from roofline.measurements.public.files import Source
from roofline.measurements.public.kineto import read as read_kineto
from roofline.measurements.records import read_measurements
from roofline.specs.yamlio import load_document

READERS: dict[str, Callable[[Path], object]] = {
    "config.json": from_config,
    "rows.jsonl": read_measurements,
    "chip.yaml": load_document,
    "trace.json": lambda path: list(read_kineto(path, "rtx-3090")),
    "gemm.csv": lambda path: list(read_deepbench(Source(path, "rtx-3090"))),
}


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


PLACES: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "loop": _loop,
    "hole": _sparse,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, name: str, place: str) -> None:
    path = tmp_path / name
    PLACES[place](path)
    start = time.process_time()
    with pytest.raises(RooflineError) as caught:
        READERS[name](path)
    assert name in str(caught.value)
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "gemm.csv.gz"])
def test_an_archive_out_of_proportion_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with gzip.open(path, "wb") as file:
        for _ in range(200):
            file.write(b"a" * MIB)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="unpacks to more than 100 times its size"):
            READERS[name.removesuffix(".gz")](path)
        assert tracemalloc.get_traced_memory()[1] < 100 * MIB
    finally:
        tracemalloc.stop()


def test_parts_of_an_archive_are_joined_and_an_incomplete_one_is_said() -> None:
    two = gzip.compress(b"one\n") + gzip.compress(b"two\n")
    assert unpack(two, "x", MIB) == (b"one\ntwo\n", True)
    assert unpack(gzip.compress(os.urandom(1000))[:-9], "x", MIB)[1] is False
    assert unpack(b"plain", "x", MIB) == (b"plain", True)
    with pytest.raises(DataError, match="larger than 1 MiB when unpacked"):
        unpack(gzip.compress(os.urandom(2 * MIB)), "x", MIB)


def test_a_file_is_bounded_by_what_it_has_not_by_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", 5) == b"12345"
    with pytest.raises(Unreadable, match="larger than 0 kB; hint"):
        read_bytes(tmp_path / "a", 4, "hint")
    with open_file(tmp_path / "a", 5) as file:
        file.seek(3)
        assert file.read(1) == b"4"
    with pytest.raises(Unreadable, match="no such file"):
        read_bytes("a\0b", 4)


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999", "9" * 50, "[" * 100_000, "{", b"\xff"])
def test_json_that_nobody_can_use(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_json(text)
