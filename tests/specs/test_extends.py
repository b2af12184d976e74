"""One file laid over another: what wins, what is kept, and in which file a fault stands."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roofline import specs
from roofline.core.chip import Chip, Fact
from roofline.core.dtype import precision
from roofline.errors import SpecError
from roofline.specs.chipfile import load_chip, read_chip
from roofline.specs.extends import MAX_CHAIN, extended
from roofline.specs.yamlio import KeyPath, load_document, parse_document

PART = """\
kind: gpu
vendor: Nobody
architecture: toys
sources:
  guide: the guide
launch: {value: 5 us, source: guide, note: usual}
engines:
  - name: lanes
    kind: vector
    fma_per_clock:
      fp32: {value: 128, source: guide}
      fp64: {value: 4, source: guide}
memory:
  - name: registers
    capacity: {value: 256 KiB, each: true, source: guide}
    private: true
  - name: L2
    capacity: {value: 1 MiB, source: guide}
links:
  - name: PCIe
    bandwidth: {value: 16 GB/s, source: guide}
emulation:
  fp16: {as: fp32, path: storage only}
notes:
  - of all toys
"""
CARD = """\
name: card
extends: architectures/toys
sources:
  sheet: the sheet
engines:
  - name: lanes
    count: {value: 16, source: sheet}
    clock:
      boost: {value: 1 GHz, source: sheet}
memory:
  - name: L2
    capacity: {value: 2 MiB, source: sheet}
  - name: DRAM
    capacity: {value: 4 GB, source: sheet}
    bandwidth: {value: 224 GB/s, source: sheet}
notes:
  - of this one
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a chip that extends a part."""
    monkeypatch.chdir(tmp_path)
    put("hw_specs/architectures/toys.yaml", PART)
    put("hw_specs/card.yaml", CARD)
    return tmp_path


def put(path: str, text: str) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")
    return path


def faults(path: str) -> list[str]:
    return [str(fault) for fault in specs.check(path)]


def line_of(path: str, part: str) -> int:
    text = Path(path).read_text(encoding="utf-8")
    return text[: text.index(part)].count("\n") + 1


def test_a_card_of_an_architecture(here: Path) -> None:
    chip = specs.load_chip("card")
    assert (chip.name, chip.title, chip.vendor, chip.architecture) == ("card", "card", "Nobody", "toys")
    assert chip.launch == Fact(5 * 1e-6, "the guide", "datasheet", "usual")
    (engine,) = chip.engines
    assert engine.count == Fact(16, "the sheet")
    assert engine.peak(precision("fp32")) == 16 * 2 * 128 * 1e9
    assert [level.name for level in chip.memory] == ["registers", "L2", "DRAM"]
    assert chip.memory[0].capacity == Fact(4 * 2**20, "the guide", "datasheet", "16 x 256 KiB")
    assert chip.memory[1].capacity == Fact(2 * 2**20, "the sheet")
    assert chip.resolve(precision("fp16")) == (precision("fp32"), "storage only")
    assert chip.notes == ("of all toys", "of this one")
    assert [Path(file).name for file in (chip.file, *chip.extends)] == ["card.yaml", "toys.yaml"]
    assert "card" in specs.list_chips()
    assert "toys" not in specs.list_chips()


def test_a_figure_is_replaced_whole(here: Path) -> None:
    put("hw_specs/card.yaml", CARD + "launch: {value: 7 us, source: unverified}\n")
    assert specs.load_chip("card").launch == Fact(7 * 1e-6, "unverified", "unverified", "")
    put("hw_specs/card.yaml", CARD + "launch: {note: mine}\n")
    assert any("launch.value: is missing" in fault for fault in faults("card"))


def test_null_removes_what_is_inherited(here: Path) -> None:
    text = (
        CARD.replace("count:", "fma_per_clock: {fp64: null}\n    count:") + "emulation: null\nlaunch: null\nlinks: ~\n"
    )
    put("hw_specs/card.yaml", text.replace("  - of this one", "  []"))
    chip = specs.load_chip("card")
    assert chip.precisions() == (precision("fp32"),)
    assert (chip.emulation, chip.launch, chip.links) == ({}, None, ())
    put("hw_specs/card.yaml", CARD + "price: null\n")  # nothing to remove
    assert faults("card") == [
        f"hw_specs/card.yaml:{line_of('hw_specs/card.yaml', 'price')}: price: "
        "has no value; fill it in or leave the key out"
    ]
    put("hw_specs/card.yaml", CARD + "vendor: null\n")
    assert any("vendor: is missing" in fault for fault in faults("card"))


def test_other_lists_are_replaced_and_names_are_not_inherited(here: Path) -> None:
    price = "price:\n  - {{amount: {}, currency: USD, date: 2020, source: sheet}}\n"
    put("hw_specs/card.yaml", CARD + "title: The card\n" + price.format(1))
    put("hw_specs/fe.yaml", "name: fe\nextends: card\n" + price.format(2))
    chip = specs.load_chip("fe")
    assert [each.amount for each in chip.price] == [2]
    assert chip.title == "fe"
    put("hw_specs/fe.yaml", "extends: card\n")
    assert faults("fe") == ["hw_specs/fe.yaml:1: name: is missing; write a short name, such as gtx-980"]


def test_a_chain_of_three_beside_each_other_and_elsewhere(here: Path, tmp_path: Path) -> None:
    put("elsewhere/fe.yaml", "name: fe\nextends: card\nyear: 2019\n")
    put("elsewhere/fe2.yaml", "name: fe2\nextends: fe\n")
    chip = load_chip("elsewhere/fe2.yaml")
    assert chip.year == 2019
    assert [Path(file).stem for file in chip.extends] == ["fe", "card", "toys"]


def test_an_own_file_may_extend_the_one_it_hides(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put("user/roofline/hw_specs/card.yaml", CARD)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    put("hw_specs/card.yaml", "name: card\nextends: card\nyear: 2020\n")
    chip = specs.load_chip("card")
    assert (chip.year, chip.engines[0].count.value) == (2020, 16)


def test_anchors_work_within_a_file_and_names_differ_by_case(here: Path) -> None:
    clocks = "&c {boost: {value: 1 GHz, source: sheet}, base: {value: 0.5 GHz, source: sheet}}"
    second = "  - name: arrays\n    kind: matrix\n    count: {value: 16, source: sheet}\n    clock: *c\n"
    second += "    fma_per_clock: {int8: {value: 64, source: sheet}}\n"
    text = CARD.replace("    clock:\n      boost: {value: 1 GHz, source: sheet}\n", f"    clock: {clocks}\n{second}")
    put("hw_specs/card.yaml", text)
    put("hw_specs/twin.yaml", "name: twin\nextends: card\nengines:\n  - {name: Lanes, clock: {base: null}}\n")
    lanes, arrays = specs.load_chip("twin").engines
    assert (lanes.name, lanes.clock.base) == ("Lanes", None)
    assert arrays.clock.hz("base") == 5e8


def test_faults_stand_where_they_were_written(here: Path) -> None:
    part = put(
        "hw_specs/architectures/toys.yaml", PART.replace("value: 5 us", "value: 5 uu").replace("vendor", "vendr")
    )
    card = put("hw_specs/card.yaml", CARD.replace("224 GB/s", "-224 GB/s").replace("clock:", "clok:"))
    found = faults("card")
    for file, text, says in (
        (part, "5 uu", "launch.value: '5 uu': unknown unit 'uu'"),
        (part, "vendr", "vendr: unknown key; did you mean vendor?"),
        (card, "name: card", "vendor: is missing"),
        (card, "-224", "memory[2].bandwidth.value: -224 GB/s must be above zero"),
        (card, "clok", "engines[0].clok: unknown key"),
        (card, "- name: lanes", "engines[0].clock: is missing"),
    ):
        assert any(fault.startswith(f"{file}:{line_of(file, text)}: {says}") for fault in found), (says, found)
    assert len(found) == 6
    assert [fault.split(":")[0] for fault in found] == [card] * 4 + [part] * 2


def test_a_peak_that_no_longer_fits_is_named_where_it_is_written(here: Path) -> None:
    peak = "    stated_peaks:\n      fp32: {value: 4.096 TFLOP/s, source: sheet}\n"
    put("hw_specs/card.yaml", CARD.replace("memory:\n", peak + "memory:\n", 1))
    assert faults("card") == []
    put("hw_specs/fe.yaml", "name: fe\nextends: card\nengines:\n  - {name: lanes, count: {value: 8, source: sheet}}\n")
    (fault,) = faults("fe")
    assert fault.startswith(f"hw_specs/card.yaml:{line_of('hw_specs/card.yaml', 'fp32: {value: 4.096')}: engines[0]")
    assert "8 x 2 x 128 FMA" in fault


def test_one_tag_does_not_mean_two_things(here: Path) -> None:
    put("hw_specs/card.yaml", CARD.replace("  sheet: the sheet", "  sheet: the sheet\n  guide: another guide"))
    assert faults("card") == [
        "hw_specs/card.yaml:5: sources.guide: means 'the guide' in hw_specs/architectures/toys.yaml:5, "
        "whose figures cite it; choose another tag"
    ]
    put("hw_specs/card.yaml", CARD.replace("  sheet: the sheet", "  sheet: the sheet\n  guide: the guide"))
    assert faults("card") == []


@pytest.mark.parametrize(
    ("extends", "says"),
    [
        ("card", "forms a cycle: hw_specs/card.yaml -> hw_specs/card.yaml"),
        ("b", "forms a cycle: hw_specs/card.yaml -> hw_specs/b.yaml -> hw_specs/card.yaml"),
        ("architectures/toy", "there is no architectures/toy.yaml; did you mean architectures/toys? (searched in "),
        ("nowhere/to/be/found", "there is no nowhere/to/be/found.yaml; (searched in hw_specs"),
        ("x" * 5000, "there is no xxx"),
        ("[card]", "write the name of one chip, or of a base"),
        ("3", "write the name of one chip"),
        ("''", "write the name of one chip"),
    ],
)
def test_wrong_parents(here: Path, extends: str, says: str) -> None:
    put("hw_specs/b.yaml", "name: b\nextends: card\n")
    put("hw_specs/card.yaml", f"name: card\nextends: {extends}\n")
    (fault,) = faults("card")
    file = "hw_specs/b.yaml" if extends == "b" else "hw_specs/card.yaml"
    assert fault.startswith(f"{file}:2: extends: {says}")


@pytest.mark.parametrize(
    ("text", "says"), [("- a\n", "no keys"), ("a: 1\na: 2\n", "given twice"), ("{", "not valid YAML")]
)
def test_a_parent_that_is_wrong_itself(here: Path, text: str, says: str) -> None:
    part = put("hw_specs/architectures/toys.yaml", text)
    (fault,) = faults("card")
    assert fault.startswith(part)
    assert says in fault


def test_a_chain_has_an_end(here: Path) -> None:
    put("hw_specs/c0.yaml", CARD.replace("name: card", "name: c0"))
    for number in range(1, MAX_CHAIN):
        put(f"hw_specs/c{number}.yaml", f"name: c{number}\nextends: c{number - 1}\n")
    assert faults(f"c{MAX_CHAIN - 2}") == []
    (fault,) = faults(f"c{MAX_CHAIN - 1}")
    assert fault.startswith(f"hw_specs/c0.yaml:2: extends: a chain of more than {MAX_CHAIN} files")


def test_loading_stays_bounded(here: Path) -> None:
    big = "\n".join(f"k{number}: {'x' * 1000}" for number in range(1100))
    put("hw_specs/architectures/toys.yaml", big)
    assert "larger than" in faults("card")[0]


def test_a_part_is_no_chip_but_can_be_checked(here: Path) -> None:
    path = "hw_specs/architectures/toys.yaml"
    with pytest.raises(
        SpecError, match=r"toys\.yaml:1: is a base for chips to extend \('extends: architectures/toys'\)"
    ):
        load_chip(path)
    assert faults(path) == []
    assert specs.check_chip(path).part
    assert not specs.check_chip("card").part
    broken = PART.replace("16 GB/s, source: guide", "16 GB/s, source: gide").replace("as: fp32, ", "")
    put(path, broken.replace("value: 128, ", "").replace("  - name: L2", "  - nam: L2"))
    found = "\n".join(faults(path))
    for says in ("no source tagged 'gide'", "as: is missing", "fp32.value: is missing", "memory[1].name: is missing"):
        assert says in found
    assert len(faults(path)) == 5  # and the key nam
    Path("x").mkdir()
    put("x/toys.yaml", PART)  # anywhere else it is a chip that lacks much
    assert any("name: is missing" in fault for fault in faults("x/toys.yaml"))


# Laws: a chip split over two files in any way is the chip; whoever overrides, wins; lines are right.

WHOLE: dict[str, Any] = {
    "name": "toy",
    "kind": "gpu",
    "vendor": "Nobody",
    "architecture": "toys",
    "year": 2018,
    "sources": {"sheet": "the sheet", "book": "a book"},
    "process": {"value": "12 nm", "source": "sheet"},
    "engines": [
        {
            "name": "lanes",
            "kind": "vector",
            "count": {"value": 36, "source": "sheet, book"},
            "clock": {
                "base": {"value": "1410 MHz", "source": "sheet"},
                "boost": {"value": "1620 MHz", "source": "sheet"},
                "top": {"value": "1863 MHz", "source": "derived: boost x 1.15"},
            },
            "fma_per_clock": {
                "fp32": {"value": 64, "source": "sheet"},
                "fp16/fp16": {"value": 128, "source": "book"},
            },
        },
        {
            "name": "arrays",
            "kind": "matrix",
            "count": {"value": 36, "source": "sheet"},
            "clock": {"boost": {"value": "1620 MHz", "source": "sheet"}},
            "fma_per_clock": {"int8": {"value": 1024, "source": "sheet"}},
        },
    ],
    "memory": [
        {"name": "L1", "capacity": {"value": "96 KiB", "each": True, "source": "book"}, "private": True},
        {
            "name": "DRAM",
            "capacity": {"value": "8 GB", "source": "sheet"},
            "bandwidth": {"value": "448 GB/s", "source": "sheet", "note": "not all"},
        },
    ],
    "packages": [{"name": "card", "count": {"value": 2, "source": "sheet"}}],
    "power": {"value": "175 W", "source": "sheet"},
    "price": [{"amount": 499, "currency": "USD", "date": "2018-10-17", "source": "sheet", "per": "card"}],
    "software": {"cuda_capability": "7.5", "source": "sheet"},
    "emulation": {"fp16": {"as": "fp32", "path": "storage only"}},
    "notes": ["one", "two"],
}


def chip_of(child: object, parent: object, folder: Path) -> Chip:
    (folder / "parent.yaml").write_text(json.dumps(parent, indent=1), encoding="utf-8")
    document = parse_document(json.dumps({"extends": "parent", **child}, indent=1), str(folder / "toy.yaml"))  # type: ignore[dict-item]
    return read_chip(document)


def halves(value: Any, chance: random.Random, path: KeyPath = ()) -> tuple[Any, Any]:
    """The value dealt out to two files; None stands for nothing."""
    if isinstance(value, dict) and "value" not in value:
        dealt = {key: halves(entry, chance, (*path, key)) for key, entry in value.items()}
        mine, theirs = ({key: pair[side] for key, pair in dealt.items() if pair[side] is not None} for side in (0, 1))
        return mine, theirs
    if isinstance(value, list) and value and isinstance(value[0], dict) and "name" in value[0]:
        pairs = [halves({k: v for k, v in entry.items() if k != "name"}, chance, path) for entry in value]
        named = ([{"name": e["name"], **pair[side]} for e, pair in zip(value, pairs, strict=True)] for side in (0, 1))
        return tuple(named)  # type: ignore[return-value]
    if path == ("notes",):
        cut = chance.randint(0, len(value))
        return value[cut:] or None, value[:cut] or None
    return (value, None) if path == ("name",) or chance.random() < 0.5 else (None, value)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_chip_in_two_halves_is_the_chip(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("halves")
    mine, theirs = halves(deepcopy(WHOLE), random.Random(seed))
    whole = read_chip(parse_document(json.dumps(WHOLE), str(folder / "toy.yaml")))
    assert chip_of(mine, theirs, folder) == whole


def figures(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Where figures with a unit stand."""
    if isinstance(value, dict):
        if "value" in value:
            yield path
        for key, entry in value.items():
            yield from figures(entry, (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from figures(entry, (*path, index))


def at(value: Any, path: KeyPath) -> Any:
    for key in path:
        value = value[key]
    return value


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), path=st.sampled_from(list(figures(WHOLE))))
def test_a_fault_is_found_in_the_half_it_is_in(
    seed: int, path: KeyPath, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("faulty")
    wrong = deepcopy(WHOLE)
    at(wrong, path)["value"] = "-7 furlongs"
    with pytest.raises(SpecError) as caught:
        chip_of(*halves(wrong, random.Random(seed)), folder)
    (fault,) = caught.value.faults
    texts = {
        str(folder / "parent.yaml"): (folder / "parent.yaml").read_text(encoding="utf-8"),
        str(folder / "toy.yaml"): json.dumps({"extends": "parent", **halves(wrong, random.Random(seed))[0]}, indent=1),
    }
    assert fault.line is not None
    assert "furlongs" in texts[fault.file].splitlines()[fault.line - 1]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_child_wins_everywhere(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("wins")
    chance = random.Random(seed)
    other = deepcopy(WHOLE)
    for path in figures(WHOLE):
        if chance.random() < 0.5:
            at(other, path).update(value="nonsense", source="nowhere", note="never seen")
    other |= {"vendor": "Else", "notes": [], "year": "no year"}
    whole = read_chip(parse_document(json.dumps(WHOLE), str(folder / "toy.yaml")))
    assert chip_of(WHOLE, other, folder) == whole


def test_the_document_knows_its_files(here: Path) -> None:
    document = extended(load_document("hw_specs/card.yaml"))
    assert document.files == ("hw_specs/card.yaml", "hw_specs/architectures/toys.yaml")
    assert document.place(("launch", "value")).file == document.files[1]
    assert document.place(("engines", 0)).file == document.files[0]
    plain = load_document("hw_specs/architectures/toys.yaml")
    assert extended(plain) is plain
    assert replace(specs.load_chip("card"), extends=()) == specs.load_chip("card")
