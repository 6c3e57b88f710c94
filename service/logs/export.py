"""Writing a log of this installation as a static tree that anyone can check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from auditlog.recovery import export
from auditlog.store import log as log_store
from home import policy_file
from home.errors import UnknownRecord
from home.greffier import Greffier

if TYPE_CHECKING:
    pass


def export_log(g: Greffier, to: Path, *, number: int | None = None) -> int:
    """Write log `number` (by default the one in force) as a static tree that anyone can check; returns its size.

    One that may not be written (see `problem`) is exported as it stands, as evidence; else nothing above the guard.
    """
    number = g.log.number if number is None else number
    if number not in g.publishers:
        raise UnknownRecord(f"this installation has the logs 1 to {max(g.publishers)}", field="log")
    ring = g.keys.of(g.settings.origin_of(number))
    policy = policy_file.with_logs(policy_file.read_text(g), g.keys, g.settings.base_url)
    with g.reading() as conn:
        head = log_store.read_head(conn, number)
        if head is not None and g.problem is None:
            g.guard_of(number).wait_for(head.size)
        return export.export_log(conn, number, ring, to, policy=policy)
