"""Nothing measured is lost or doubled: killed writers, two writers, full disks, damaged files."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from roofline.core.measurement import Measurement
from roofline.errors import DataError, OutputError
from roofline.measurements import store as store_module
from roofline.measurements.store import Store, environment_id, read_measurements

ROOT = Path(__file__).parents[2]
ROW = Measurement(kind="operator", chip="cpu", dtype="fp32", seconds=1e-3, op="relu", inputs=((8, 32),), cache="cold")


def rows(count: int) -> list[Measurement]:
    return [replace(ROW, inputs=((8, width),)) for width in range(1, count + 1)]


def line(row: Measurement) -> str:
    return json.dumps(row.to_dict())


def test_nothing_is_doubled(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for attempt in range(3):
        with Store(path) as store:
            assert store.append(ROW.to_dict()) == (attempt == 0)
            assert not store.append(replace(ROW, seconds=2.0).to_dict())
            assert store.append_sample("k", 0, seconds=1.0) == (attempt == 0)
            assert store.append_sample("k", attempt + 1, seconds=1.0)
            assert store.append_environment({"python": "3"}) == environment_id({"python": "3"})
            assert store.measured == {ROW.key}
            assert store.done == {("k", number) for number in range(attempt + 2)}
    assert len(path.read_text().splitlines()) == 1 + 1 + 3 + 1
    assert path.read_text().count('"seconds": 2.0') == 0


def test_a_sample_keeps_its_blocks(tmp_path: Path) -> None:
    with Store(tmp_path / "rows.jsonl") as store:
        store.append_sample("k", 2, seconds=1e-3, blocks=[1.23456789012e-3], flags=["contended"], cpu_seconds=9e-4)
    with Store(tmp_path / "rows.jsonl") as store:
        sample = store.samples()[("k", 2)]
        assert store.measurements == ()
        assert store.environments == {}
    assert sample["blocks"] == [1.234568e-3]
    assert sample["flags"] == ["contended"]
    assert sample["cpu_seconds"] == 9e-4


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"record": "sample", "key": "k", "round": 0, "seconds": float("nan")}, "cannot be stored"),
        ({"record": "sample", "key": "k", "round": 0, "seconds": object()}, "cannot be stored"),
        ({"record": "sample", "key": "k", "round": 0, "note": "\ud800"}, "cannot be stored"),
        ({"record": "sample", "key": "k"}, "round of a sample record: expected a whole number"),
        ({"record": "forecast"}, "unknown record type"),
        ({"record": "environment", "id": "0" * 16}, "was changed"),
        (ROW.to_dict() | {"seconds": -1}, "seconds"),
    ],
)
def test_what_could_not_be_read_is_not_written(tmp_path: Path, record: dict[str, object], message: str) -> None:
    path = tmp_path / "rows.jsonl"
    with Store(path) as store:
        store.append(ROW.to_dict())
        before = path.read_bytes()
        with pytest.raises(DataError, match=message):
            store.append(record)
    assert path.read_bytes() == before


def test_an_incomplete_last_line_is_cut_off_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(line(ROW).encode() + b"\n" + line(ROW).encode()[:40])
    with Store(path) as store:
        assert store.measured == {ROW.key}
        (note,) = store.notes
        store.append(replace(ROW, cache="warm").to_dict())
    assert "incomplete last line was cut off (40 bytes)" in note
    assert len(read_measurements(path).measurements) == 2


def test_a_last_line_without_its_end_is_completed(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(line(ROW).encode())
    with Store(path) as store:
        store.append(replace(ROW, cache="warm").to_dict())
        assert store.notes == []
    assert len(read_measurements(path).measurements) == 2


def test_zeros_of_a_lost_power_supply_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(line(ROW).encode() + b"\n" + bytes(512))
    with Store(path) as store:
        assert len(store.measurements) == 1
    assert path.read_bytes() == line(ROW).encode() + b"\n"


@pytest.mark.parametrize(
    "content",
    [b'{"name": "my settings"}', b'{"name": "my', b"dear diary", b'{"record": "song"}\n', b"a,b\n1,2\n"],
)
def test_files_of_another_kind_are_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "precious.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"precious\.txt"):
        Store(path)
    assert path.read_bytes() == content


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        Store(tmp_path / "file" / "rows.jsonl")
    with pytest.raises(OutputError, match="cannot be written"):
        Store(tmp_path)
    with pytest.raises(OutputError, match="compressed"):
        Store(tmp_path / "rows.jsonl.gz")
    if os.path.exists("/dev/full"):
        with pytest.raises(OutputError, match="not a plain file"):
            Store("/dev/full")


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.jsonl"
    original = os.write
    room = 1000

    def write_until_full(descriptor: int, data: bytes) -> int:
        nonlocal room
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = original(descriptor, data[:room])
        room -= written
        return written

    with Store(path) as store:
        monkeypatch.setattr(store_module.os, "write", write_until_full)
        with pytest.raises(OutputError, match=r"rows\.jsonl: cannot be written: No space left on device"):
            all(store.append(row.to_dict()) for row in rows(50))
        monkeypatch.undo()
        stored = len(store.measurements)
        assert 0 < stored < 50
        assert store.append(rows(50)[-1].to_dict())
    read = read_measurements(path)
    assert read.measurements == (*rows(50)[:stored], rows(50)[-1])
    assert read.warnings == ()


def test_a_file_size_limit_loses_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "rows.jsonl"
    limit = 2000
    result = subprocess.run(
        [sys.executable, "-c", WRITER, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert "OutputError" in result.stderr
    assert "File too large" in result.stderr
    assert 0 < path.stat().st_size <= limit
    assert path.read_bytes().endswith(b"\n")
    with Store(path) as store:
        assert store.notes == []
        assert len(store.done) == max(number for _, number in store.done) + 1


WRITER = """
import sys
from roofline.measurements.store import Store
with Store(sys.argv[1], sync_s=10.0) as store:
    number = len(store.done)
    while True:
        store.append_sample("k", number, seconds=1e-3, blocks=[1e-3] * (number % 400))
        number += 1
        print(number, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_a_killed_writer_loses_and_doubles_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    said = 0
    for attempt in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(random.randint(3, 60)):
            said = int(writer.stdout.readline())
        writer.kill()
        said = max([said, *(int(text) for text in writer.stdout.read().split("\n")[:-1])])
        writer.wait()
        writer.stdout.close()
        with Store(path) as store:
            numbers = sorted(number for _, number in store.done)
        # every sample the writer spoke of is there; one more may be, that it could not speak of any more
        assert numbers == list(range(len(numbers))), attempt
        assert said <= len(numbers) <= said + 1
        assert len(path.read_text().splitlines()) == len(numbers)


def test_killed_at_any_byte_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with Store(path) as store:
        store.append_environment({"python": "3"})
        for number in range(3):
            store.append_sample("k", number, seconds=1e-3)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with Store(path) as store:
            store.append_environment({"python": "3"})
            for number in range(3):
                store.append_sample("k", number, seconds=1e-3)
        assert sorted(path.read_bytes().splitlines()) == sorted(whole.splitlines())


def test_a_second_writer_is_refused_by_the_name_of_the_first(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    path = tmp_path / "rows.jsonl"
    with Store(path) as store:
        store.append(ROW.to_dict())
        second = subprocess.run([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, capture_output=True, text=True)
        with pytest.raises(OutputError, match="is writing to it"):
            Store(path)
        read_measurements(path)
        with pytest.raises(OutputError):
            Store(path)
    assert "OutputError" in second.stderr
    if Path("/proc/locks").exists():
        assert f"process {os.getpid()} is writing to it" in second.stderr
    with Store(path):
        pass


def test_without_locks_the_user_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "fcntl", None)
    with Store(tmp_path / "rows.jsonl") as store:
        (note,) = store.notes
        store.close()
    assert "no file locks" in note


def test_what_is_measured_is_forced_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(store_module.os, "fsync", calls.append)
    with Store(tmp_path / "rows.jsonl", sync_s=0.0) as store:
        for number in range(3):
            store.append_sample("k", number, seconds=1.0)
    assert len(calls) == 4
    calls.clear()
    with Store(tmp_path / "rows.jsonl", sync_s=1e9) as store:
        for number in range(3, 6):
            store.append_sample("k", number, seconds=1.0)
    assert len(calls) == 1
