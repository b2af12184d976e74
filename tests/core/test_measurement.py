"""A row survives the trip through JSON, its key names the question, and bad rows are named."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline.core.dtype import precision
from roofline.core.measurement import PARTS, Measurement
from roofline.core.stack import Stack
from roofline.errors import DataError

names = st.text(min_size=1, max_size=12)
times = st.floats(min_value=1e-9, max_value=1e6)
stacks = st.builds(
    Stack,
    framework=st.sampled_from(["pytorch", "tensorflow", "onnx"]),
    version=st.text(max_size=8),
    mode=st.sampled_from(["eager", "compiled"]),
    threads=st.integers(1, 64),
    layout=st.sampled_from(["nchw", "nhwc"]),
    fused_attention=st.booleans(),
)
attributes = st.dictionaries(
    names,
    st.one_of(
        st.integers(-5, 9),
        st.booleans(),
        st.text(max_size=5),
        st.lists(st.integers(0, 9), max_size=2).map(tuple),
    ),
    max_size=4,
)
common = {
    "chip": names,
    "dtype": st.sampled_from(["fp32", "float16", "bf16", "tf32", "fp16/fp16", "int8"]),
    "seconds": times,
    "stack": stacks,
    "cache": st.sampled_from(["cold", "warm", "unknown"]),
    "kernel": st.text(max_size=30),
    "set": st.text(max_size=20),
    "order": st.one_of(st.none(), st.integers(0, 10**6)),
    "samples": st.lists(times, max_size=5).map(tuple),
    "flags": st.lists(names, max_size=2).map(tuple),
    "environment": st.text(max_size=16),
    "provenance": st.text(max_size=20),
    "used_for_fit": st.booleans(),
}
operators = st.builds(
    Measurement,
    kind=st.just("operator"),
    op=names,
    attributes=attributes,
    part=st.sampled_from(PARTS),
    inputs=st.lists(st.lists(st.integers(0, 4096), max_size=4).map(tuple), max_size=3).map(tuple),
    **common,
)
networks = st.builds(
    Measurement,
    kind=st.just("network"),
    network=names,
    symbols=st.dictionaries(names, st.integers(0, 4096), max_size=3),
    mode=st.sampled_from(["inference", "training"]),
    **common,
)


@given(st.one_of(operators, networks))
def test_a_row_survives_json(row: Measurement) -> None:
    back = Measurement.from_dict(json.loads(json.dumps(row.to_dict())))
    assert back == replace(row, dtype=str(precision(row.dtype)))  # float16 and fp16 are one
    assert Measurement.from_dict(back.to_dict()) == back


LINEAR = Measurement(
    kind="operator",
    chip="cpu",
    dtype="fp32",
    seconds=1e-3,
    op="linear",
    attributes={"out": 64, "bias": True},
    inputs=((8, 32),),
    cache="cold",
)
RESNET = Measurement(
    kind="network",
    chip="cpu",
    dtype="fp32",
    seconds=0.1,
    network="resnet18",
    symbols={"batch": 2, "image": 224},
)


@pytest.mark.parametrize(
    "other",
    [
        replace(LINEAR, seconds=2e-3),
        replace(LINEAR, samples=(1e-3, 2e-3), flags=("contended",)),
        replace(LINEAR, environment="x", provenance="y", used_for_fit=True),
        replace(LINEAR, attributes={"bias": True, "out": 64}),
        replace(LINEAR, kernel="sgemm_64x64", set="neusight/linear", order=7),
        replace(LINEAR, part="forward"),
    ],
)
def test_the_key_names_the_question_and_not_the_answer(other: Measurement) -> None:
    assert other.key == LINEAR.key


@pytest.mark.parametrize(
    "other",
    [
        replace(LINEAR, chip="gtx-980"),
        replace(LINEAR, dtype="bf16"),
        replace(LINEAR, cache="warm"),
        replace(LINEAR, op="matmul"),
        replace(LINEAR, attributes={"out": 64, "bias": False}),
        replace(LINEAR, inputs=((8, 33),)),
        replace(LINEAR, part="data"),
        replace(LINEAR, part="weights"),
        replace(LINEAR, part="backward"),
        replace(LINEAR, stack=Stack(threads=2)),
        replace(LINEAR, stack=Stack(layout="nhwc")),
        replace(LINEAR, stack=Stack(fused_attention=False)),
        RESNET,
        replace(RESNET, symbols={"batch": 4, "image": 224}),
        replace(RESNET, mode="training"),
    ],
)
def test_another_question_has_another_key(other: Measurement) -> None:
    assert other.key != LINEAR.key
    assert other is RESNET or other.key != RESNET.key


def test_keys_do_not_change_from_version_to_version() -> None:
    # stored samples are found again by these
    assert LINEAR.key == "fd39d6e043d0cb45"
    assert RESNET.key == "7bffa9b5cca7eb72"


def test_a_row_written_before_there_were_parts_reads_as_before() -> None:
    old = LINEAR.to_dict()
    assert not {"part", "kernel", "set", "order"} & set(old)  # nor does one that says nothing new write them
    back = Measurement.from_dict(old)
    assert (back.part, back.kernel, back.set, back.order) == ("forward", "", "", None)
    assert back == LINEAR


def test_labels_are_for_people() -> None:
    assert replace(LINEAR, part="weights").label == "linear (weights) 8x32 out=64 bias=True"
    assert LINEAR.label == "linear 8x32 out=64 bias=True"
    assert RESNET.label == "resnet18(batch=2, image=224)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema 2 is not known"),
        ({"kind": "layer"}, "no kind named 'layer'; there are network, operator"),
        ({"kind": None}, "kind: expected one of operator, network, got None"),
        ({"seconds": 0}, "seconds: expected a positive"),
        ({"seconds": -1e-3}, "seconds: expected a positive"),
        ({"seconds": float("nan")}, "seconds: expected a positive"),
        ({"seconds": float("inf")}, "seconds: expected a positive"),
        ({"seconds": "1 ms"}, "seconds: expected a positive"),
        ({"seconds": True}, "seconds: expected a positive"),
        ({"seconds": None}, "seconds: expected a positive"),
        ({"samples": [1e-3, -1.0]}, "samples: expected a positive"),
        ({"samples": "123"}, "samples: expected a list"),
        ({"dtype": "fp23"}, "no dtype named 'fp23'; did you mean"),
        ({"dtype": ""}, "dtype: expected a text"),
        ({"chip": 980}, "chip: expected a text"),
        ({"op": []}, "op: expected a text"),
        ({"cache": "lukewarm"}, "no cache named 'lukewarm'; did you mean warm"),
        ({"cache": None}, "cache: expected one of cold, warm, unknown, got None"),
        ({"mode": "trainig"}, "no mode named 'trainig'; did you mean training"),
        ({"part": "sideways"}, "no part named 'sideways'; there are backward, data, forward, training, weights"),
        ({"part": None}, "part: expected"),
        ({"part": ["data"]}, "part: expected"),
        ({"kernel": 7}, "kernel: expected a text"),
        ({"set": ["neusight"]}, "set: expected a text"),
        ({"order": "first"}, "order: expected a whole number"),
        ({"order": -1}, "order: expected a whole number"),
        ({"order": 1.5}, "order: expected a whole number"),
        ({"order": True}, "order: expected a whole number"),
        ({"inputs": "ab"}, "inputs: expected a list"),
        ({"inputs": ["12"]}, "inputs: a shape: expected a list"),
        ({"inputs": [[8, -1]]}, "inputs: expected a whole number"),
        ({"inputs": [[8, 1.5]]}, "inputs: expected a whole number"),
        ({"inputs": [[8, float("inf")]]}, "inputs: expected a whole number"),
        ({"attributes": [1]}, "attributes: expected names and values"),
        ({"stack": "eager"}, "stack: expected names and values"),
        ({"stack": {"threads": "all"}}, "stack: threads: expected a whole number"),
        ({"stack": {"threads": -3}}, "stack: threads: expected a whole number from 1 to 1000000, got -3"),
        ({"stack": {"threads": True}}, "stack: threads: expected a whole number"),
        ({"stack": {"mode": "compield"}}, "stack: no mode of a stack named 'compield'; did you mean compiled"),
        ({"stack": {"serving": "sharde"}}, "stack: no serving named 'sharde'; did you mean sharded"),
        ({"stack": {"tf32": 1}}, "stack: tf32: expected true or false, got 1"),
        ({"used_for_fit": "no"}, "used_for_fit: expected true or false, got 'no'"),
        ({"flags": "contended"}, "flags: expected a list"),
    ],
)
def test_a_bad_field_is_named_with_its_place(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=f"^rows.jsonl:7: {message.replace('.', '[.]')}"):
        Measurement.from_dict(LINEAR.to_dict() | change, "rows.jsonl:7")


@pytest.mark.parametrize("name", ["chip", "dtype", "seconds", "op", "inputs"])
def test_a_missing_field_is_named(name: str) -> None:
    row = LINEAR.to_dict()
    del row[name]
    with pytest.raises(DataError, match=f"^{name}: missing"):
        Measurement.from_dict(row)


def test_a_network_row_needs_a_network() -> None:
    row = RESNET.to_dict()
    del row["network"]
    with pytest.raises(DataError, match="network: missing"):
        Measurement.from_dict(row)
    with pytest.raises(DataError, match=r"symbols\.batch: expected a whole number"):
        Measurement.from_dict(RESNET.to_dict() | {"symbols": {"batch": "2"}})


def test_a_network_has_no_part() -> None:
    with pytest.raises(DataError, match=r"^part: a network has a mode"):
        Measurement.from_dict(RESNET.to_dict() | {"part": "data"})


def test_what_a_later_version_added_is_ignored() -> None:
    row = LINEAR.to_dict() | {"weather": "fine"}
    row["stack"] = row["stack"] | {"driver": "550"}
    assert Measurement.from_dict(row) == LINEAR
