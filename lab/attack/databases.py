"""Attacks on the database and its backups, by somebody with rights on the machine."""

from __future__ import annotations

import json
import os
import shutil

from auditlog.vault.record_keys import KEY_SIZE
from lab.attack.attacks import DATABASE, attack
from lab.attack.forgery import database, entries, execute, forget_witness, restore, without_guard
from lab.attack.scene import HOUR, SYSTEM, Scene, advance, append, decide_one
from service.erasing import erase
from service.systems import lifecycle

PULSE = ("pulse/1", {"boots": [], "recording": "ok"})


@attack(DATABASE, "an entry's bytes changed in its row")
def entry_row_changed(s: Scene) -> None:
    data = entries(s.home)
    execute(s.home, "UPDATE auditlog_entry SET data = ? WHERE idx = 12", data[12].replace(b'"kind"', b'"kynd"'))


@attack(DATABASE, "the outcome of a decision changed in the rows that queries read")
def query_row_changed(s: Scene) -> None:
    execute(s.home, "UPDATE auditlog_decision SET outcome = 'contact' WHERE id = ?", s.ids[3])


@attack(DATABASE, "a system's state set past the log (stopped, then set back); nothing decided yet")
def state_row_set(s: Scene) -> None:
    with s.opened() as g:
        lifecycle.stop(g, SYSTEM, reason="maintenance")
    execute(s.home, "UPDATE registry_system SET state = 'active', state_before = NULL WHERE slug = ?", SYSTEM)


@attack(DATABASE, "the same, and then a decision by the gate that reads that row")
def state_row_used(s: Scene) -> None:
    state_row_set(s)
    with s.opened() as g:
        decide_one(s, g)


@attack(DATABASE, "the manifest of a registered version exchanged in its row, then a decision")
def manifest_exchanged(s: Scene) -> None:
    with database(s.home) as conn:
        manifest = json.loads(conn.execute("SELECT manifest FROM registry_version").fetchone()[0])
    manifest["steps"][0]["template"] = "Topic: "
    manifest.pop("wordings", None)  # of the prompt that stood there
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    execute(s.home, "UPDATE registry_version SET manifest = ?", text)
    with s.opened() as g:
        decide_one(s, g)


@attack(DATABASE, "a review taken out with its sealed content, and its key zeroed")
def review_removed(s: Scene) -> None:
    with database(s.home) as conn:
        review, slot = conn.execute(
            "SELECT r.id, s.slot FROM auditlog_review r JOIN auditlog_sealed s ON s.id = r.id"
        ).fetchone()
        conn.execute("DELETE FROM auditlog_review WHERE id = ?", (review,))
        conn.execute("DELETE FROM auditlog_sealed WHERE id = ?", (review,))
    with (s.home / "keys" / "records.keys").open("r+b") as file:
        os.pwrite(file.fileno(), bytes(KEY_SIZE), slot * KEY_SIZE)


@attack(DATABASE, "the sealed content of two records exchanged")
def seals_exchanged(s: Scene) -> None:
    with database(s.home) as conn:
        first, second = conn.execute("SELECT id, slot, nonce, ciphertext FROM auditlog_sealed LIMIT 2").fetchall()
        for one in (first, second):
            conn.execute("DELETE FROM auditlog_sealed WHERE id = ?", (one[0],))
        for id_, other in ((first[0], second), (second[0], first)):
            conn.execute("INSERT INTO auditlog_sealed VALUES (?, ?, ?, ?)", (id_, *other[1:]))


@attack(DATABASE, "a row of the request keys changed")
def request_key_changed(s: Scene) -> None:
    execute(s.home, "UPDATE auditlog_idempotency SET digest = zeroblob(32)")


@attack(DATABASE, "the row of a time stamp taken out")
def time_stamp_removed(s: Scene) -> None:
    with database(s.home) as conn:
        conn.execute("DELETE FROM auditlog_timestamp")


@attack(DATABASE, "the database put back from an older copy")
def database_restored(s: Scene) -> None:
    restore(s.home, s.older())


@attack(DATABASE, "database and guard put back from the same older copy")
def guard_restored(s: Scene) -> None:
    restore(s.home, s.older(), "guard")


@attack(DATABASE, "the same, and the log goes on from there")
def guard_restored_and_on(s: Scene) -> None:
    guard_restored(s)
    go_on(s)


def go_on(s: Scene) -> None:
    """The hours since the older copy, told anew: no silence, and more entries than others have seen."""
    for back in (3, 2, 1, 0):
        s.clock.back = back * HOUR
        with s.opened() as g:
            append(g, *[PULSE] * 10)


@attack(DATABASE, "the same, and the witness begins anew with an empty memory")
def witness_forgets(s: Scene) -> None:
    forget_witness(s.archive)
    guard_restored_and_on(s)


@attack(DATABASE, "the same, before anybody else had looked: neither monitor, mirror, auditor nor receipt")
def nobody_had_looked(s: Scene) -> None:
    witness_forgets(s)
    first_meeting(s)


def first_meeting(s: Scene) -> None:
    """All readers come for the first time: what they know, they know from now on."""
    for name in ("monitor", "mirror"):
        shutil.rmtree(s.folder / name)
    with s.witness(), s.opened() as g:
        advance(g)
        s.early = g.publisher.checkpoint()
    s.letters, s.ids, s.texts = {}, [], {}


@attack(DATABASE, "an erased record brought back: database, guard, ledger of erasures and key store from a backup")
def erasure_undone(s: Scene) -> None:
    with s.opened() as g:
        erase.erase(g, s.ids[2], ground="objection")
    restore(s.home, s.older(), "guard", "keys")


@attack(DATABASE, "an erased record brought back: database and key store from a backup, the ledger of erasures left")
def erasure_undone_but_ledger(s: Scene) -> None:
    with s.opened() as g:
        erase.erase(g, s.ids[2], ground="objection")
    restore(s.home, s.older(), "keys")
    without_guard(s.home)


@attack(DATABASE, "the content of an erased record put back beside the log: rows and key")
def erased_put_back(s: Scene) -> None:
    tables = ("auditlog_sealed", "auditlog_subject", "auditlog_decision")
    kept = (s.home / "keys" / "records.keys").read_bytes()
    with database(s.home) as conn:
        rows = {name: conn.execute(f"SELECT * FROM {name} WHERE id = ?", (s.ids[2],)).fetchall() for name in tables}
    with s.opened() as g:
        erase.erase(g, s.ids[2], ground="objection")
    path = s.home / "keys" / "records.keys"
    path.write_bytes(kept + path.read_bytes()[len(kept) :])  # slots given out meanwhile stay
    with database(s.home) as conn:
        for name, found in rows.items():
            for row in found:
                conn.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)
