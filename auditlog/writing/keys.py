"""The log's keys on disk: private keys, one file each, and the public `log.vkey` with all keys of all logs.

A private key's file is `log-<k>.<ed25519|ml-dsa-44>.<key id>.key`, `k` being the last segment of its origin; it is
plain or sealed (see `keyseal`). The folder is read anew each time, so a key that was put there counts at once.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from auditlog.core.errors import AuditLogError, FormatError
from auditlog.core.formats.keyring import KeyRing, format_key_ring, key_ring, parse_key_ring
from auditlog.core.formats.note import ED25519, ML_DSA_44, Signer, VerifierKey, format_skey, parse_skey
from auditlog.writing import durable
from auditlog.writing.keyseal import Unlock, is_sealed, new_salt, open_text, read_unlock, seal_text

__all__ = (
    "SIGNING_TYPES",
    "VKEY_FILE",
    "KeyFolder",
    "Unlock",
    "create_keys",
    "key_file_name",
    "read_key_ring",
    "read_private_key",
    "read_unlock",
    "seal_keys",
    "unseal_keys",
)

VKEY_FILE: Final = "log.vkey"
SIGNING_TYPES: Final = {ED25519: "ed25519", ML_DSA_44: "ml-dsa-44"}
"""Every log signs with each of these types, in this order."""
_SEED_BYTES = 32
_FILE = re.compile(r"log-([0-9]{1,9})\.(ed25519|ml-dsa-44)\.([0-9a-f]{8})\.key\Z")
_RESTORE = "put it back from the backup of keys/"


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """The keys of one installation. `unlock` holds the secrets for sealed ones."""

    folder: Path
    unlock: Unlock | None = None

    def begin(self, origin: str) -> tuple[Signer, Signer]:
        """Make the first pair of keys of an installation, and its `log.vkey`. AuditLogError where there is one."""
        if (self.folder / VKEY_FILE).exists():
            raise AuditLogError("exists already; keys are never overwritten", field=VKEY_FILE)
        signers = self.create(origin)
        self.write_ring(key_ring(signer.vkey for signer in signers))
        return signers

    def create(self, origin: str) -> tuple[Signer, Signer]:
        """Make a new pair of keys, sealed where there is a secret. `log.vkey` is not touched. See `create_keys`."""
        return create_keys(self.folder, origin, self.unlock)

    def prepare(self, origin: str, known: Collection[VerifierKey]) -> tuple[VerifierKey, ...]:
        """The public keys of a pair that is not `known`: a whole one that a crash left unrecorded, else a new one.

        Of two files a crash may leave one: half a pair signs nothing. `log.vkey` is not touched. See `create_keys`.
        """
        left = [signer.vkey for signer in self.signers(origin) if signer.vkey not in known]
        if sorted(vkey.type for vkey in left) == sorted(SIGNING_TYPES):
            return tuple(left)
        return tuple(signer.vkey for signer in self.create(origin))

    def signers(self, origin: str) -> tuple[Signer, ...]:
        """Every private key of one log, listed in `log.vkey` or not, by type and key id.

        Raises AuditLogError or FormatError, naming the file and the fix.
        """
        number = _number(origin)
        found = [read_private_key(path, self.unlock) for path, name in _key_files(self.folder) if name[1] == number]
        for signer in found:
            if signer.name != origin:
                raise AuditLogError(
                    f"is a key of the log {signer.name}: move it to that log's installation",
                    field=key_file_name(signer.vkey),
                )
        order = list(SIGNING_TYPES)
        return tuple(sorted(found, key=lambda signer: (order.index(signer.type), signer.vkey.key_id)))

    def ring(self) -> KeyRing:
        """What `log.vkey` says. Raises FormatError naming the line, AuditLogError when it cannot be read."""
        return read_key_ring(self.folder / VKEY_FILE)

    def write_ring(self, ring: KeyRing) -> None:
        """Replace `log.vkey`, whole or not at all, synced."""
        with _touching(self.folder / VKEY_FILE):
            durable.replace(self.folder / VKEY_FILE, format_key_ring(ring).encode(), 0o644)

    def check(self, origin: str, size: int | None = None) -> tuple[Signer, ...]:
        """The signers of `log.vkey`'s keys that are valid at `size` (or are not retired, where it is None).

        A swapped key file must not sign a single checkpoint: each of these keys must have its private key here, and
        there must be one of each type. Raises AuditLogError naming the file and the fix.
        """
        ring = self.ring().of(origin)
        due = [key.vkey for key in ring.keys if key.valid_until is None] if size is None else ring.at(origin, size)
        for type_, name in SIGNING_TYPES.items():
            if type_ not in {vkey.type for vkey in due}:
                raise AuditLogError(
                    f"holds no valid {name} key of {origin}: put back the original file", field=VKEY_FILE
                )
        here = {signer.vkey: signer for signer in self.signers(origin)}
        for vkey in due:
            if vkey not in here:
                raise AuditLogError(f"is missing: {_RESTORE}", field=key_file_name(vkey))
        return tuple(signer for vkey, signer in here.items() if vkey in due)

    def files(self) -> tuple[Path, ...]:
        """The files of all private keys, by name; none where there is no folder."""
        return tuple(path for path, _ in _key_files(self.folder)) if self.folder.is_dir() else ()

    def unlisted(self) -> tuple[Path, ...]:
        """Files of private keys that `log.vkey` does not list: prepared for later, or put there by somebody."""
        listed = {key_file_name(vkey) for vkey in self.ring().vkeys if vkey.type in SIGNING_TYPES}
        return tuple(path for path in self.files() if path.name not in listed)

    def destroy(self, vkeys: Collection[VerifierKey]) -> None:
        """Overwrite and remove the private keys of these verifier keys. What is gone already is no error.

        Copies in backups, in snapshots and on flash that wears its cells evenly are out of reach.
        """
        with _touching(self.folder):
            _sweep(self.folder)
            for vkey in vkeys:
                durable.wipe(self.folder / key_file_name(vkey))
            durable.sync_folder(self.folder)


def create_keys(folder: Path, origin: str, unlock: Unlock | None = None) -> tuple[Signer, Signer]:
    """Make a new private key of each type (mode 0600), in the order in which they sign; the key name is the origin.

    They are sealed from the first byte on where `unlock` is given. Raises AuditLogError when a file cannot be written;
    nothing is ever overwritten, and nothing is left behind.
    """
    _number(origin)
    ed25519, ml_dsa = (Signer.generate(origin, type_, os.urandom(_SEED_BYTES)) for type_ in SIGNING_TYPES)
    salt = new_salt()
    made: list[Path] = []
    with _touching(folder), durable.removed_on_error(made):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for signer in (ed25519, ml_dsa):
            path = folder / key_file_name(signer.vkey)
            plain = format_skey(signer) + "\n"
            text = plain if unlock is None else seal_text(plain, unlock, salt, name=path.name)
            durable.write_new(path, text.encode(), 0o600)
            made.append(path)
        durable.sync_folder(folder)
    return ed25519, ml_dsa


def key_file_name(vkey: VerifierKey) -> str:
    """The name of a private key's file. Raises FormatError for a key of another type, or a name that is no origin."""
    if vkey.type not in SIGNING_TYPES:
        raise FormatError("is of a type that no log of ours signs with", field=f"key {vkey.key_id.hex()}")
    return f"log-{_number(vkey.name)}.{SIGNING_TYPES[vkey.type]}.{vkey.key_id.hex()}.key"


def read_private_key(path: Path, unlock: Unlock | None = None) -> Signer:
    """The signer in one file, plain or sealed. Raises FormatError or AuditLogError, naming the file and the fix."""
    text = _read(path, private=True)
    if is_sealed(text):
        text = open_text(text, unlock, name=path.name)
    try:
        signer = parse_skey(text.removesuffix("\n"))
        name = key_file_name(signer.vkey)
    except FormatError as error:
        raise FormatError(str(error), field=path.name) from None
    if name != path.name:
        raise FormatError("holds another key than its name says: put back the original files", field=path.name)
    return signer


def read_key_ring(path: Path) -> KeyRing:
    """The ring of a `.vkey` file. Raises FormatError naming the line."""
    return parse_key_ring(_read(path), name=path.name)


def seal_keys(folder: Path, unlock: Unlock) -> tuple[str, ...]:
    """Seal every plain private key of the folder; returns the names of the files.

    Those that are sealed already must open with the same secret: else AuditLogError, and nothing is changed. The plain
    bytes are overwritten before they are unlinked; what `destroy` cannot reach, this cannot either.
    """
    unlock.method()
    salt = new_salt()
    return _rewrite(folder, unlock, sealed=False, to=lambda text, name: seal_text(text, unlock, salt, name=name))


def unseal_keys(folder: Path, unlock: Unlock) -> tuple[str, ...]:
    """Inverse of `seal_keys`: afterwards every private key is plain. Returns the names of the files."""
    return _rewrite(folder, unlock, sealed=True, to=lambda text, name: open_text(text, unlock, name=name))


# --- files ------------------------------------------------------------------------------------------------------------


def _number(origin: str) -> str:
    """The last segment of an origin `NAME/<k>`, as it stands in the names of its files."""
    name, _, number = origin.rpartition("/")
    if not name or not re.fullmatch("[0-9]{1,9}", number):
        raise FormatError("must read NAME/<number of the log>", field="origin")
    return number


def _key_files(folder: Path) -> list[tuple[Path, re.Match[str]]]:
    """Every private key's file, by name."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise AuditLogError(f"cannot be read: {error.strerror}", field=folder.name) from error
    return [(path, match) for path in paths if (match := _FILE.match(path.name))]


def _read(path: Path, *, private: bool = False) -> str:
    try:
        with path.open("rb") as file:
            if private and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise AuditLogError(
                    "can be read by others: set its mode to 600, and rotate it if it was exposed", field=path.name
                )
            return file.read().decode()
    except FileNotFoundError:
        raise AuditLogError(f"is missing: {_RESTORE}", field=path.name) from None
    except UnicodeDecodeError:
        raise FormatError("is not UTF-8 text", field=path.name) from None
    except OSError as error:
        raise AuditLogError(f"cannot be read: {error.strerror}", field=path.name) from error


def _rewrite(folder: Path, unlock: Unlock, *, sealed: bool, to: Callable[[str, str], str]) -> tuple[str, ...]:
    """Replace the files that are `sealed` (or not) by their other form. All are read before the first is written."""
    with _touching(folder):
        _sweep(folder)
        waiting: list[tuple[Path, str]] = []
        for path, _ in _key_files(folder):
            read_private_key(path, unlock)  # whole, and of this secret
            text = _read(path, private=True)
            if is_sealed(text) == sealed:
                waiting.append((path, to(text, path.name)))
        for path, text in waiting:
            # The old bytes keep a name until they are overwritten, so that a crash leaves them to be swept.
            old = path.with_name(f".{path.name}.old")
            os.link(path, old)
            try:
                durable.replace(path, text.encode(), 0o600)
            except OSError:
                _sweep(folder)
                raise
            durable.wipe(old)
            durable.sync_folder(folder)
    return tuple(path.name for path, _ in waiting)


def _sweep(folder: Path) -> None:
    """Wipe what a crash left behind. Bytes that are still those of the key itself only lose their second name."""
    for left in folder.glob(".log-*.key.*"):
        path = left.with_name(left.name.removeprefix(".").rpartition(".")[0])
        if path.exists() and path.samefile(left):
            left.unlink()
        elif path.exists() or left.suffix == ".new":
            durable.wipe(left)


@contextlib.contextmanager
def _touching(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        name = Path(str(error.filename)).name if error.filename else path.name
        raise AuditLogError("exists already; keys are never overwritten", field=name) from None
    except OSError as error:
        raise AuditLogError(f"cannot be written: {error.strerror}", field=path.name) from error
