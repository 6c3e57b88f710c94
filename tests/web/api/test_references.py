"""Persons, case and conversation of a request: in its body or in headers; sealed, found again, and nowhere else."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from auditlog.core.errors import Erased
from auditlog.store.vault import tags_of
from auditlog.vault.check import check_vault
from home.errors import UsageError
from service.deciding import conversations
from service.erasing import erase
from service.records.reading import CLI, Reader, recount

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def ask(portals: Any, portal: Any, client: httpx.Client) -> Any:
    account = portal.key("client")

    def ask(headers: Any = None, **changes: Any) -> httpx.Response:
        body = {"system": portals.SYSTEM, "input": portals.INPUT, "lang": "en"} | changes
        return client.post("/api/decisions", json=body, headers=[*dict(account).items(), *(headers or [])])

    return ask


def found(portal: Any, reference: str, kind: str) -> list[str]:
    with portal.g.reading() as conn:
        return portal.g.vault.find(conn, reference, kind)


def test_headers_and_body_lead_to_the_record_each_by_its_kind(ask: Any, portal: Any) -> None:
    case = f"Z-{uuid.uuid4()}"
    headers = [("x-greffier-subject", "Ref 1, REF-2"), ("x-greffier-subject", "ref3"), ("x-greffier-case", case)]
    answer = ask(headers, subjects=["ref 4"])
    assert answer.status_code == 201, answer.text
    id_ = answer.json()["id"]
    assert answer.headers["x-greffier-record"] == id_
    for number in range(1, 5):
        assert id_ in found(portal, f"REF {number}", "subject")
    assert found(portal, case.upper(), "case") == [id_]
    for kind in ("subject", "conversation"):
        assert found(portal, case, kind) == []
    with portal.g.reading() as conn:
        assert sorted(kind for _, kind in tags_of(conn, id_)) == ["case", *["subject"] * 4]
    record = next(recount(portal.g, [id_]))
    assert record.values["subjects"] == ["s1:ref1", "s1:ref2", "s1:ref3", "s1:ref4"]
    assert record.opened.refs.case == "s1:" + case.lower().replace("-", "")
    assert "case" not in record.entry.commitments
    assert case not in record.entry.data.decode()


def test_what_was_asked_in_another_case_is_another_request(ask: Any) -> None:
    key = [("Idempotency-Key", str(uuid.uuid4()))]
    first = ask([*key, ("x-greffier-case", "Z 77")])
    assert ask(key, case="z-77").json() == first.json()
    for other in ({"case": "z-78"}, {}, {"case": "z77", "conversation": "g"}):
        assert ask(key, **other).status_code == 409


@pytest.mark.parametrize(
    ("headers", "changes", "field"),
    [
        ([("x-greffier-case", "a"), ("x-greffier-case", "b")], {}, "x-greffier-case"),
        ([("x-greffier-case", "a, b")], {}, "x-greffier-case"),
        ([("x-greffier-conversation", "a")], {"conversation": "a"}, "x-greffier-conversation"),
        ([("x-greffier-subject", "a,,b")], {}, "x-greffier-subject"),
        ([("x-greffier-subject", "x" * 201)], {}, "x-greffier-subject"),
        ([("x-greffier-subject", "Zo\u00eb Verzonnen")], {}, "x-greffier-subject"),
        ([("x-greffier-subject", ",".join("abcdefghijklmnopq"))], {}, "x-greffier-subject"),
        ([("x-greffier-case", "-- ..")], {}, "case"),
        ([], {"conversation": "///"}, "conversation"),
        ([], {"case": ""}, "case"),
        ([], {"case": 7}, "case"),
    ],
)  # fmt: skip
def test_references_that_are_none_are_refused_and_not_repeated(
    ask: Any, portal: Any, headers: Any, changes: Any, field: str
) -> None:
    size, reached = portal.g.log.state().size, portal.g.runtime.reached()
    sent = [(name, value.encode("latin-1")) for name, value in headers]
    answer = ask(sent, **changes)
    assert answer.status_code == 422, answer.text
    assert field in answer.text
    assert "Verzonnen" not in answer.text
    assert (portal.g.log.state().size, portal.g.runtime.reached()) == (size, reached)


def test_turns_name_the_turn_before_and_make_a_thread(ask: Any, portal: Any) -> None:
    reference = f"gesprek {uuid.uuid4()}"
    ids = [ask([("x-greffier-conversation", reference)]).json()["id"] for _ in range(3)]
    other = ask(conversation=f"{reference} 2").json()["id"]
    records = {record.entry.id: record for record in recount(portal.g, [*ids, other])}
    assert [records[id_].values["parent"] for id_ in ids] == [None, *ids[:2]]
    assert [records[id_].opened.refs.turn for id_ in ids] == [1, 2, 3]
    assert records[other].values["parent"] is None
    size = portal.g.log.state().size
    thread = conversations.read(portal.g, CLI, "lookup", ids[1])
    assert [turn.id for turn in thread.turns] == ids
    assert thread.path == tuple(ids[:2])
    assert [turn.values is not None for turn in thread.turns] == [True] * 3
    assert portal.g.log.state().size == size + 3, "an access entry for each turn that was read"


def test_a_turn_that_was_erased_keeps_its_place(ask: Any, portal: Any) -> None:
    reference = f"gesprek {uuid.uuid4()}"
    ids = [ask(conversation=reference).json()["id"] for _ in range(3)]
    erase.erase(portal.g, ids[1], ground="objection")
    thread = conversations.read(portal.g, CLI, "lookup", ids[2])
    assert [(turn.id, turn.number, turn.erased) for turn in thread.turns] == [
        (ids[0], 1, False),
        (ids[1], 2, True),
        (ids[2], 3, False),
    ]
    assert thread.path == tuple(ids[1:]), "what led to the erased turn is known to nobody any more"
    with pytest.raises(Erased):
        conversations.read(portal.g, CLI, "lookup", ids[1])
    # The next turn goes on, and the numbers with it.
    last = ask(conversation=reference).json()["id"]
    record = next(recount(portal.g, [last]))
    assert (record.values["parent"], record.opened.refs.turn) == (ids[2], 4)


def test_another_systems_turns_are_no_turns_of_ours(ask: Any, portal: Any, portals: Any) -> None:
    reference = f"gesprek {uuid.uuid4()}"
    first = ask(conversation=reference).json()["id"]
    elsewhere = ask(conversation=reference, system=portals.HELD_SYSTEM, input=portals.HELD_INPUT).json()["id"]
    record = next(recount(portal.g, [elsewhere]))
    assert (record.values["parent"], record.opened.refs.turn) == (None, 1)
    assert [turn.id for turn in conversations.read(portal.g, CLI, "lookup", first).turns] == [first]


def test_what_belongs_to_no_conversation_says_so(ask: Any, portal: Any) -> None:
    id_ = ask(case="z1").json()["id"]
    size = portal.g.log.state().size
    with pytest.raises(UsageError, match="no conversation"):
        conversations.read(portal.g, Reader("officer", "key-1"), "lookup", id_)
    assert portal.g.log.state().size == size


def test_a_repeated_turn_gets_its_first_answer(ask: Any, portal: Any) -> None:
    reference, key = f"gesprek {uuid.uuid4()}", [("Idempotency-Key", str(uuid.uuid4()))]
    ask(conversation=reference)
    second = ask(key, conversation=reference).json()
    ask(conversation=reference)
    assert ask(key, conversation=reference).json() == second
    with portal.g.reading() as conn:
        findings = [one for one in check_vault(conn, portal.g.vault, portal.g.ledger) if second["id"] in one.place]
    assert findings == []
