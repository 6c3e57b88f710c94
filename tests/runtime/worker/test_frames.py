from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import FAULTS, PipeBroken, RuntimeFault, format_fault, parse_fault
from runtime.worker.frames import MAX_FRAME, FrameReader, format_frame, write_frame

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.dictionaries(st.text(), json_values), min_size=1, max_size=5))
def test_frames_arrive_as_they_were_sent(frames: list[dict[str, object]]) -> None:
    inward, outward = os.pipe()
    for frame in frames:
        write_frame(outward, frame)
    os.close(outward)
    reader, got = FrameReader(inward), []
    while (more := reader.read()) is not None:
        got += more
    os.close(inward)
    assert got == frames


def test_a_frame_in_pieces() -> None:
    inward, outward = os.pipe()
    data = format_frame({"half": "\ud800", "n": 1})
    reader = FrameReader(inward)
    for i in range(len(data)):
        os.write(outward, data[i : i + 1])
        assert reader.read() == ([{"half": "\ud800", "n": 1}] if i == len(data) - 1 else [])
    os.close(inward)
    os.close(outward)


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\0\0\0\2[]", b"\0\0\0\1{", b"\0\0\0\2\xff\xff"])
def test_broken_frames(data: bytes) -> None:
    inward, outward = os.pipe()
    os.write(outward, data)
    with pytest.raises(PipeBroken):
        FrameReader(inward).read()
    os.close(inward)
    os.close(outward)


def test_a_request_beyond_the_limit_is_refused_before_it_is_sent() -> None:
    with pytest.raises(PipeBroken) as caught:
        format_frame({"text": "x" * MAX_FRAME})
    assert caught.value.reason == "too_large"


def test_what_json_cannot_hold() -> None:
    for value in (float("nan"), b"bytes", {1, 2}):
        with pytest.raises(PipeBroken) as caught:
            format_frame({"value": value})
        assert caught.value.reason == "input_invalid"


@pytest.mark.parametrize("kind", FAULTS.values(), ids=lambda kind: kind.__name__)
def test_faults_cross_the_pipe(kind: type[RuntimeFault]) -> None:
    fault = kind("is wrong", field="a.b", fix="mend it", boot="b", n=3)
    back = parse_fault(format_fault(fault))
    assert type(back) is kind
    assert str(back) == str(fault) == "a.b: is wrong. Mend it."
    assert (back.field, back.fix, back.reason, back.boot, back.n) == ("a.b", "mend it", fault.reason, "b", 3)
