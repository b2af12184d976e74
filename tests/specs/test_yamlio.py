"""YAML is read safely, by the rules of 1.2, within bounds, and every complaint has its line."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from roofline.errors import SpecError
from roofline.specs import yamlio
from roofline.specs.yamlio import load_document, parse_document


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def _either_loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(yaml, request.param):
        pytest.skip("PyYAML without libyaml")
    monkeypatch.setattr(yamlio, "_LOADER", getattr(yaml, request.param))


pytestmark = pytest.mark.usefixtures("_either_loader")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e12", 1e12),
        ("4.8e12", 4.8e12),
        ("1.e3", 1000.0),
        (".5", 0.5),
        ("-3", -3),
        ("010", 10),
        ("0x10", 16),
        ("0o17", 15),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("12:30", "12:30"),
        ("2014-09-19", "2014-09-19"),
        ("1_000", "1_000"),
        ("'12'", "12"),
        ('"1e3"', "1e3"),
        ("!!str 12", "12"),
        ("448 GB/s", "448 GB/s"),
        ("null", None),
        ("~", None),
        ("", None),
        ("=", "="),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = parse_document(f"key: {text}").data["key"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_text_as_written() -> None:
    assert parse_document("{no: 1, 1: 2, true: 3, 1e3: 4}").data == {"no": 1, "1": 2, "true": 3, "1e3": 4}


def test_lines_of_key_paths() -> None:
    document = parse_document("a: 1\nengines:\n  - name: x\n    count:\n      value: 16\n  - name: y\n")
    assert document.line(("engines", 0, "count")) == 4
    assert document.line(("engines", 0, "count", "value")) == 5
    assert document.line(("engines", 1)) == 6
    assert document.line(("engines", 1, "count")) == 6  # missing: where it belongs
    assert document.line(("nothing",)) == 1
    assert str(document.fault(("engines", 1, "count"), "is missing")) == "<text>:6: engines[1].count: is missing"


def test_aliases_are_expanded() -> None:
    document = parse_document("a: &x {b: [1, 2]}\nc: *x\n")
    assert document.data["c"] == {"b": [1, 2]}
    assert document.line(("c",)) == 2


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]\n" for below, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", None, "is empty"),
        ("# only a comment\n", None, "is empty"),
        ("---\n...\n", None, "is empty"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a:\n\tb: 1\n", 2, "tab"),
        ("a:\n  b: 1\n\tc: 2\n", 3, "tab"),
        ("a: 1\nb: 2\na: 3\n", 3, "given twice (first in line 1)"),
        (
            "a: !!python/object/apply:os.system ['true']\n",
            1,
            "tag !!python/object/apply:os.system is not allowed",
        ),
        ("a: !!python/name:os.system\n", 1, "not allowed"),
        ("a: !thing 1\n", 1, "not allowed"),
        ("a: !e!thing 1\n", 1, "tag"),
        ("a: !!binary aGk=\n", 1, "not allowed"),
        (BOMB, 5, "expands to more than"),
        ("a: &a 1\nb: [" + ", ".join(["*a"] * 201) + "]\n", 2, "more than 200 aliases"),
        ("a: &a [*a]\n", 1, "refers to nothing written before"),
        ("a: *b\n", 1, "refers to nothing written before"),
        ("[" * 40, 1, "nested deeper than 32"),
        ("{a: " * 40, 1, "nested deeper than 32"),
        ("".join(" " * i + "a:\n" for i in range(40)), 34, "nested deeper than 32"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "merge keys"),
        ("? [1, 2]\n: 3\n", 1, "a key must be plain text"),
        ("a: 'open\n", None, "a quote is not closed"),
        ("a: {b: 1\n", None, "not valid YAML"),
        ("a: b: c\n", 1, "a second ': '"),
        ("a: " + "9" * 5000 + "\n", 1, "a number of 5000 characters"),
        ("a: \x07\n", 1, "not valid YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, line: int | None, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_document(text, "net.yaml")
    fault = caught.value.faults[0]
    assert says in fault.message
    assert fault.file == "net.yaml"
    assert "Error" not in str(caught.value)
    if line is not None:
        assert fault.line == line


def test_all_duplicates_are_reported_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        parse_document("a: 1\na: 2\nb: {c: 1, c: 2}\nd: !!set {x}\n")
    assert [fault.line for fault in caught.value.faults] == [2, 3, 4]


def test_no_object_is_built(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with pytest.raises(SpecError):
        parse_document(f"a: !!python/object/apply:pathlib.Path.touch [{target}]")
    assert not target.exists()


def test_files_that_are_no_yaml_text(tmp_path: Path) -> None:
    def message(path: Path) -> str:
        with pytest.raises(SpecError) as caught:
            load_document(path)
        return str(caught.value)

    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"a: 1\0\xff")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: 1\nb: \xe9\n")
    large = tmp_path / "large.yaml"
    large.write_bytes(b"# " + b"x" * 1_000_001)
    assert message(binary) == f"{binary}: is binary, not YAML text"
    assert message(latin) == f"{latin}:2: is not UTF-8 text (byte 0xe9)"
    assert "larger than 1000 kB" in message(large)
    assert "no such file" in message(tmp_path / "missing.yaml")
    assert "is a folder" in message(tmp_path)
    assert "not a regular file" in message(Path("/dev/null"))
    assert "no such file" in message(Path("a\0b"))


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes("a: µ\n".encode("utf-8-sig"))
    assert load_document(path).data == {"a": "µ"}


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@,?\n\t 01.~", max_size=60))
def test_any_text_loads_or_is_a_spec_error(text: str) -> None:
    with contextlib.suppress(SpecError):
        parse_document(text)
