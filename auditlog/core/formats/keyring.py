"""Which keys of a log sign at which size: rotation changes the keys, and old checkpoints stay verifiable.

A key is valid for the sizes from `valid_from` on and below `valid_until`. In a file a key is one line; the comment
`# valid from A` or `# valid from A until B` on the line above gives its sizes, and other lines that begin with "#" say
nothing to programs. A C2SP policy file holds the same comments above its `log` lines; other programs skip them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from auditlog.core.errors import FormatError, SignatureError
from auditlog.core.formats.canonical import MAX_UINT64, parse_decimal
from auditlog.core.formats.note import VerifierKey, format_vkey, parse_vkey

_VALID = re.compile(r"# valid from ([0-9]{1,20})(?: until ([0-9]{1,20}))?\Z")
Sizes = tuple[int, int | None]
ALWAYS: Sizes = (0, None)


@dataclass(frozen=True, slots=True)
class LogKey:
    """A verifier key of a log, and the sizes of the tree at which it signs: from `valid_from`, below `valid_until`."""

    vkey: VerifierKey
    valid_from: int = 0
    valid_until: int | None = None

    def __post_init__(self) -> None:
        last = MAX_UINT64 if self.valid_until is None else self.valid_until
        if not 0 <= self.valid_from < last <= MAX_UINT64:
            raise FormatError("must end after it begins", field="sizes of the key")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys of one or several logs, retired ones too, in the order in which they sign."""

    keys: tuple[LogKey, ...]

    def __post_init__(self) -> None:
        if len({key.vkey for key in self.keys}) != len(self.keys):
            raise FormatError("names one key twice", field="keys")

    @property
    def origins(self) -> tuple[str, ...]:
        """The logs, in the order in which the ring names them."""
        return tuple(dict.fromkeys(key.vkey.name for key in self.keys))

    @property
    def vkeys(self) -> tuple[VerifierKey, ...]:
        """Every key."""
        return tuple(key.vkey for key in self.keys)

    def of(self, origin: str) -> KeyRing:
        """The keys of one log. Raises SignatureError when there is none."""
        keys = tuple(key for key in self.keys if key.vkey.name == origin)
        if not keys:
            raise SignatureError("has no key in the key file: get the file that names this log", field=origin)
        return KeyRing(keys)

    def at(self, origin: str, size: int) -> tuple[VerifierKey, ...]:
        """The keys that sign a checkpoint of this size. Raises SignatureError when there is none."""
        found = tuple(key.vkey for key in self.of(origin).keys if _covers(key, size))
        if not found:
            raise SignatureError(f"has no key that is valid at size {size}: get the newest key file", field=origin)
        return found

    def only_origin(self) -> str:
        """The one log that the ring is of. Raises FormatError when it is of several."""
        if len(self.origins) != 1:
            raise FormatError("must hold the keys of one log: all with the same name", field="keys")
        return self.origins[0]


def key_ring(vkeys: Iterable[VerifierKey]) -> KeyRing:
    """A ring of keys that are valid at every size."""
    return KeyRing(tuple(LogKey(vkey) for vkey in vkeys))


def key_digest(vkey: VerifierKey) -> str:
    """What entries call a key: "sha256:" and the digest of its line in a key file, without the newline."""
    return f"sha256:{sha256(format_vkey(vkey).encode()).hexdigest()}"


def parse_key_ring(text: str, *, name: str = "log.vkey") -> KeyRing:
    """The ring of a key file; at least one key. Raises FormatError("<name> line N: …")."""
    if text.startswith("\ufeff"):
        raise FormatError("begins with a byte order mark: save it without one", field=name)
    if "\r" in text:
        raise FormatError("has the line ends of Windows: save it with those of Unix (LF)", field=name)
    lines = text.split("\n")
    if lines.pop():
        raise FormatError("must end with a newline", field=name)
    keys = []
    for number, line, sizes in with_sizes(lines, name=name):
        if line.startswith("PRIVATE+KEY+"):
            raise FormatError(
                "is a private key: put it back where it was, and give log.vkey", field=f"{name} line {number}"
            )
        try:
            keys.append(LogKey(parse_vkey(line), *sizes))
        except FormatError as error:
            raise FormatError(str(error), field=f"{name} line {number}") from error
    if not keys:
        raise FormatError("must hold one verifier key a line, each ended by a newline", field=name)
    try:
        return KeyRing(tuple(keys))
    except FormatError as error:
        raise FormatError(str(error).removeprefix("keys: "), field=name) from error


def format_key_ring(ring: KeyRing) -> str:
    """The text of a key file."""
    return "".join(f"{format_sizes((key.valid_from, key.valid_until))}{format_vkey(key.vkey)}\n" for key in ring.keys)


def with_sizes(lines: Iterable[str], *, name: str) -> Iterator[tuple[int, str, Sizes]]:
    """(number from 1, line, sizes) of each line that is neither empty nor a comment.

    Raises FormatError for sizes above no line, or that are no sizes: a comment misspelt would make a retired key valid.
    """
    pending: tuple[int, Sizes] | None = None
    for number, line in enumerate(lines, 1):
        if line.startswith("# valid "):
            if pending is not None:
                raise FormatError("must stand directly above a key", field=f"{name} line {pending[0]}")
            pending = number, _parse_sizes(line, field=f"{name} line {number}")
        elif line and not line.startswith("#"):
            yield number, line, pending[1] if pending else ALWAYS
            pending = None
    if pending is not None:
        raise FormatError("must stand directly above a key", field=f"{name} line {pending[0]}")


def format_sizes(sizes: Sizes) -> str:
    """The comment line above a key, with its newline; nothing for a key that is always valid."""
    if sizes == ALWAYS:
        return ""
    first, last = sizes
    return f"# valid from {first}\n" if last is None else f"# valid from {first} until {last}\n"


def _parse_sizes(line: str, *, field: str) -> Sizes:
    match = _VALID.match(line)
    if match is None:
        raise FormatError('must read "# valid from A" or "# valid from A until B"', field=field)
    first = parse_decimal(match[1], field=field)
    return first, None if match[2] is None else parse_decimal(match[2], field=field)


def _covers(key: LogKey, size: int) -> bool:
    return key.valid_from <= size and (key.valid_until is None or size < key.valid_until)
