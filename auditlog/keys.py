"""The log's own keys on disk: one private key a signature type, and the public `log.vkey`, one verifier key a line."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from auditlog.errors import AuditLogError, FormatError
from auditlog.keyring import KeyRing, parse_key_ring
from auditlog.note import ED25519, ML_DSA_44, Signer, format_skey, format_vkey, parse_skey

VKEY_FILE = "log.vkey"
# In the order in which their lines stand in every checkpoint.
SIGNING_KEYS: tuple[tuple[str, int], ...] = (("log.ed25519.key", ED25519), ("log.ml-dsa-44.key", ML_DSA_44))
_SEED_BYTES = 32


def create_keys(folder: Path, origin: str) -> tuple[Signer, ...]:
    """Make both private keys (mode 0600) and `log.vkey` in `folder`; the key name is the origin.

    Raises AuditLogError when one of the files exists: keys are never overwritten.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in (*(name for name, _ in SIGNING_KEYS), VKEY_FILE):
        if (folder / name).exists():
            raise AuditLogError("exists already; keys are never overwritten", field=name)
    signers = tuple(Signer.generate(origin, type_, os.urandom(_SEED_BYTES)) for _, type_ in SIGNING_KEYS)
    for (name, _), signer in zip(SIGNING_KEYS, signers, strict=True):
        _write_new(folder / name, format_skey(signer) + "\n", 0o600)
    _write_new(folder / VKEY_FILE, "".join(format_vkey(signer.vkey) + "\n" for signer in signers), 0o644)
    return signers


def load_signers(folder: Path) -> tuple[Signer, ...]:
    """Both signers, in the order of their lines. Raises FormatError or AuditLogError, naming the file and the fix.

    The private keys must be those of `log.vkey`: a swapped key file must not sign a single checkpoint.
    """
    signers = tuple(_load(folder / name, type_) for name, type_ in SIGNING_KEYS)
    if tuple(signer.vkey for signer in signers) != read_key_ring(folder / VKEY_FILE).vkeys:
        raise AuditLogError(
            "does not belong to the private keys beside it: put back the original files", field=VKEY_FILE
        )
    return signers


def read_key_ring(path: Path) -> KeyRing:
    """The ring of a `.vkey` file. Raises FormatError naming the line."""
    return parse_key_ring(_read(path), name=path.name)


def _load(path: Path, type_: int) -> Signer:
    text = _read(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise AuditLogError(
            "can be read by others: set its mode to 600, and rotate it if it was exposed", field=path.name
        )
    try:
        signer = parse_skey(text.removesuffix("\n"))
    except FormatError as error:
        raise FormatError(str(error), field=path.name) from error
    if signer.vkey.type != type_:
        raise FormatError("holds a key of another type than its name says", field=path.name)
    return signer


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise AuditLogError("is missing: put it back from the backup of keys/", field=path.name) from None
    except UnicodeDecodeError:
        raise FormatError("is not UTF-8 text", field=path.name) from None
    except OSError as error:
        raise AuditLogError(f"cannot be read: {error.strerror}", field=path.name) from error


def _write_new(path: Path, text: str, mode: int) -> None:
    """Create, write and sync; the mode is set before the first byte is written."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        os.fchmod(file, mode)
        os.write(file, text.encode())
        os.fsync(file)
    finally:
        os.close(file)
