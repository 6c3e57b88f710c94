"""Who gets rows of a batch, whose turn it is, and what a head is: the rules without a model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.engine.queue import Waiting
from runtime.engine.shared_prefix import head_text
from runtime.engine.sharing import CHUNK, Claim, share_batch
from runtime.errors import Busy

CLAIMS = st.lists(
    st.one_of(st.builds(Claim, st.just(1), st.just(True)), st.builds(Claim, st.integers(1, 3000), st.just(False))),
    max_size=40,
)


@given(CLAIMS, st.integers(40, 2048))
def test_a_batch_is_used_and_not_more(claims: list[Claim], rows: int) -> None:
    given_ = share_batch(claims, rows)
    writers = sum(claim.rows for claim in claims if claim.writing)
    readers = sum(claim.rows for claim in claims if not claim.writing)
    assert all(0 <= got <= claim.rows for got, claim in zip(given_, claims, strict=True))
    assert all(got == claim.rows for got, claim in zip(given_, claims, strict=True) if claim.writing)
    room = rows - writers
    assert sum(given_) == writers + min(readers, min(room, CHUNK) if writers else room)
    first = next((i for i, claim in enumerate(claims) if not claim.writing), None)
    if first is not None and room:
        assert given_[first] > 0  # whoever has waited longest goes on in every batch


def test_the_shortest_rest_goes_first() -> None:
    claims = [Claim(900, writing=False), Claim(30, writing=False), Claim(200, writing=False)]
    assert share_batch(claims, 400) == [170, 30, 200]


def test_programs_take_turns() -> None:
    queue: Waiting[str] = Waiting(room=5)
    for item in ("a1", "a2", "a3", "b1"):
        queue.add(item[0], item)
    assert queue.turns() == ["a1", "b1"]
    queue.take("a", "a1")
    assert queue.turns() == ["b1", "a2"]
    queue.add("c", "c1")
    assert queue.turns() == ["b1", "c1", "a2"]
    queue.take("b", "b1")
    queue.add("b", "b2")
    assert queue.turns() == ["c1", "a2", "b2"]
    queue.remove("a", "a3")
    assert sorted(queue) == ["a2", "b2", "c1"]


def test_a_full_queue_says_so() -> None:
    queue: Waiting[int] = Waiting(room=1)
    queue.add("a", 1)
    with pytest.raises(Busy, match="1 requests wait already"):
        queue.add("b", 2)
    assert len(queue) == 1


@pytest.mark.parametrize(
    ("template", "head"),
    [
        ("You are kind. Text: {{ text }}", "You are kind."),
        ("You are kind.\n\n{% if old %}Speak up. {% endif %}{{ text }}", "You are"),
        ("Rules.<|im_end|>\n<|im_start|>user\n{{ text }}", "Rules.<|im_end|>"),
        ("One two {# note #} three {{ text }}", "One"),
        ("{{ text }} and rules", ""),
        ("pre{{ text }}", ""),
        ("No field at all.", "No field at all."),
    ],
)
def test_a_head_is_what_no_value_can_touch(template: str, head: str) -> None:
    assert head_text(template) == head
