"""Conversations: pure threads, and those of records that were made elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.errors import FormatError
from auditlog.vault.conversations import Turn, new_messages, path_to, thread
from lab.bench import records_scene
from service.external import import_records
from service.wiring import open_home


def turn(number: int, parent: str | None, *, erased: bool = False) -> Turn:
    return Turn(f"t{number}", number, parent, None if erased else {"output": number})


def test_an_erased_turn_has_its_place_before_the_one_that_names_it() -> None:
    turns = thread([turn(1, None), turn(3, "t2"), turn(4, "t3"), turn(7, "t6")])
    assert [(one.id, one.number, one.erased) for one in turns] == [
        ("t1", 1, False),
        ("t2", 2, True),
        ("t3", 3, False),
        ("t4", 4, False),
        ("t6", 6, True),
        ("t7", 7, False),
    ]


def test_a_conversation_that_went_on_in_two_ways_has_two_paths() -> None:
    turns = [turn(1, None), turn(2, "t1"), Turn("b2", 2, "t1", {}), Turn("b3", 3, "b2", {})]
    assert [one.id for one in path_to(thread(turns), "b3")] == ["t1", "b2", "b3"]
    assert [one.id for one in path_to(thread(turns), "t2")] == ["t1", "t2"]


@given(st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 5)))))
def test_whatever_parents_say_a_thread_ends(pairs: list[tuple[int, int | None]]) -> None:
    turns = [turn(number, None if parent is None else f"t{parent}") for number, parent in dict(pairs).items()]
    whole = thread(turns)
    assert len({one.id for one in whole}) == len(whole)
    assert {one.id for one in turns} <= {one.id for one in whole}
    for one in whole:
        assert path_to(whole, one.id)[-1] == one


@given(st.lists(st.text(max_size=3), max_size=6), st.lists(st.text(max_size=3), max_size=3))
def test_only_what_is_new_is_kept(earlier: list[Any], more: list[Any]) -> None:
    assert new_messages(earlier, [*earlier, *more]) == more


def test_a_history_that_was_changed_is_no_next_turn() -> None:
    for given_ in ([], ["a"], ["a", "c", "d"], ["b", "a", "d"]):
        with pytest.raises(FormatError, match=r"^messages: "):
            new_messages(["a", "b"], given_)


def test_a_conversation_of_records_made_elsewhere(command: Any, tmp_path: Path) -> None:
    home = tmp_path / "home"
    records_scene.make_home(home)
    lines = [records_scene.line(n, conversation="Gesprek 9") for n in (1, 2, 3)]
    with open_home(home) as g:
        made = import_records.record(g, [*lines, records_scene.line(4)])
        ids = [one.id for one in made.results if not isinstance(one, Exception)]
        size = g.log.state().size
    told = command("conversation", ids[1], "--home", home)
    assert told.code == 0, told.line
    shown = json.loads(told.out)
    assert [one["id"] for one in shown["turns"]] == ids[:3]
    assert shown["turns"][0]["input"]["street"] == "Test street 1"
    with open_home(home) as g:
        assert g.log.state().size == size + 3
    assert "no conversation" in command("conversation", ids[3], "--home", home).line
    assert command("conversation", ids[3], "--home", home).code == 2
    assert command("conversation", ids[0], "--purpose", "curiosity", "--home", home).code == 2
    assert command("conversation", "nothing", "--home", home).code == 2
