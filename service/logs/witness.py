"""The witness of an installation: made, introduced to others, and what it has seen.

A witness needs no installation: in a folder without `greffier.toml` it is one of its own, without a log beside it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from auditlog.core.errors import AuditLogError, CannotRecord, FormatError, VerifyError
from auditlog.core.formats.keyring import KeyRing, parse_key_ring
from auditlog.core.formats.policy import parse_policy
from auditlog.peers import identity, introduction
from auditlog.peers.introduction import About
from auditlog.peers.witness import RETIRE, KnownLog, Witness, WitnessRetired
from auditlog.store.engine import is_database_error
from auditlog.writing.keys import VKEY_FILE, Unlock, read_key_ring, read_unlock
from auditlog.writing.keyseal import PASSPHRASE_VARIABLE
from home import policy_file
from home.errors import UsageError, asked
from home.greffier import Greffier
from home.key_secrets import unlock_of
from home.settings import SETTINGS_FILE, read_settings

DATABASE = "witness.db"


@dataclass(frozen=True, slots=True)
class Introduced:
    """Who was introduced to us: name, fingerprint, the logs that we cosign now, and what changed, in sentences."""

    name: str
    fingerprint: str
    logs: tuple[str, ...]
    done: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A log as `greffier witness logs` shows it; `seen`: when it was cosigned last, UTC."""

    origin: str
    state: str
    size: int | None
    seen: str | None
    contradictions: int


def create(home: Path, name: str) -> About:
    """Make the witness of a home; returns what it is to others. Its private keys are readable to its owner alone."""
    try:
        with asked():
            identity.create_witness(home / "keys", home / DATABASE, name, unlock=_unlock(home))
    except Exception as error:
        if not is_database_error(error):
            raise
        raise _unusable(error) from error
    with opened(home) as witness:
        return about(home, witness)


@contextlib.contextmanager
def opened(home: Path) -> Iterator[Witness]:
    """The witness of a home. Raises NotFound, WitnessRetired, AuditLogError, CannotRecord."""
    try:
        witness = identity.open_witness(home / "keys", home / DATABASE, unlock=_unlock(home))
        try:
            yield witness
        finally:
            witness.close()
    except Exception as error:
        if not is_database_error(error):
            raise
        raise _unusable(error) from error


def about(home: Path, witness: Witness, url: str | None = None) -> About:
    """What the witness tells others: its keys, and those of the log beside it. `url`: where it is reached."""
    if not (home / SETTINGS_FILE).exists():
        return About(witness.vkeys, url)
    settings = read_settings(home)
    return About(witness.vkeys, url, read_key_ring(home / "keys" / VKEY_FILE), f"{settings.base_url.rstrip('/')}/log/")


def trust(witness: Witness, data: bytes) -> tuple[str, ...]:
    """Cosign the logs of a `log.vkey` or policy file from now on; returns their origins.

    The file says all there is to say about the keys of its logs: those that it does not name are forgotten.
    """
    with asked():
        ring = _ring(data)
        if not ring.keys:
            raise FormatError("names no log: give a log.vkey, or a policy with log lines", field="file")
        witness.trust(ring)
    return ring.origins


def logs(witness: Witness) -> list[Row]:
    """Every log that is cosigned, or was."""
    return [_row(log) for log in witness.logs()]


def introduce_peer(g: Greffier | None, witness: Witness, url: str, *, expect: str | None = None) -> Introduced:
    """Take the witness at `url` for ours, and its installation's log for one that ours cosigns. Safe to repeat.

    Without `expect` (the fingerprint that its operator reads out) what is there is believed the first time. Raises
    VerifyError where it is another than expected, or another than before; Unreachable.
    """
    with asked():
        introduction.check_url(url)
    told = introduction.read_about(url)
    if expect is not None and told.fingerprint != expect:
        raise VerifyError(
            f"is {told.fingerprint}, not the one expected: do not go on, ask its operator", field="fingerprint"
        )
    if told.name == witness.name or set(told.log.origins) & set(_own_origins(g)):
        raise UsageError("is this installation itself: give the address of another one's witness", field="url")
    known = KeyRing(tuple(key for origin in told.log.origins for key in witness.keys(origin).keys))
    if expect is None:
        introduction.check_same(known, told.log)
    done: list[str] = []
    if g is not None:
        with policy_file.changing(g):
            text = policy_file.read_text(g)
            edited = introduction.with_witness(text, told, told.url or url.rstrip("/"))
            if edited.text != text:
                policy_file.write_text(g, edited.text)
        done += edited.done
    if told.log.keys and set(told.log.keys) != set(known.keys):
        witness.trust(told.log)
        done.append(f"our witness cosigns {', '.join(told.log.origins)}")
    return Introduced(told.name, told.fingerprint, told.log.origins, tuple(done))


def _unlock(home: Path) -> Unlock | None:
    """What opens sealed keys: a witness made while there is such a secret has sealed keys from the first byte on."""
    if (home / SETTINGS_FILE).exists():
        return unlock_of(home, read_settings(home))
    return read_unlock(os.environ.get(PASSPHRASE_VARIABLE))


def _unusable(error: Exception) -> AuditLogError:
    """A witness's database is never put back from a backup, so the advice is another than for a log's."""
    if isinstance(getattr(error, "orig", None), sqlite3.OperationalError):
        return CannotRecord("cannot be used now: look at its disk, then try again", cause="database", field=DATABASE)
    return WitnessRetired(f"is damaged; {RETIRE}", field=DATABASE)


def _own_origins(g: Greffier | None) -> tuple[str, ...]:
    return () if g is None else g.keys.origins


def _ring(data: bytes) -> KeyRing:
    """The keys of a key file, or of the logs of a policy: a policy has a quorum line."""
    if any(line.split()[:1] == [b"quorum"] for line in data.splitlines()):
        return parse_policy(data).logs
    try:
        return parse_key_ring(data.decode(), name="file")
    except UnicodeDecodeError:
        raise FormatError("is not UTF-8 text", field="file") from None


def _row(log: KnownLog) -> Row:
    seen = None if log.time is None else datetime.fromtimestamp(log.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Row(log.origin, "cosigned" if log.keys else "no longer", log.size, seen, log.contradictions)
