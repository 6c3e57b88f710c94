"""What the entries of a sample must say: an audit of the export catches each one that says something else."""

from __future__ import annotations

from hashlib import sha256

import pytest

from auditlog.core.checking.audit import audit
from auditlog.core.checking.sample import nonce_hash, population
from auditlog.core.errors import NotFound, VerifyError

NONCE = bytes(range(32))
SYSTEM = "credit-score"


@pytest.fixture
def log(example):
    """60 entries; the newest is dated 14 minutes after the first."""
    return example.build_log(60)


def begin(log, **changes):
    size = len(log.entries)
    indices = population(enumerate(log.entries), SYSTEM)
    members = {
        "sample": log.id(),
        "stage": "population",
        "system": SYSTEM,
        "since": 10,
        "until": size,
        "population": len([index for index in indices if index >= 10]),
        "count": 5,
        "witness": "witness.example/w1",
        "not_before": "2026-03-02T12:00Z",
        "nonce": nonce_hash(NONCE),
        "checkpoint": None,
    }
    return log.add("sample/1", **(members | changes)).members


def draw(log, begun, **changes):
    size = len(log.entries)
    stated = {"size": size, "root": log.root().hex()}
    members = {**begun, "stage": "draw", "nonce": NONCE.hex(), "checkpoint": stated}
    return log.add("sample/1", **(members | changes)).members


def check(log):
    files = log.pack()

    def read(path):
        if path not in files:
            raise NotFound("no such file", field=path)
        return files[path]

    return audit(read, log.keys, origin=log.origin)


def test_a_sample_holds(log):
    begun = begin(log)
    log.add("pulse/1", boots=[], recording="ok")
    draw(log, begun)
    every = len(population(enumerate(log.entries), None))
    other = begin(log, system=None, population=every, since=0, nonce=nonce_hash(bytes(32)))
    draw(log, other, nonce=bytes(32).hex())
    assert check(log).kinds["sample/1"] == 4


def test_a_sample_of_a_log_of_many_tiles_holds(example):
    log = example.build_log(700)
    begun = begin(log)
    log.add("pulse/1", boots=[], recording="ok")
    draw(log, begun)
    while len(log.entries) < 1100:
        log.add("pulse/1", boots=[], recording="ok")
    assert check(log).kinds["sample/1"] == 2


def raised(log, sentence):
    index = len(log.entries) - 1
    with pytest.raises(VerifyError, match=sentence) as told:
        check(log)
    assert str(told.value).startswith(f"entry {index}: ")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"population": 1, "count": 1}, "draws from 1 decisions, but there are"),
        ({"since": 30}, "decisions, but there are"),
        ({"until": 40}, "decisions, but there are"),
        ({"system": "service-reply"}, "decisions, but there are"),
        ({"since": 60, "until": 60, "population": 0}, "does not lie before it"),
        ({"until": 61}, "does not lie before it"),
        ({"count": 0}, "draws 0 of"),
        ({"count": 1000}, "draws 1000 of"),
        ({"not_before": "2026-03-02T09:15Z"}, "not after itself"),
        ({"not_before": "2026-03-02T08:00Z"}, "not after itself"),
        ({"checkpoint": {"size": 3, "root": "ab" * 32}}, "before there was one"),
    ],
)
def test_a_beginning_that_does_not_fit(log, changes, sentence):
    begin(log, **changes)
    raised(log, sentence)


def test_a_sample_begins_once(log):
    begun = begin(log)
    log.add("sample/1", **begun)
    raised(log, "a second time")


def test_a_nonce_is_hidden_once(log):
    begin(log)
    begin(log)
    raised(log, "hides the nonce of entry 60")


def test_a_sample_is_drawn_once(log):
    begun = begin(log)
    draw(log, begun)
    draw(log, begun)
    raised(log, "draws a sample a second time")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sample": "00000000-0000-4000-8000-000000000000"}, "no earlier entry of this log began"),
        ({"system": None}, "another system than entry 60"),
        ({"since": 0}, "another since"),
        ({"until": 50}, "another until"),
        ({"population": 7}, "another population"),
        ({"count": 6}, "another count"),
        ({"witness": "witness.example/w2"}, "another witness"),
        ({"not_before": "2026-03-02T12:01Z"}, "another not_before"),
        ({"nonce": bytes(32).hex()}, "reveals another nonce"),
        ({"nonce": sha256(NONCE).hexdigest()}, "reveals another nonce"),
        ({"checkpoint": None}, "without a checkpoint"),
        ({"checkpoint": {"size": 60, "root": "ab" * 32}}, "not between entry 60 and itself"),
        ({"checkpoint": {"size": 62, "root": "ab" * 32}}, "not between entry 60 and itself"),
        ({"checkpoint": {"size": 61, "root": "ab" * 32}}, "a root that this log did not have"),
    ],
)
def test_a_draw_that_does_not_fit(log, changes, sentence):
    begun = begin(log)
    draw(log, begun, **changes)
    raised(log, sentence)


def test_a_draw_belongs_to_the_log_that_began_it(example):
    """The population is a range of one log; what follows the freeze begins anew."""
    log = example.build_log(60)
    begun = begin(log)
    successor = log.succeed("register.example/2", seed=2)
    draw(successor, begun, checkpoint={"size": 1, "root": successor.root().hex()})
    before = check(log)
    files = successor.pack()
    with pytest.raises(VerifyError, match="no earlier entry of this log began"):
        audit(files.__getitem__, successor.keys, origin=successor.origin, predecessor=before)


def test_decisions_that_come_later_are_not_of_the_population(log, example):
    begun = begin(log)
    version = {name: log.made[40].members[name] for name in ("system", "version", "manifest")}
    log.decide(version, n=900, boot=None)
    draw(log, begun)
    assert check(log).size == 63


def test_time_goes_on(log):
    """`not_before` is compared with the entry's own time, to the minute."""
    at = log.made[59].time
    assert at == "2026-03-02T09:14Z"
    begin(log, not_before="2026-03-02T09:16Z")
    assert log.made[60].time == "2026-03-02T09:15Z"
    check(log)
