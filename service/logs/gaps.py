"""What a log does not account for: of this installation, or of an export alone, which needs no installation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from auditlog.core.checking import gaps, sources
from auditlog.core.checking.audit import CHECKPOINT, read_entries
from auditlog.core.checking.tree import audit_tree, tree_reader
from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.errors import FormatError
from auditlog.store import log as log_store
from auditlog.writing.keys import VKEY_FILE, read_key_ring
from home.errors import UsageError
from home.greffier import Greffier
from service.logs import trust


def parse_reached(texts: Sequence[str]) -> dict[str, int]:
    """`SOURCE=N`: what the own counters of sources say. Raises UsageError."""
    try:
        return sources.parse_reached(texts)
    except FormatError as error:
        raise UsageError(str(error), field="--reached") from None


def read_gaps(g: Greffier, reached: Mapping[str, int] | None = None) -> gaps.Gaps:
    """Per boot and source: counters recorded, missing, refused, unfinished; and the silent hours, up to the present.

    `reached`: what the own counters of sources say.
    Raises CannotRecord where the database's head does not hold: then no list of entries is to be believed.
    """
    if g.problem is not None and g.problem.cause == "database":
        raise g.problem
    with g.reading() as conn:
        entries = (log_store.iterate_entries(conn, number) for number in sorted(g.publishers))
        return gaps.gaps(chain.from_iterable(entries), now=g.clock(), reached=reached)


def read_export(folder: Path, vkeys: Path | None = None, reached: Mapping[str, int] | None = None) -> gaps.Gaps:
    """Check an exported log under these keys (None: those that it brings itself), then say what it lacks.

    Hashes and signatures are checked. What the entries must say together is `audit`'s, which for a log that continues
    another one needs that one, too. Raises UsageError for what is no export, VerifyError where it does not hold,
    FormatError for keys that are none.
    """
    size = _audited(folder, vkeys, "--from")
    return gaps.gaps(read_entries(tree_reader(folder), size), reached=reached)


def known_entries(folder: Path, vkeys: Path | None = None) -> Iterator[Entry]:
    """The entries of an exported log, checked as `read_export` does, but for those of kinds that are not known here."""
    size = _audited(folder, vkeys, "--log")
    for _, data in read_entries(tree_reader(folder), size):
        entry = parse_entry(data)
        if isinstance(entry, Entry):
            yield entry


def _audited(folder: Path, vkeys: Path | None, option: str) -> int:
    """The size of an exported log whose hashes and signatures hold."""
    try:
        note = (folder / CHECKPOINT).read_bytes()
    except OSError as error:
        raise UsageError(
            f"is no exported log ({error.strerror}): name the folder with its checkpoint", field=option
        ) from None
    origin = note.partition(b"\n")[0].decode("utf-8", "replace")
    ring = read_key_ring(folder / VKEY_FILE) if vkeys is None else trust.read_keys(vkeys)
    return audit_tree(folder, ring, origin=origin, strict=False).size
