"""A witness's files: private keys, public keys and counter in `keys/`, its memory in a database beside them."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from auditlog.core.errors import AuditLogError, FormatError, GuardError, NotFound
from auditlog.core.formats.canonical import check_name
from auditlog.core.formats.note import COSIGNATURE, ML_DSA_44, Signer, VerifierKey, format_skey, parse_skey
from auditlog.peers.witness import RETIRE, Witness, WitnessRetired, format_vkeys
from auditlog.store.engine import open_engine, writing
from auditlog.store.witness import create_tables
from auditlog.writing import durable
from auditlog.writing.guard import Guard
from auditlog.writing.keyseal import Unlock, is_sealed, new_salt, open_text, seal_text

KEY_FILES: Final = {"witness.ed25519.key": COSIGNATURE, "witness.ml-dsa-44.key": ML_DSA_44}
"""One private key a cosignature type, in the order of their lines."""
VKEY_FILE: Final = "witness.vkey"
COUNTER_FILE: Final = "witness.counter"
_SEED_BYTES = 32


def create_witness(keys: Path, database: Path, name: str, *, unlock: Unlock | None = None) -> tuple[VerifierKey, ...]:
    """Make keys (mode 0600, sealed where `unlock` is given), counter and database of a new witness.

    A name is for ever: it and the keys are what other people's policies hold. Raises AuditLogError where a file of a
    witness exists already, FormatError for a name that no key can have.
    """
    check_name(name, field="name")
    for path in (*(keys / file for file in (*KEY_FILES, VKEY_FILE, COUNTER_FILE)), database):
        if path.exists():
            raise AuditLogError(
                "exists already: there is one witness a home, and it is never made anew", field=path.name
            )
    signers = tuple(Signer.generate(name, type_, os.urandom(_SEED_BYTES)) for type_ in KEY_FILES.values())
    vkeys = tuple(signer.vkey for signer in signers)
    files = [keys / file for file in (*KEY_FILES, VKEY_FILE, COUNTER_FILE)]
    files += [database.with_name(database.name + end) for end in ("", "-wal", "-shm")]
    with _writing(keys), durable.removed_on_error(files):
        keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        salt = new_salt()
        for file, signer in zip(KEY_FILES, signers, strict=True):
            plain = f"{format_skey(signer)}\n"
            text = plain if unlock is None else seal_text(plain, unlock, salt, name=file)
            durable.write_new(keys / file, text.encode(), 0o600)
        durable.write_new(keys / VKEY_FILE, format_vkeys(vkeys).encode(), 0o644)
        _create_memory(database, keys / COUNTER_FILE, name, format_vkeys(vkeys))
        durable.sync_folder(keys)
    return vkeys


def open_witness(
    keys: Path, database: Path, *, unlock: Unlock | None = None, clock: Callable[[], float] = time.time
) -> Witness:
    """The witness of a home, checked against its counter. The caller closes it.

    Raises NotFound where there is none, WitnessRetired where it has lost its memory, AuditLogError for keys that
    cannot be used.
    """
    if not any((keys / file).exists() for file in (*KEY_FILES, VKEY_FILE)):
        raise NotFound("there is none here: make one with `greffier witness init --name NAME`", field="witness")
    signers = tuple(_read_key(keys / file, type_, unlock) for file, type_ in KEY_FILES.items())
    if len({signer.name for signer in signers}) > 1:
        raise AuditLogError("are of two witnesses: put back the original files", field=" and ".join(KEY_FILES))
    if not database.exists():
        raise WitnessRetired(f"is missing, and a copy from a backup would be older; {RETIRE}", field=database.name)
    witness = Witness(open_engine(f"sqlite:///{database.resolve()}"), signers, Guard(keys / COUNTER_FILE), clock=clock)
    try:
        witness.check()
    except BaseException:
        witness.close()
        raise
    return witness


def _create_memory(database: Path, counter: Path, name: str, vkeys: str) -> None:
    digest = sha256(vkeys.encode()).digest()
    engine = open_engine(f"sqlite:///{database.resolve()}")
    try:
        with writing(engine) as conn:
            create_tables(conn, vkeys, digest)
    finally:
        engine.dispose()
    try:
        Guard(counter).create(name, size=0, root=digest)
    except GuardError as error:
        raise AuditLogError(str(error), field=counter.name) from error


def _read_key(path: Path, type_: int, unlock: Unlock | None) -> Signer:
    try:
        text = path.read_text("ascii")
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        raise AuditLogError("is missing: put it back from the backup of keys/", field=path.name) from None
    except UnicodeDecodeError:
        raise FormatError("is no key file: put back the original", field=path.name) from None
    except OSError as error:
        raise AuditLogError(f"cannot be read: {error.strerror}", field=path.name) from error
    if mode & 0o077:
        raise AuditLogError("can be read by others: set its mode to 600; if it was exposed, retire it", field=path.name)
    if is_sealed(text):
        text = open_text(text, unlock, name=path.name)
    try:
        signer = parse_skey(text.removesuffix("\n"))
    except FormatError as error:
        raise FormatError(str(error), field=path.name) from None
    if signer.type != type_:
        raise FormatError("holds a key of another type than its name says", field=path.name)
    return signer


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AuditLogError(f"cannot be written: {error.strerror}", field=folder.name) from error
