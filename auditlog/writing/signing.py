"""The keys that sign the next checkpoint: those that are valid at its size, as the log's own rotations say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from auditlog.core.errors import CannotRecord, FormatError
from auditlog.core.formats.keyring import KeyRing, key_ring
from auditlog.core.formats.note import Signer
from auditlog.store.logs import with_rotations


class SigningKeys:
    """`signers` are the private keys at hand, `ring` is the key file's (by default: of `signers`).

    `held()` reads the private keys anew, when a rotation by another process names one that was not there at first.
    """

    def __init__(
        self,
        signers: Sequence[Signer],
        *,
        origin: str,
        ring: KeyRing | None = None,
        held: Callable[[], Sequence[Signer]] = tuple,
    ) -> None:
        self._ring = key_ring(signer.vkey for signer in signers) if ring is None else ring
        self.origin = origin
        self._held = held
        self._at_hand = {signer.vkey: signer for signer in signers}

    def ring(self, conn: Connection) -> KeyRing:
        """The public keys with the sizes that rotations gave them."""
        try:
            return with_rotations(conn, self._ring)
        except FormatError as error:
            raise CannotRecord(str(error), cause="database") from error

    def at(self, conn: Connection, size: int) -> tuple[Signer, ...]:
        """All that sign a checkpoint of this size. Raises CannotRecord where one is missing: then none may sign."""
        vkeys = self.ring(conn).at(self.origin, size)
        if not all(vkey in self._at_hand for vkey in vkeys):
            self._at_hand.update({signer.vkey: signer for signer in self._held()})
        for vkey in vkeys:
            if vkey not in self._at_hand:
                message = "is not here: copy its file from the machine that rotated the keys, or from a backup of keys/"
                raise CannotRecord(message, cause="key_store", field=f"private key {vkey.key_id.hex()}")
        return tuple(self._at_hand[vkey] for vkey in vkeys)
