"""The installation's policy file (c2sp.org/tlog-policy): its logs' keys, the witnesses it asks, how many it needs.

One file for the log, its witnesses and its auditors. The program writes the lines of its own logs, since rotations and
successors change them; all other lines, comments too, are the operator's and stay as they are.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from auditlog.core.errors import FormatError
from auditlog.core.formats.keyring import KeyRing, format_sizes
from auditlog.core.formats.note import format_vkey, parse_vkey
from auditlog.core.formats.policy import Policy, parse_policy
from auditlog.writing import durable
from home.errors import SettingsError
from home.greffier import Greffier

_HEADER = """\
# The trust policy of this log (https://c2sp.org/tlog-policy). Greffier writes the lines of its own logs; the rest is
# yours: witnesses that cosign, groups of them, and the quorum without which no checkpoint is published.
"""


def path_of(g: Greffier) -> Path:
    """Where the file lies."""
    return g.home / g.settings.policy_file


def is_there(g: Greffier) -> bool:
    """Whether there is a file; one that the system refuses to look at counts, and reading it says what is wrong."""
    try:
        return path_of(g).exists()
    except OSError:
        return True


def read_text(g: Greffier) -> str:
    """The file's text; a fresh one where there is none yet. Raises SettingsError."""
    return read_file(path_of(g))


def read_file(path: Path) -> str:
    """As `read_text`, of a policy file by its path."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return f"{_HEADER}quorum none\n"
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", field="policy_file") from None


def read_policy(g: Greffier) -> Policy:
    """The policy, with the present keys of this installation's own logs. Raises SettingsError naming the line."""
    return parse(with_logs(read_text(g), g.keys, g.settings.base_url))


def parse(text: str) -> Policy:
    """As `parse_policy`, but the error names the setting."""
    try:
        return parse_policy(text.encode("utf-8", "surrogateescape"))
    except FormatError as error:
        raise SettingsError(str(error), field="policy_file") from None


def write_text(g: Greffier, text: str) -> None:
    """Replace the file, whole or not at all. Raises SettingsError, also for a text that is no policy."""
    parse(text)
    try:
        durable.replace(path_of(g), text.encode("utf-8", "surrogateescape"), 0o644)
    except OSError as error:
        raise SettingsError(f"cannot be written: {error.strerror}", field="policy_file") from None


def tidy(g: Greffier) -> None:
    """Bring the lines of this installation's own logs up to date.

    A file that is no policy stays as it is, since recording must not hang on it. One that was taken away is not made
    anew: that would be a policy without witnesses. `publish.findings` says what is wrong.
    """
    if not is_there(g) and (g.log.number > 1 or g.log.state().size > 1):
        return
    with changing(g):
        try:
            text = read_text(g)
            wanted = with_logs(text, g.keys, g.settings.base_url)
            parse(wanted)
        except SettingsError:
            return
        if wanted != text or not is_there(g):
            write_text(g, wanted)


@contextlib.contextmanager
def changing(g: Greffier) -> Iterator[None]:
    """From reading the file to writing it, no other process changes it."""
    folder = os.open(g.home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def with_logs(text: str, ring: KeyRing, base_url: str) -> str:
    """The text with the `log` lines of the ring's logs, each with the sizes at which it signs and the log's address."""
    kept: list[str] = []
    place: int | None = None
    for line in _lines(text):
        if _origin(line) not in ring.origins:
            kept.append(line)
            continue
        if kept and kept[-1].startswith("# valid "):
            kept.pop()
        place = len(kept) if place is None else place
    if place is None:
        place = next((n for n, line in enumerate(kept) if line.strip() and not line.startswith("#")), len(kept))
    own = [
        f"{format_sizes((key.valid_from, key.valid_until))}log {format_vkey(key.vkey)}"
        f" {_url(base_url, key.vkey.name)}\n"
        for key in ring.keys
    ]
    return "".join([*kept[:place], *own, *kept[place:]])


def _url(base_url: str, origin: str) -> str:
    return f"{base_url.rstrip('/')}/log/{origin.rpartition('/')[2]}/"


def _lines(text: str) -> list[str]:
    """As the parser cuts it: at line feeds alone."""
    return [f"{line}\n" for line in text.removesuffix("\n").split("\n")] if text else []


def _origin(line: str) -> str | None:
    """The log that a `log` line names; None for every other line, and for one that is damaged."""
    items = line.split()
    if len(items) < 2 or items[0] != "log":
        return None
    try:
        return parse_vkey(items[1]).name
    except FormatError:
        return None
