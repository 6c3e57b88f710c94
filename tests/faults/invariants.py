"""What must hold after any fault: nothing acknowledged is lost, nothing forks, and the log goes on or says why not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from auditlog.core.entries.record import parse_entry
from auditlog.core.formats.checkpoint import parse_checkpoint
from auditlog.core.formats.merkle import leaf_hash, prove_consistency, root_hash, verify_consistency
from auditlog.core.formats.note import parse_note
from auditlog.store import log as log_store
from auditlog.store.engine import reading
from auditlog.writing.log import Unit
from home.greffier import Greffier
from service.keeping import fsck
from service.wiring import open_home

Said = Sequence[dict[str, Any]]


def after(home: Path, said: Said) -> list[str]:
    """Start again without faults, let recovery run, and look at everything; returns what is wrong."""
    with open_home(home) as g:
        wrong = promises(g, said)
        before = g.log.state().size
        # One more entry: indices go on densely from what was found.
        done = g.log.append(Unit((g.make("pulse/1", boots=[], recording="ok"),))).result(30)
        if [one.index for one in done.sequenced] != [before] or done.size != before + 1:
            wrong.append(f"the next entry got index {done.sequenced[0].index} of {done.size}, not {before}")
        wrong += promises(g, said)
    return wrong


def promises(g: Greffier, said: Said) -> list[str]:
    """Acknowledged entries, checkpoints, erasures and outages against the log as it stands; then `log fsck`."""
    with reading(g.engine) as conn:
        head = log_store.read_head(conn, g.log.number)
        assert head is not None
        entries = log_store.read_entries(conn, g.log.number, 0, head.size)
        beyond = len(list(conn.exec_driver_sql("SELECT idx FROM auditlog_entry")))
        read = log_store.reader(conn, g.log.number, head.size)
        size, root = _checkpoint(head.note)
        wrong = [] if size == head.size == beyond else [f"head {head.size}, signed {size}, entries {beyond}"]
        if root_hash([leaf_hash(data) for data in entries]) != root:
            wrong.append("the head's root is not that of the entries")
        for signed in _signed(said):
            wrong += _consistent(signed, size, root, read)
    if g.guard.read() != (size, root):
        wrong.append(f"the guard stands at {g.guard.read()}, the head at {size}")
    wrong += _acknowledged(entries, said)
    wrong += [f"fsck: {finding}" for finding in fsck.check_all(g)]
    return wrong


def lost(wrong: Sequence[str]) -> int:
    return sum(problem.startswith("lost") for problem in wrong)


def forks(wrong: Sequence[str]) -> int:
    return sum(problem.startswith("fork") for problem in wrong)


def _acknowledged(entries: Sequence[bytes], said: Said) -> list[str]:
    parsed = [parse_entry(data) for data in entries]
    ids = [entry.id for entry in parsed]
    places = [(one["index"], one["id"]) for one in said if "id" in one]
    wrong = [f"lost: entry {index} {id_}" for index, id_ in places if index >= len(ids) or ids[index] != id_]
    wrong += [
        f"lost: tombstone {one['tombstone']}" for one in said if "tombstone" in one and one["tombstone"] not in ids
    ]
    # What the log itself refused is stated once it records again.
    stated = {str(entry.members["cause"]) for entry in parsed if entry.kind == "outage/1"}
    for number, one in enumerate(said):
        went_on = any("index" in later for later in said[number:])
        outage = one.get("outage")
        if outage is not None and went_on and outage not in stated:
            wrong.append(f"an outage ({outage}) that no entry states")
    return wrong


def _signed(said: Said) -> list[bytes]:
    notes = [one.get("checkpoint", one.get("published")) for one in said]
    return sorted({note.encode() for note in notes if note is not None})


def _consistent(note: bytes, size: int, root: bytes, read: Any) -> list[str]:
    old_size, old_root = _checkpoint(note)
    if old_size > size:
        return [f"lost: a checkpoint of {old_size} entries was handed out, the log has {size}"]
    try:
        verify_consistency(old_size, old_root, size, root, prove_consistency(old_size, size, read))
    except Exception as error:
        return [f"fork: the checkpoint of {old_size} entries is not a prefix of the log ({error})"]
    return []


def _checkpoint(note: bytes) -> tuple[int, bytes]:
    """Size and root; that the signatures hold is for `log fsck`, and for the start."""
    found = parse_checkpoint(parse_note(note).text)
    return found.size, found.root
