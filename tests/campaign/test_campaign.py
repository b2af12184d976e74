"""A campaign keeps what it measured, goes on only with itself, and says what went wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from campaigns import CHIP, PLAN, Counting, burst, length

from roofline.campaign import campaign, rounds, watch
from roofline.campaign.campaign import run_campaign
from roofline.core.measurement import Measurement
from roofline.errors import DataError, OutputError, Unsupported, UsageError
from roofline.measurements.plan import Plan
from roofline.measurements.records import checksum, read_measurements
from roofline.measurements.store import Store

ROOT = Path(__file__).parents[2]
KEYS = 3 + 3 + 2  # cold and warm operators, a net in inference and training
SAMPLES = 2 * (3 + 2) + 3  # warm rows have one round


def records(path: Path, kind: str) -> list[dict[str, object]]:
    return [record for record in map(json.loads, path.read_text().splitlines()) if record["record"] == kind]


def test_the_first_line_says_what_is_measured(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "rows.jsonl"
    run(path)
    header = json.loads(path.read_text().splitlines()[0])
    assert (header["record"], header["schema"], header["format"]) == ("header", 1, "roofline measurements")
    assert (header["chip"], header["dtype"], header["threads"], header["device"]) == (CHIP, "fp32", [1], "cpu")
    assert header["plan"] == {
        "rows": 3,
        "rounds": 2,
        "networks": {"mlp": {"batch": 2}},
        "seed": 0,
        "growth": 1,
        "training": True,
    }
    assert header["families"] == {"elementwise": 6, "network": 2}
    assert header["checksum"] == checksum(header)
    read = read_measurements(path)
    assert read.header == header
    assert read.warnings == ()
    assert len(read.measurements) == KEYS
    assert len(read.samples) == SAMPLES


def test_the_plan_of_everything_has_a_header_too(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    run(tmp_path / "rows.jsonl", None, Plan(rows=3, rounds=1))
    header = read_measurements(tmp_path / "rows.jsonl").header
    assert header is not None
    assert header["plan"]["networks"]["resnet18"] == {"batch": 2, "image": 224}


def test_rows_name_the_environment_of_their_best_sample(tmp_path: Path, run, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    captured: list[int] = []

    def capture(device: str) -> dict[str, object]:
        captured.append(len(captured))
        return {"device": device, "load": [float(len(captured))]}

    monkeypatch.setattr(rounds, "capture", capture)
    calls: list[str] = []

    def second_is_faster(row: Measurement) -> object:
        calls.append(row.key)
        return burst(1e-3 / calls.count(row.key))

    path = tmp_path / "rows.jsonl"
    run(path, Counting(make=second_is_faster), PLAN)
    read = read_measurements(path)
    first, second = list(read.environments)[:2]
    by_cache = {row.cache: row.environment for row in read.measurements if row.kind == "operator"}
    assert by_cache == {"cold": second, "warm": first}
    assert {sample["environment"] for (_, number), sample in read.samples.items() if number == 0} == {first}


def test_a_tenth_is_measured_again_and_changes_no_row(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    counts: dict[str, int] = {}

    def slower_at_the_end(row: Measurement) -> object:
        counts[row.key] = counts.get(row.key, 0) + 1
        late = counts[row.key] > (2 if row.cache == "cold" else 1)
        return burst(length(row) * (1.1 if late else 1.0))

    path = tmp_path / "rows.jsonl"
    said = run(path, Counting(make=slower_at_the_end))
    read = read_measurements(path)
    assert all(row.seconds == pytest.approx(length(row)) for row in read.measurements if row.kind == "operator")
    (judged,) = records(path, "repeatability")
    groups = {group["cache"]: group for group in judged["groups"]}  # type: ignore[attr-defined]
    assert groups.keys() == {"cold", "warm"}
    assert groups["cold"]["rows"] == groups["warm"]["rows"] == 1
    assert groups["cold"]["median"] == pytest.approx(0.0953, abs=1e-4)  # log 1.1
    assert any("repeatability of 1 cold measurement" in line for line in said)


def test_it_goes_on_where_it_stopped(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "rows.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run(path, Counting(4, KeyboardInterrupt()))
    assert len(records(path, "sample")) == 4
    assert not records(path, "measurement")
    rest = Counting()
    run(path, rest)
    assert len(rest.rows) == SAMPLES - 4 + 3  # and two rounds of a cold, one of a warm row again
    assert len(read_measurements(path).measurements) == KEYS
    before = path.read_bytes()
    again = Counting()
    run(path, again)
    assert again.rows == []
    assert path.read_bytes() == before


@pytest.mark.parametrize("step", [61, pytest.param(3, marks=pytest.mark.slow)])
def test_cut_at_any_byte_it_goes_on(tmp_path: Path, run, monkeypatch, step: int) -> None:  # type: ignore[no-untyped-def]
    whole = tmp_path / "whole.jsonl"
    plan = Plan(rows=1, rounds=1, networks={})
    monkeypatch.setattr(campaign, "design", lambda rows, seed, training: campaign_questions())
    run(whole, None, plan)
    data, wanted = whole.read_bytes(), read_measurements(whole).measurements
    path = tmp_path / "rows.jsonl"
    lines = {0, *(index + 1 for index, byte in enumerate(data) if byte == 10)}
    # every byte of the first record and of its neighbours' seams, and every so many of the rest
    cuts = sorted({*range(40), *range(40, len(data), step), *lines, *(cut - 1 for cut in lines if cut)})
    for cut in cuts:
        path.write_bytes(data[:cut])
        run(path, None, plan)
        read = read_measurements(path)
        assert read.warnings == (), cut
        assert {row.key: row.seconds for row in read.measurements} == {row.key: row.seconds for row in wanted}, cut
        assert len(read.measurements) == len(wanted), cut


def test_cut_at_any_byte_it_is_read_as_far_as_it_goes(tmp_path: Path, run, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(campaign, "design", lambda rows, seed, training: campaign_questions())
    path = tmp_path / "rows.jsonl"
    run(path, None, Plan(rows=1, rounds=1, networks={}))
    data = path.read_bytes()
    counts = []
    for cut in range(data.index(b"\n"), len(data) + 1):
        path.write_bytes(data[:cut])
        read = read_measurements(path, unfinished=True)
        assert read.header is not None
        whole = cut == len(data) or data[cut : cut + 1] == b"\n" or data[cut - 1 : cut] == b"\n"
        assert len(read.warnings) == (not whole), cut
        counts.append(len(read.samples) + len(read.repeats) + len(read.references) + len(read.measurements))
    assert counts == sorted(counts)
    assert counts[-1] == data.count(b"\n") - 3  # header, environments of the rows and of what was measured again
    for cut in range(data.index(b"\n")):
        path.write_bytes(data[:cut])
        with pytest.raises(DataError):
            read_measurements(path, unfinished=True)


def campaign_questions() -> list[object]:
    from campaigns import QUESTIONS

    return QUESTIONS[:1]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"chip": "cpu-other"}, f"chip was {CHIP}, is cpu-other"),
        ({"plan": replace(PLAN, seed=1)}, "plan.seed was 0, is 1"),
        ({"plan": replace(PLAN, rounds=3)}, "plan.rounds was 2, is 3"),
        ({"plan": replace(PLAN, networks={})}, "plan.networks was"),
        ({"dtype": "bf16"}, "dtype was fp32, is bf16"),
        ({"threads": (1, 2)}, r"threads was \[1\], is \[1, 2\]"),
    ],
)
def test_another_campaign_is_refused_by_what_differs(tmp_path: Path, run, options, says: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "rows.jsonl"
    run(path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=f"started with other options: .*{says}.*--out"):
        run(path, **options)
    assert path.read_bytes() == before


def test_another_machine_of_the_same_name_is_refused(tmp_path: Path, run, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "rows.jsonl"
    run(path)
    monkeypatch.setattr(campaign, "machine_name", lambda device: "Zilog Z80, family 1 model 2 stepping 3")
    with pytest.raises(UsageError, match=r"machine was .*, is Zilog Z80, family 1 model 2 stepping 3"):
        run(path)


def test_other_shapes_of_a_newer_version_are_refused(tmp_path: Path, run, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "rows.jsonl"
    run(path)
    monkeypatch.setattr(campaign, "design", lambda rows, seed, training: campaign_questions())
    with pytest.raises(UsageError, match="chose other shapes"):
        run(path)


def test_rows_without_a_header_and_changed_headers_are_not_gone_on_with(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    old = tmp_path / "old.jsonl"
    with Store(old) as store:
        store.append_sample("k", 0, seconds=1.0)
    with pytest.raises(UsageError, match="no header"):
        run(old)
    path = tmp_path / "rows.jsonl"
    run(path)
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7', 1))
    with pytest.raises(DataError, match="header was changed"):
        run(path)
    assert any("header was changed" in warning for warning in read_measurements(path).warnings)


def test_nan_is_flagged_once_looked_at(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    torch = pytest.importorskip("torch")
    bad, good = torch.tensor([1.0, float("nan")]), torch.tensor([1.0])
    looked: list[str] = []

    def make(row: Measurement) -> object:
        wrong = row.inputs == ((8, 32),)
        looked.append(row.key)
        return burst(length(row), output=(good, bad) if wrong else good)

    path = tmp_path / "rows.jsonl"
    run(path, Counting(make=make))
    flagged = {row.inputs[0][-1] for row in read_measurements(path).measurements if "nan" in row.flags}
    assert flagged == {32}
    marked = [record for record in records(path, "sample") if "nan" in record["flags"]]  # type: ignore[operator]
    assert len(marked) == 2  # the cold row and the warm one, each in its first round


def test_what_holds_nan() -> None:
    torch = pytest.importorskip("torch")
    nan = torch.tensor([float("nan"), 1.0])
    assert rounds.has_nan(nan)
    assert rounds.has_nan((torch.tensor([1]), [nan.to(torch.bfloat16)]))
    assert not rounds.has_nan(torch.tensor([float("inf"), 1.0]))
    assert not rounds.has_nan(torch.empty(0))
    assert not rounds.has_nan(torch.tensor([1, 2]))
    assert not rounds.has_nan(None)
    if hasattr(torch, "float8_e4m3fn"):  # has no least number in torch
        assert not rounds.has_nan(torch.ones(2).to(torch.float8_e4m3fn))


def test_rows_carry_the_flags_of_the_sample_they_are_from(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    seen: dict[str, int] = {}

    def make(row: Measurement) -> object:
        number = seen[row.key] = seen.get(row.key, 0) + 1
        fast = number == (1 if row.inputs == ((8, 16),) else 2)
        return burst(length(row) * (1.0 if fast else 1.5), notes=("throttled",) if number == 1 else ())

    path = tmp_path / "rows.jsonl"
    run(path, Counting(make=make))
    flags = {row.inputs[0][-1]: row.flags for row in read_measurements(path).measurements if row.cache == "cold"}
    assert flags == {16: ("throttled",), 32: (), 64: ()}


def test_the_state_of_the_machine_marks_rows_and_is_shown(tmp_path: Path, run, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    ticks = iter(range(10_000))
    monkeypatch.setattr(watch, "PERIOD_S", 0.0)
    monkeypatch.setattr(watch, "steal_s", lambda: 100.0 * next(ticks))
    shown: list[str] = []

    def make(row: Measurement) -> object:
        time.sleep(0.002)  # time must pass for a share of it to be taken
        return burst(length(row))

    said = run(tmp_path / "rows.jsonl", Counting(make=make), progress=lambda done, total, what: shown.append(what))
    rows = read_measurements(tmp_path / "rows.jsonl").measurements
    assert all("contended" in row.flags for row in rows)
    assert any(what.startswith("contended: ") for what in shown)
    assert any(" flagged: contended" in line for line in said)


def test_a_row_that_fails_is_skipped_and_said_once(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    def make(row: Measurement) -> object:
        if row.inputs == ((8, 32),):
            raise RuntimeError("not implemented for 'Half'\nmore")
        return burst(length(row))

    path = tmp_path / "rows.jsonl"
    bench = Counting(make=make)
    run(path, bench)
    assert {record["why"] for record in records(path, "skipped")} == {"not implemented for 'Half'"}
    assert len(records(path, "skipped")) == 2  # cold and warm
    assert sum(row.inputs == ((8, 32),) for row in bench.rows) == 2  # not tried again in the next round
    run(path, Counting(make=make))
    assert len(records(path, "skipped")) == 2


def test_nothing_measured_is_an_error(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    def make(row: Measurement) -> object:
        raise RuntimeError("no kernel image")

    with pytest.raises(DataError, match=f"nothing could be measured; .*{KEYS} attempts.*no kernel image"):
        run(tmp_path / "rows.jsonl", Counting(make=make))


def test_a_torch_without_the_format_is_named(tmp_path: Path, run, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    torch = pytest.importorskip("torch")
    monkeypatch.delattr(torch, "bfloat16")
    with pytest.raises(Unsupported, match="has no bfloat16, which bf16 needs"):
        run(tmp_path / "rows.jsonl", dtype="bf16")
    assert not (tmp_path / "rows.jsonl").exists()


def test_a_full_disk_ends_it_and_the_rest_is_whole(tmp_path: Path, run, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "rows.jsonl"
    original, room = os.write, 6000

    def write(descriptor: int, data: bytes) -> int:
        nonlocal room
        if room <= 0:
            raise OSError(28, "No space left on device")
        written = original(descriptor, bytes(data)[:room])
        room -= written
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(OutputError, match="No space left on device"):
            run(path)
    assert path.read_bytes().endswith(b"\n")
    run(path)
    assert len(read_measurements(path).measurements) == KEYS


def test_threads_are_a_dimension(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    torch = pytest.importorskip("torch")
    used: list[tuple[int, int]] = []
    before = torch.get_num_threads()

    def make(row: Measurement) -> object:
        if row.chip == CHIP:
            used.append((row.stack.threads, torch.get_num_threads()))
        return burst(length(row))

    path = tmp_path / "rows.jsonl"
    try:
        run(path, Counting(make=make), threads=(1, 2))
    finally:
        torch.set_num_threads(before)
    rows = read_measurements(path).measurements
    assert sorted(row.stack.threads for row in rows) == [1] * KEYS + [2] * KEYS
    assert all(asked == had for asked, had in used)
    assert {record["threads"] for record in records(path, "reference")} == {1, 2}


MEASURE = """
import sys, time
sys.path.insert(0, "tests")
from campaigns import CHIP, PLAN, QUESTIONS, Counting, burst, length
from roofline.campaign import campaign
campaign.design, campaign.ladder = lambda rows, seed, training: QUESTIONS, list
def make(row):
    time.sleep(0.03)
    print("burst", flush=True)
    return burst(length(row))
campaign.bench_of = lambda device, dtype: Counting(make=make)
campaign.run_campaign(sys.argv[1], CHIP, PLAN)
"""


@pytest.mark.parametrize("kind", ["SIGKILL", "SIGINT"])
def test_a_stopped_process_loses_nothing(tmp_path: Path, run, kind: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "rows.jsonl"
    writer = subprocess.Popen(
        [sys.executable, "-c", MEASURE, str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    for _ in range(14):  # the references among them
        writer.stdout.readline()
    writer.send_signal(getattr(signal, kind))
    _, error = writer.communicate()
    assert ("KeyboardInterrupt" in error) == (kind == "SIGINT")
    assert writer.returncode != 0
    with Store(path) as store:
        held = len(store.done)
    assert 0 < held < SAMPLES
    rest = Counting()
    run(path, rest)
    assert len(rest.rows) == SAMPLES - held + 3
    assert len(read_measurements(path).measurements) == KEYS


def test_two_processes_do_not_write_one_file(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "rows.jsonl"
    with Store(path), pytest.raises(OutputError, match=f"process {os.getpid()} is writing to it"):
        run(path)


def test_a_real_campaign_of_a_few_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(campaign, "design", lambda rows, seed, training: campaign_questions())
    monkeypatch.setattr(campaign, "ladder", list)
    said: list[str] = []
    path = run_campaign(tmp_path / "rows.jsonl", CHIP, Plan(rows=1, rounds=2, networks={}), say=said.append)
    read = read_measurements(path)
    assert len(read.measurements) == 2
    assert {"compute", "memory"} == set(read.references[0]["seconds"])
    assert "nan" not in {flag for row in read.measurements for flag in row.flags}
    assert said[0].startswith("reference kernels, ")
