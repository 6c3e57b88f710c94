"""Attacks on the past, by an operator who holds all private keys, the guard and the database."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from typing import Any

from auditlog.core.formats.keyring import KeyRing, LogKey
from auditlog.core.formats.merkle import leaf_hash, root_hash
from auditlog.core.formats.note import ML_DSA_44, Note, format_note, parse_note
from auditlog.writing.keys import KeyFolder, read_key_ring
from lab.attack.attacks import HISTORY, attack
from lab.attack.databases import PULSE, first_meeting, go_on
from lab.attack.forgery import (
    database,
    edited,
    entries,
    forget_witness,
    note,
    origin,
    position,
    restore,
    rewrite,
    signers,
    stripped,
    with_note,
)
from lab.attack.scene import HOUR, Scene, advance, append, pulse
from service.figures import sums
from service.logs import rotation, succession
from service.wiring import succeed_home


def _without_a_decision(s: Scene) -> list[bytes]:
    """One decision less, and the numbers after it one lower, so that no gap tells of it."""
    data = entries(s.home)
    at = position(data, lambda entry: entry.id == s.ids[4])
    gone: Any = json.loads(data.pop(at))
    for index in range(at, len(data)):
        one: Any = json.loads(data[index])
        if one["kind"] in ("decision/1", "close/1") and one["boot"] == gone["boot"]:
            data[index] = edited(data[index], n=one["n"] - 1)
        elif one["kind"] == "pulse/1" and any(item["boot"] == gone["boot"] for item in one["boots"]):
            boots = [{**item, "n": item["n"] - 1} for item in one["boots"]]
            data[index] = edited(data[index], boots=boots)
    return data


def _fit_figures(s: Scene) -> None:
    """Sums that say what the records left say."""
    with s.opened(tolerant=True) as g:
        sums.fit(g)


@attack(HISTORY, "a decision deleted, numbers, rows and guard made to fit, all signed anew")
def decision_deleted(s: Scene) -> None:
    rewrite(s.home, _without_a_decision(s))
    _fit_figures(s)


@attack(HISTORY, "a decision's commitments exchanged for those of another answer, and all signed anew")
def decision_exchanged(s: Scene) -> None:
    data = entries(s.home)
    at = position(data, lambda entry: entry.id == s.ids[4])
    other = position(data, lambda entry: entry.id == s.ids[5])
    members: Any = json.loads(data[other])
    data[at] = edited(data[at], commitments=members["commitments"])
    rewrite(s.home, data)


@attack(HISTORY, "the newest entries cut off, the rest signed, the guard made to fit")
def tail_cut(s: Scene) -> None:
    rewrite(s.home, entries(s.home)[:-5])
    _fit_figures(s)


@attack(HISTORY, "the same, with the guard left as it was")
def tail_cut_but_guard(s: Scene) -> None:
    path = s.home / "guard" / "log-1.guard"
    line = path.read_bytes()
    tail_cut(s)
    path.write_bytes(line)


@attack(HISTORY, "a fork: an older copy goes on to another history, longer than what was seen")
def forked(s: Scene) -> None:
    restore(s.home, s.older(), "guard")
    go_on(s)


@attack(HISTORY, "a decision deleted, and the witness colludes: it forgets, and cosigns the other history")
def witness_colludes(s: Scene) -> None:
    forget_witness(s.archive)
    decision_deleted(s)


@attack(HISTORY, "a decision deleted, and a colluding authority stamps the other history with a time of the past")
def authority_colludes_alone(s: Scene) -> None:
    decision_deleted(s)
    _stamp_falsely(s)


@attack(HISTORY, "both collude: the witness forgets and cosigns, the authority stamps with a time of the past")
def authority_colludes(s: Scene) -> None:
    witness_colludes(s)
    _stamp_falsely(s)


@attack(HISTORY, "the same, for all who look at this log for the first time")
def all_collude_first(s: Scene) -> None:
    authority_colludes(s)
    first_meeting(s)


def _stamp_falsely(s: Scene) -> None:
    """A token over the other history's checkpoint, dated before the true one's."""
    made, moment = note(s.home), s.clock() - 3 * HOUR + timedelta(minutes=2)
    size = len(entries(s.home))
    with database(s.home) as conn:
        conn.execute("DELETE FROM auditlog_timestamp")
        if s.authority is not None:
            row = (1, size, made, s.authority.lie(made, moment), moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
            conn.execute("INSERT INTO auditlog_timestamp VALUES (?, ?, ?, ?, ?)", row)


@attack(HISTORY, "the whole log replaced by one under new keys, and served in its place")
def replaced_under_new_keys(s: Scene) -> None:
    _swap_keys(s)
    rewrite(s.home, _without_a_decision(s))


@attack(HISTORY, "the keys swapped without a rotation: the last checkpoint is signed by new ones")
def keys_swapped(s: Scene) -> None:
    _swap_keys(s)
    rewrite(s.home, entries(s.home))


def _swap_keys(s: Scene) -> None:
    folder = KeyFolder(s.home / "keys")
    for path in folder.files():
        path.unlink()
    made = folder.create(origin())
    folder.write_ring(KeyRing(tuple(LogKey(signer.vkey) for signer in made)))


@attack(HISTORY, "one type of signature left out of the newest checkpoint")
def signature_left_out(s: Scene) -> None:
    with s.opened() as g:
        append(g, PULSE)
    with_note(s.home, stripped(note(s.home), ML_DSA_44))


@attack(HISTORY, "Ed25519 broken (a quantum computer): history rewritten under it, the other line kept")
def ed25519_broken(s: Scene) -> None:
    true = parse_note(note(s.home))
    made = parse_note(rewrite(s.home, _without_a_decision(s)))
    forged = [line for line in made.signatures if len(line.blob) < 100]
    kept = [line for line in true.signatures if len(line.blob) > 100 and line.name == origin()]
    with_note(s.home, format_note(Note(made.text, (*forged, *kept))))


@attack(HISTORY, "a rotation that readers are not told of: a key is added and signs along")
def rotation_hidden(s: Scene) -> None:
    with s.opened() as g:
        rotation.begin(g)


def _rotate(s: Scene) -> None:
    """An honest rotation, of which all are told."""
    with s.witness() as witness:
        for step in (rotation.begin, rotation.finish):
            with s.opened() as g:
                step(g)
                # The program keeps its own lines in the policy up to date; everybody takes the new file.
                shutil.copyfile(s.home / "policy", s.folder / "policy")
                witness.trust(g.keys)
                pulse(g)
                advance(g)


@attack(HISTORY, "a retired key used again: a copy of it was kept, and signs another end of the log")
def retired_key_used(s: Scene) -> None:
    kept = signers(s.home)
    _rotate(s)
    rewrite(s.home, entries(s.home)[:-1], by=kept)


def _succeed(s: Scene, reason: str) -> None:
    """An honest successor, announced to everybody ahead."""
    with s.opened(tolerant=True) as g:
        succession.announce(g)
    shutil.copyfile(s.home / "policy", s.folder / "policy")
    with s.witness() as witness:
        witness.trust(read_key_ring(s.home / "keys" / "log.vkey"))
        succeed_home(s.home, reason, clock=s.clock)
        s.numbers = [1, 2]
        with s.opened() as g:
            advance(g)


@attack(HISTORY, "a frozen log continued with its old keys")
def frozen_log_continued(s: Scene) -> None:
    _succeed(s, "year")
    data = entries(s.home)
    at = position(data, lambda entry: entry.kind == "pulse/1")
    rewrite(s.home, [*data, edited(data[at], id="5b0c1c52-0d7e-4b54-9a33-6f3f0c4f7a11")])


@attack(HISTORY, "a successor that names another end of its predecessor")
def successor_lies_about_the_end(s: Scene) -> None:
    _succeed(s, "year")
    data = entries(s.home, 2)
    size = len(entries(s.home)) - 4
    root = root_hash([leaf_hash(one) for one in entries(s.home)[:size]])
    before = {"origin": origin(), "size": size, "root": root.hex()}
    _begin_anew(s, [edited(data[0], predecessor=before), *data[1:]])


@attack(HISTORY, "entries lost, and a successor that states fewer of them than are")
def successor_lies_about_the_loss(s: Scene) -> None:
    restore(s.home, s.older())
    _succeed(s, "loss")
    data = entries(s.home, 2)
    head = entries(s.home)
    before = {"origin": origin(), "size": len(head) + 1, "root": "ab" * 32}
    _begin_anew(s, [edited(data[0], predecessor=before, lost=1), *data[1:]])


@attack(HISTORY, "a loss invented: entries thrown away, the successor truly states how many")
def loss_invented(s: Scene) -> None:
    restore(s.home, s.older())
    _succeed(s, "loss")


def _begin_anew(s: Scene, data: list[bytes]) -> None:
    """The successor's first entry exchanged; nobody but the witness has seen it yet, and that one forgets it."""
    forget_witness(s.archive)
    rewrite(s.home, data, 2)
