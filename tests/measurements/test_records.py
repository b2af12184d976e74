"""Files are read whoever wrote them; what is wrong is named with file and line."""

import gzip
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from roofline.core.measurement import Measurement
from roofline.errors import DataError, UsageError
from roofline.measurements.store import Store, read_measurements

ROW = Measurement(kind="operator", chip="cpu", dtype="fp32", seconds=1e-3, op="relu", inputs=((8, 32),), cache="cold")


def rows(count: int) -> list[Measurement]:
    return [replace(ROW, inputs=((8, width),)) for width in range(1, count + 1)]


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n" if lines else "")
    return path


def line(row: Measurement) -> str:
    return json.dumps(row.to_dict())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "made" / "rows.jsonl"
    with Store(path) as store:
        name = store.append_environment({"date": "2026-11-23T00:00:00+00:00", "python": "CPython 3.11"})
        wanted = [replace(row, environment=name) for row in rows(3)]
        for row in wanted:
            assert store.append_sample(row.key, 0, seconds=row.seconds, blocks=[row.seconds])
            assert store.append(row.to_dict())
    read = read_measurements(path)
    assert read.measurements == tuple(wanted)
    assert read.environments[name]["python"] == "CPython 3.11"
    assert read.environments[name]["schema"] == 1
    assert len(read.samples) == 3
    assert read.warnings == ()
    assert len(read.sha256) == 64


def test_compressed_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    text = "".join(line(row) + "\n" for row in rows(200)).encode()
    path.write_bytes(gzip.compress(text[:9000]) + gzip.compress(text[9000:]))
    assert read_measurements(path).measurements == tuple(rows(200))


def test_a_cut_off_compressed_file_gives_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    whole = gzip.compress("".join(line(row) + "\n" for row in rows(500)).encode())
    path.write_bytes(whole[: len(whole) // 2])
    read = read_measurements(path)
    assert 0 < len(read.measurements) < 500
    assert any("incomplete" in warning for warning in read.warnings)


def test_a_damaged_compressed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(b"\x1f\x8b" + b"no such thing" * 9)
    with pytest.raises(DataError, match="damaged gzip"):
        read_measurements(path)


def test_a_last_line_cut_anywhere_leaves_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    whole = (line(ROW) + "\n" + json.dumps(replace(ROW, provenance="größer").to_dict(), ensure_ascii=False)).encode()
    first = len(line(ROW)) + 1
    for cut in range(first, len(whole) + 1):
        path.write_bytes(whole[:cut])
        read = read_measurements(path)
        assert len(read.measurements) == 1 + (cut == len(whole))
        assert len(read.warnings) == (first < cut < len(whole))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"  \n"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"rows\.jsonl: the file is empty"):
        read_measurements(path)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("{'record': 1}", "not valid JSON"),
        ("[1, 2]", "expected an object"),
        ('{"record": "measurement", "kind": "operator"}', "chip: missing"),
        (line(ROW).replace("0.001", "NaN"), "NaN is not a JSON number"),
        (line(ROW).replace("0.001", "1e999"), "1e999 is larger than any number"),
        (line(ROW).replace('"schema": 1', '"schema": 2'), "schema 2 is not known"),
        ('{"record": "environment", "schema": 9}', "unknown schema 9"),
        ('{"record": "sample", "key": "x"}', "round of a sample record: expected a whole number"),
        ("[" * 200_000, "not valid JSON"),
        (line(ROW)[:50], "not valid JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, second: str, message: str) -> None:
    path = write(tmp_path / "rows.jsonl", line(ROW), second, line(ROW))
    with pytest.raises(DataError, match=rf"rows\.jsonl:2: .*{message}"):
        read_measurements(path)


@pytest.mark.parametrize("content", [bytes(range(256)), b"\x7fELF\x02\x01" * 50 + b"\xff\n", b"\x89PNG\r\n\x1a\n"])
def test_binary_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"rows\.jsonl:\d+: .*JSON Lines"):
        read_measurements(path)
    with pytest.raises(DataError):
        Store(path)
    assert path.read_bytes() == content


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_measurements(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match="cannot be read"):
        read_measurements(tmp_path)


def test_unknown_records_are_left_out_and_counted(tmp_path: Path) -> None:
    later = '{"record": "forecast"}'
    path = write(tmp_path / "rows.jsonl", later, line(ROW), later, later)
    read = read_measurements(path)
    assert read.measurements == (ROW,)
    (warning,) = read.warnings
    assert "'forecast'" in warning
    assert "2 more" in warning


def test_windows_line_ends_and_a_byte_order_mark_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line(ROW).encode() + b"\r\n\r\n" + line(ROW).encode())
    assert read_measurements(path).measurements == (ROW, ROW)


def test_changed_and_missing_environments_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with Store(path) as store:
        name = store.append_environment({"threads": 1})
        store.append(replace(ROW, environment=name).to_dict())
        store.append(replace(ROW, cache="warm", environment="lost").to_dict())
    path.write_text(path.read_text().replace('"threads": 1}', '"threads": 2}'))
    first, second = read_measurements(path).warnings
    assert "was changed" in first
    assert "lost" in second


def test_samples_alone_are_an_unfinished_campaign(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with Store(path) as store:
        store.append_sample("k", 0, seconds=1e-3)
    with pytest.raises(DataError, match="only 1 sample of an unfinished campaign"):
        read_measurements(path)


def test_reading_is_quick(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", *(line(replace(ROW, samples=(1e-3,) * 20)) for _ in range(5_000)))
    start = time.process_time()
    assert len(read_measurements(path).measurements) == 5_000
    # some 20 us a row are needed; the bound only catches something quadratic
    assert time.process_time() - start < 2.0
