"""The cosigner of a home's mirrors: made when it is first needed, beside the witness and under a name of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.note import parse_vkey
from auditlog.peers import identity
from auditlog.peers.mirror import Mirror
from auditlog.peers.mirror_cosigner import SUFFIX, cosign
from auditlog.peers.witness import Witness
from home.key_secrets import unlock_of
from home.settings import read_settings

DATABASE = "mirror.db"


@contextlib.contextmanager
def opened(home: Path) -> Iterator[Witness]:
    """The cosigner of a home, made where there is none. Its keys are `keys/mirror/`; their `witness.vkey` is public.

    Raises WitnessRetired where it has lost its memory.
    """
    keys, unlock = home / "keys" / "mirror", unlock_of(home, read_settings(home))
    if not (keys / identity.VKEY_FILE).exists():
        identity.create_witness(keys, home / DATABASE, _name(home), unlock=unlock)
    cosigner = identity.open_witness(keys, home / DATABASE, unlock=unlock)
    try:
        yield cosigner
    finally:
        cosigner.close()


def cosign_copies(home: Path, root: Path, origins: Sequence[str], ring: KeyRing | None) -> dict[str, tuple[str, ...]]:
    """Cosign the copies of these logs; returns the names of the cosigner by origin. Raises VerifyError, Unreachable."""
    done = {}
    with opened(home) as cosigner:
        for origin in origins:
            held = Mirror(root, origin)
            keys = held.ring() if ring is None or origin not in ring.origins else ring
            assert keys is not None, "the copy was made with keys"
            done[origin] = cosign(held, keys, cosigner)
    return done


def _name(home: Path) -> str:
    """After the home's witness, or after its log."""
    with contextlib.suppress(FileNotFoundError):
        first = (home / "keys" / identity.VKEY_FILE).read_text("utf-8").splitlines()[0]
        return parse_vkey(first).name + SUFFIX
    return read_settings(home).origin + SUFFIX
