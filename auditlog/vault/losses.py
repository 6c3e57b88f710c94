"""Records whose content was lost and said to be: a file beside the guard, one line `<record id> <time>` each.

`log import` writes it: a copy of a log has entries and proofs, and no content. A full check tells by it what was lost
and stated from what vanishes in silence. A record that is found again (in a backup) keeps its line, which then says
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from auditlog.core.entries.vocabulary import PATTERNS
from auditlog.core.errors import FormatError, VaultError
from auditlog.writing import durable

FILE = "lost-content"


class Losses:
    """The file `lost-content` in the guard's folder; where there is none, nothing was lost."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def read(self) -> dict[str, str]:
        """Record id → when its loss was stated (UTC, to the minute). Raises VaultError for a damaged file."""
        try:
            lines = self.path.read_text("ascii").splitlines()
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError):
            raise VaultError("cannot be read: put back the file of guard_dir's own backup", field=FILE) from None
        found = {}
        for number, line in enumerate(lines, 1):
            id_, _, time = line.partition(" ")
            if PATTERNS["id"].fullmatch(id_) is None or PATTERNS["time"].fullmatch(time) is None:
                raise VaultError(f"line {number} is damaged: put back the file of guard_dir's own backup", field=FILE)
            found[id_] = time
        return found

    def add(self, ids: Iterable[str], time: str) -> None:
        """State that the content of these records is lost, durably; those stated before keep their time."""
        if PATTERNS["time"].fullmatch(time) is None:
            raise FormatError("must be UTC to the minute", field="time")
        stated = self.read()
        whole = {**dict.fromkeys(ids, time), **stated}
        if whole != stated:
            text = "".join(f"{id_} {since}\n" for id_, since in sorted(whole.items()))
            durable.replace(self.path, text.encode("ascii"), 0o600)
