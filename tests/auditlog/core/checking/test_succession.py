"""A log's keys against the key file, and a chain of logs: references across it, ends and losses."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.checking.rules import LogRules
from auditlog.core.checking.succession import check_ring
from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import VerifyError
from auditlog.core.formats.keyring import KeyRing, LogKey, key_digest, key_ring
from auditlog.core.formats.note import ED25519, ML_DSA_44, Signer

ORIGIN, NEXT = "register.example/1", "register.example/2"
NEW = tuple(Signer.generate(ORIGIN, kind, bytes([kind, 9]) * 16) for kind in (ED25519, ML_DSA_44))


def read(log: Any, before: LogRules | None = None, *, root: bytes | None = None) -> LogRules:
    rules = LogRules(log.origin, before)
    for index, data in enumerate(log.entries):
        rules.add(index, parse_entry(data))
    rules.finish(log.root() if root is None else root)
    return rules


def fails(log: Any, before: LogRules | None = None) -> str:
    with pytest.raises(VerifyError) as caught:
        read(log, before)
    return str(caught.value)


@pytest.fixture
def first(example: ModuleType) -> Any:
    return example.start_log()


@pytest.fixture
def chain(first: Any) -> tuple[Any, Any, dict[str, Any], str]:
    """A frozen log with a decision, an opened stream and a second system; its successor, which only began."""
    log, version, boot = first
    log.decide(version, n=1, boot=boot)
    log.decide(version, n=5, boot=None)
    log.add("opened/1", **version, capture="runtime", mode="live", boot=boot, n=2)
    return log, log.succeed(NEXT, seed=2), version, boot


# --- the key file -----------------------------------------------------------------------------------------------------


def test_the_key_file_says_what_the_rotations_say(first: Any) -> None:
    log, _, _ = first
    old = log.signers
    log.rotate(add=NEW)
    begun = len(log.entries)
    log.rotate(retire=old)
    ended = len(log.entries)
    log.add("pulse/1", boots=[], recording="ok")
    size, keys = len(log.entries), read(log).keys
    assert keys == {key_digest(s.vkey): (begun, None) for s in NEW} | {key_digest(s.vkey): (0, ended) for s in old}
    check_ring(log.keys, ORIGIN, size, keys)

    def wrong(change: Callable[[LogKey], LogKey | None]) -> str:
        ring = KeyRing(tuple(one for key in log.keys.keys if (one := change(key)) is not None))
        with pytest.raises(VerifyError) as caught:
            check_ring(ring, ORIGIN, size, keys)
        return str(caught.value)

    def is_new(key: LogKey) -> bool:
        return key.vkey in {signer.vkey for signer in NEW}

    added, retired = f"entry {begun - 1}: ", f"entry {ended - 1}: "
    still = wrong(lambda key: LogKey(key.vkey, key.valid_from))
    assert still.startswith(f"{retired}retires key ")
    assert still.endswith("but the key file says that it is valid still: get the newest key file")
    assert wrong(lambda key: key if is_new(key) else LogKey(key.vkey, 0, ended + 1)).startswith(
        f"{retired}retires key "
    )
    assert wrong(lambda key: None if is_new(key) else key).startswith(f"{added}adds a key that the key file does not")
    assert wrong(lambda key: key if is_new(key) else None).startswith(f"{retired}retires a key that the key file does")
    assert wrong(lambda key: LogKey(key.vkey, begun + 1) if is_new(key) else key).startswith(f"{added}adds key ")
    # What the key file says and the log does not.
    assert wrong(lambda key: LogKey(key.vkey, begun, size) if is_new(key) else key).startswith(
        "log.vkey: says that key"
    )
    assert wrong(lambda key: key if is_new(key) else LogKey(key.vkey, 1, ended)).startswith("log.vkey: says that key")


def test_a_key_file_may_be_newer_than_the_log(first: Any) -> None:
    log, _, _ = first
    size = len(log.entries)
    later = (LogKey(NEW[0].vkey, size + 1), *(LogKey(s.vkey, 0, size + 4) for s in log.signers))
    check_ring(KeyRing(later), ORIGIN, size, {})
    for early in (LogKey(NEW[0].vkey, size), LogKey(NEW[0].vkey, 0, size)):
        with pytest.raises(VerifyError, match=r"^log.vkey: says that key"):
            check_ring(KeyRing((early, *key_ring(s.vkey for s in log.signers).keys)), ORIGIN, size, {})


# --- the chain --------------------------------------------------------------------------------------------------------


def go_on(log: Any, version: dict[str, Any], boot: str, before: Any) -> None:
    """Entries of the successor that refer to what stands in the log before it: six references in all."""
    log.decide(version, n=3, boot=boot)
    log.decide(version, n=6, boot=None)
    opened = next(entry for entry in before.made.values() if entry.kind == "opened/1")
    log.decide(version, n=2, boot=boot, opened=opened.id)
    decided = next(entry for entry in before.made.values() if entry.kind == "decision/1")
    log.add("erasure/1", record=decided.id, ground="objection", role="officer")
    log.add("system/1", system="credit-score", record=log.digest(), action="changed")
    log.add("state/1", system="credit-score", version=None, manifest=None, **{"from": "active"}, to="suspended",
            reason="other", role="operator")  # fmt: skip


def test_references_hold_across_the_change(chain: Any) -> None:
    log, after, version, boot = chain
    go_on(after, version, boot, log)
    before = read(log)
    assert before.lineage.successor == NEXT
    rules = read(after, before)
    assert rules.unresolved == 0
    # Reading the successor leaves what the predecessor told as it was.
    assert read(after, before).unresolved == 0


def test_references_into_a_log_that_was_not_given_are_counted(chain: Any) -> None:
    log, after, version, boot = chain
    go_on(after, version, boot, log)
    assert read(after).unresolved == 5  # system, its version, boot, stream, record
    # What this log itself contradicts stays an error.
    after.decide(version, n=9, boot=boot)
    assert "its system was suspended then" in fails(after)


def test_a_log_without_a_predecessor_may_not_refer_to_one(first: Any, example: ModuleType) -> None:
    log, version, boot = first
    other = example.ExampleLog(example.make_signers(NEXT, 2), NEXT)
    other.add("genesis/1", origin=NEXT, log=2, software="greffier 0.1.0", predecessor=None, lost=None)
    assert "continues no log" in fails(other, read(log))
    other.decide(version, n=1, boot=boot)
    assert fails(other).startswith("entry 1: names a system that no earlier entry registered")


CARRIED: dict[str, tuple[Callable[[Any, Any, dict[str, Any], str], Any], str]] = {
    "number of a boot": (lambda log, _, v, b: log.decide(v, n=1, boot=b), "which entry 8 of an earlier log has used"),
    "number of a source": (lambda log, _, v, b: log.decide(v, n=5, boot=None), "which entry 9 of an earlier log has"),
    "id": (
        lambda log, old, v, b: log.add("pulse/1", id=old.made[8].id, boots=[], recording="ok"),
        "the same id as entry 8 of an earlier log",
    ),
    "state": (lambda log, _, v, b: log.decide(v, n=3, boot=b, mode="pilot"), "was active then, not pilot"),
    "version": (lambda log, _, v, b: log.add("version/1", **v, model=None), "a version never changes"),
    "system": (
        lambda log, _, v, b: log.add("system/1", system="credit-score", record=log.digest(), action="registered"),
        "registered already",
    ),
    "agency": (lambda log, _, v, b: log.add("pulse/1", agency="another", boots=[], recording="ok"), "another agency"),
    "fields": (lambda log, _, v, b: log.decide(v, n=3, boot=b, commitments=fewer(log)), "commits other fields"),
    "record": (
        lambda log, _, v, b: log.add("erasure/1", record=log.id(), ground="objection", role="officer"),
        "no earlier entry holds",
    ),
}


def fewer(log: Any) -> dict[str, str]:
    return log.commitments("decision/1", log.id(), {"in_income": 1})


@pytest.mark.parametrize("name", CARRIED)
def test_rules_hold_across_the_change(chain: Any, name: str) -> None:
    log, after, version, boot = chain
    change, sentence = CARRIED[name]
    change(after, log, version, boot)
    message = fails(after, read(log))
    assert message.startswith("entry 1: ")
    assert sentence in message


def test_three_logs_in_a_row(chain: Any) -> None:
    log, after, version, boot = chain
    after.decide(version, n=3, boot=boot)
    last = after.succeed("register.example/3", seed=3)
    rules = read(after, read(log))
    last.add("erasure/1", record=log.made[8].id, ground="objection", role="officer")
    last.decide(version, n=4, boot=boot)
    assert read(last, rules).unresolved == 0
    last.decide(version, n=1, boot=boot)
    assert "which entry 8 of an earlier log has used" in fails(last, rules)


# --- ends and losses --------------------------------------------------------------------------------------------------


def test_the_successor_must_state_the_end_of_the_log_before_it(example: ModuleType, chain: Any) -> None:
    log, after, _, _ = chain
    before = read(log)
    read(after, before)
    assert "names another root" in fails(after, read(log, root=bytes(32)))
    other, _, _ = example.start_log(seed=5, origin="other.example/1")
    other.succeed(NEXT, seed=2)
    assert "continues register.example/1, but the log given before this one is other.example/1" in fails(
        after, read(other)
    )
    whole = log.entries
    log.entries = whole[:-1]
    assert "which has no freeze entry" in fails(after, read(log))
    log.add("freeze/1", reason="year", successor="register.example/9")
    assert "names another log as its successor" in fails(after, read(log))
    log.entries = whole[:-1]
    log.add_opaque()
    log.entries.append(whole[-1])
    assert "ended with 12 entries, but that log has 13" in fails(after, read(log))


@pytest.mark.parametrize(("kept", "lost", "sentence"), [
    (11, 3, None), (9, 3, None), (8, 3, None), (7, 3, None),
    (11, 11, None), (5, 11, None), (10, 0, None), (11, 0, None),
])  # fmt: skip
def test_what_is_left_after_a_loss(chain: Any, kept: int, lost: int, sentence: str | None) -> None:
    log, _, version, boot = chain
    del log.entries[11:]
    after = log.succeed(NEXT, seed=2, lost=lost)
    after.decide(version, n=3, boot=boot)
    del log.entries[kept:]
    before = read(log)
    if sentence is None:
        read(after, before)
    else:
        assert sentence in fails(after, before)


def test_after_a_loss_references_may_lead_into_what_was_lost(chain: Any) -> None:
    log = chain[0]
    after = log.succeed(NEXT, seed=2, lost=len(log.entries) - 8)
    after.add("erasure/1", record=log.made[8].id, ground="objection", role="officer")
    del log.entries[8:]
    assert read(after, read(log)).unresolved == 1
