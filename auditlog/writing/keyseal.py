"""A private key's text under a secret: what a sealed key file holds, and the secrets that open it.

Two lines. The first states form, derivation, salt and nonce (`greffier-sealed-key/1 scrypt n=131072 r=8 p=1 salt=…
nonce=…` for a passphrase, `greffier-sealed-key/1 hkdf salt=… nonce=…` for a key file of 32 bytes); the second is the
base64 of AES-256-GCM over the plain text, with the first line as associated data. Errors never repeat a secret.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from auditlog.core.errors import AuditLogError, FormatError
from auditlog.core.formats.canonical import format_base64, parse_base64

FORM: Final = "greffier-sealed-key/1"
PASSPHRASE_VARIABLE: Final = "GREFFIER_KEY_PASSPHRASE"  # noqa: S105 (its name, not its value)
KEY_FILE_BYTES: Final = 32
# 128 MiB and a third of a second: the parameters that OWASP's cheat sheet for stored passwords names first.
_SCRYPT = (1 << 17, 8, 1)
# What a hostile file may ask for: at most 1 GiB (128 n r bytes).
_MAX_SCRYPT = (1 << 20, 8, 16)
_SALT_SIZE, _NONCE_SIZE = 16, 12
_INFO = b"greffier/1/sealed-key\0"
_HEADER = re.compile(
    re.escape(FORM)
    + r" (?:scrypt n=([1-9]\d{0,7}) r=([1-9]\d?) p=([1-9]\d?)|hkdf) salt=([A-Za-z0-9+/=]+) nonce=([A-Za-z0-9+/=]+)\Z"
)
_NO_PASSPHRASE = (
    f"is sealed by a passphrase: give it in {PASSPHRASE_VARIABLE}, or in a file that key_passphrase_file names"
)
_NO_KEY_FILE = "is sealed by a key file: name it in key_file"


@dataclass(frozen=True, slots=True)
class Unlock:
    """The secrets at hand. Sealing takes exactly one; opening takes the one that the sealed file asks for.

    The derived keys are remembered, since scrypt is made to be slow.
    """

    passphrase: str | None = field(default=None, repr=False)
    key_file: Path | None = None
    _derived: dict[tuple[str, bytes], bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    def derive(self, method: str, salt: bytes, *, field: str) -> bytes:
        """The AES key for one salt; `method` is the header's derivation. Raises AuditLogError naming `field`."""
        known = self._derived.get((method, salt))
        if known is None:
            derived = self._by_file(salt, field) if method == "hkdf" else self._by_passphrase(method, salt, field)
            known = self._derived[method, salt] = derived
        return known

    def method(self) -> str:
        """The derivation for a new seal. Raises AuditLogError unless there is exactly one secret."""
        if (self.passphrase is None) == (self.key_file is None):
            raise AuditLogError("give either a passphrase or a key file", field="unlock")
        return "hkdf" if self.passphrase is None else "scrypt n={} r={} p={}".format(*_SCRYPT)

    def _by_passphrase(self, method: str, salt: bytes, field: str) -> bytes:
        if self.passphrase is None:
            raise AuditLogError(_NO_PASSPHRASE, field=field)
        if not self.passphrase:
            raise AuditLogError("is empty: give a passphrase of several words", field="key passphrase")
        n, r, p = (int(part.partition("=")[2]) for part in method.split(" ")[1:])
        # Keyboards differ in how they write é; the passphrase is the same.
        secret = unicodedata.normalize("NFC", self.passphrase).encode()
        return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(secret)

    def _by_file(self, salt: bytes, field: str) -> bytes:
        if self.key_file is None:
            raise AuditLogError(_NO_KEY_FILE, field=field)
        return HKDF(SHA256(), 32, salt, _INFO).derive(_read_key_file(self.key_file))


def read_unlock(
    passphrase: str | None = None, passphrase_file: Path | None = None, key_file: Path | None = None
) -> Unlock | None:
    """The secrets that an installation names; None where there is none.

    `passphrase` (from the environment) wins over the first line of `passphrase_file`, which may be a descriptor that
    the caller left open (`/dev/fd/3`). Raises AuditLogError naming the file.
    """
    if passphrase is None and passphrase_file is not None:
        passphrase = _read_passphrase(passphrase_file)
    return None if passphrase is None and key_file is None else Unlock(passphrase, key_file)


def is_sealed(text: str) -> bool:
    """Whether a key file's text says that it is sealed."""
    return text.startswith("greffier-sealed-key/")


def new_salt() -> bytes:
    """A salt; files that are sealed together share it, so that one slow derivation opens them all."""
    return os.urandom(_SALT_SIZE)


def seal_text(plain: str, unlock: Unlock, salt: bytes, *, name: str) -> str:
    """The sealed form of a key file's text. Raises AuditLogError for a secret that cannot be used."""
    method, nonce = unlock.method(), os.urandom(_NONCE_SIZE)
    header = f"{FORM} {method} salt={format_base64(salt)} nonce={format_base64(nonce)}"
    key = unlock.derive(method, salt, field=name)
    return f"{header}\n{format_base64(AESGCM(key).encrypt(nonce, plain.encode(), header.encode()))}\n"


def open_text(sealed: str, unlock: Unlock | None, *, name: str) -> str:
    """Inverse of `seal_text`. Raises FormatError for a damaged file, AuditLogError where the secret is not its."""
    lines = sealed.split("\n")
    match = _HEADER.match(lines[0])
    if match is None or len(lines) != 3 or lines[2]:
        raise FormatError(
            f"is no whole sealed key of the form {FORM}: put it back from the backup of keys/", field=name
        )
    salt = parse_base64(match[4], field=name, length=_SALT_SIZE)
    nonce = parse_base64(match[5], field=name, length=_NONCE_SIZE)
    ciphertext = parse_base64(lines[1], field=name)
    try:
        key = (unlock or Unlock()).derive(_method(match, name), salt, field=name)
        return AESGCM(key).decrypt(nonce, ciphertext, lines[0].encode()).decode()
    except (InvalidTag, ValueError):
        raise AuditLogError(
            "does not open: the passphrase or key file is another one, or the file was changed "
            "(then put it back from the backup of keys/)",
            field=name,
        ) from None


def _method(match: re.Match[str], name: str) -> str:
    if match[1] is None:
        return "hkdf"
    n, r, p = int(match[1]), int(match[2]), int(match[3])
    if n & (n - 1) or n < 2 or any(asked > most for asked, most in zip((n, r, p), _MAX_SCRYPT, strict=True)):
        raise FormatError("asks for scrypt parameters that this program does not take", field=name)
    return f"scrypt n={n} r={r} p={p}"


def _read_passphrase(path: Path) -> str:
    """The first line of a file, without its newline."""
    try:
        return _read_private(path).split(b"\n", 1)[0].removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise AuditLogError("is not UTF-8 text", field=str(path)) from None


def _read_key_file(path: Path) -> bytes:
    content = _read_private(path)
    if len(content) != KEY_FILE_BYTES:
        raise AuditLogError(
            f"must hold {KEY_FILE_BYTES} random bytes, such as `head -c {KEY_FILE_BYTES} /dev/urandom` gives",
            field=str(path),
        )
    return content


def _read_private(path: Path) -> bytes:
    """The first 4 KiB of a file that only its owner can read."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                raise AuditLogError("can be read by others: set its mode to 600", field=str(path))
            return file.read(4096)
    except OSError as error:
        raise AuditLogError(f"cannot be read: {error.strerror}", field=str(path)) from error
