"""Is everything that can be read from a damaged measurement file saved, and everything else named?"""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from roofline.core.measurement import Measurement
from roofline.errors import DataError, OutputError
from roofline.measurements.records import read_measurements
from roofline.measurements.recover import recover
from roofline.measurements.store import Store

ROW = Measurement("operator", "rtx-3090", "fp32", 1e-4, op="relu", inputs=((8, 8),))


def line(number: int) -> bytes:
    return json.dumps(replace(ROW, inputs=((number, 8),)).to_dict()).encode()


def test_valid_records_are_saved_and_the_rest_is_named(tmp_path: Path) -> None:
    path, out = tmp_path / "rows.jsonl", tmp_path / "new.jsonl"
    bad = [b"hello", b"}", b'{"record": "sample", "key": 5}', b"\xff\xfe", b"\0" * 40]
    path.write_bytes(b"\n".join([line(1), *bad, b"\xef\xbb\xbf" + line(2), line(3) + b"\r", line(4)[:30]]))
    with pytest.raises(DataError, match=r"rows.jsonl:2: .*recover"):
        read_measurements(path)
    saved = recover(path, out)
    assert saved.kept == 3
    assert [one.split(": ")[0].rsplit(":")[-1] for one in saved.dropped] == ["2", "3", "4", "5", "6", "9"]
    assert len(read_measurements(out).measurements) == 3
    with pytest.raises(OutputError, match="exists already"):
        recover(path, out)


def test_a_damaged_archive_gives_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(line(number) + b"\n" for number in range(200)))[:-200])
    saved = recover(path, tmp_path / "new.jsonl")
    assert 0 < saved.kept < 200
    assert "the end of the compressed file is missing" in saved.dropped[0]


def test_nothing_to_save(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("nothing")
    with pytest.raises(DataError, match="no record can be saved"):
        recover(tmp_path / "rows.jsonl", tmp_path / "new.jsonl")
    assert not (tmp_path / "new.jsonl").exists()


@pytest.mark.parametrize("change", ["deleted", "renamed", "replaced", "cut", "written", "folder"])
def test_a_campaign_notices_what_happens_to_its_file(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "folder"
    path = folder / "rows.jsonl"
    store = Store(path)
    assert store.append(replace(ROW, inputs=((1, 8),)).to_dict())
    whole = path.read_bytes()
    match change:
        case "deleted":
            path.unlink()
        case "renamed":
            path.rename(folder / "other.jsonl")
        case "replaced":
            path.unlink()
            path.write_text("another")
        case "cut":
            os.truncate(path, 10)
        case "written":
            path.write_bytes(whole + b"x")
        case "folder":
            path.unlink()
            folder.rmdir()
    with pytest.raises(OutputError, match=r"rows.jsonl") as caught:
        store.append(replace(ROW, inputs=((2, 8),)).to_dict())
    with pytest.raises(OutputError) as again:
        store.close()
    assert str(again.value) == str(caught.value)
    if change == "replaced":
        assert path.read_text() == "another"
    where = {"renamed": "other.jsonl", "written": "rows.jsonl"}.get(change, "rows.saved.jsonl")
    if change != "cut":
        assert where in str(caught.value)
        assert (folder / where).read_bytes().startswith(whole)
