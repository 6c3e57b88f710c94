"""Object storage kept in order: nothing lies there that no record names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from auditlog.store import log as log_store
from auditlog.vault import blobs
from home.errors import SettingsError
from home.greffier import Greffier

# What is younger may belong to a record that is about to be written.
STRAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Swept:
    """How many objects were deleted, of erased records and without any; how many could not be."""

    erased: int
    strays: int
    left: int


def sweep(g: Greffier) -> Swept:
    """Delete what no record names. Raises SettingsError where there is no object storage, VaultError."""
    objects = g.vault.objects
    if objects is None:
        raise SettingsError('is "database": there are no objects', field=blobs.SETTING)
    erased, left = blobs.sweep(objects, lambda: log_store.writing(g.engine))
    strays, more = blobs.sweep_strays(objects, lambda: log_store.writing(g.engine), g.clock() - STRAY)
    return Swept(erased, strays, left + more)
