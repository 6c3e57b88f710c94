"""Where the secrets come from that open sealed keys: the environment, or files that the settings name."""

from __future__ import annotations

import os
from pathlib import Path

from auditlog.writing.keys import Unlock, read_unlock
from auditlog.writing.keyseal import PASSPHRASE_VARIABLE
from home.settings import Settings


def unlock_of(home: Path, settings: Settings) -> Unlock | None:
    """The secrets of an installation, None where it names none. Raises AuditLogError naming a file that cannot be used.

    A passphrase is never a setting: it stands in GREFFIER_KEY_PASSPHRASE, or in a file (of a service manager, or
    `/dev/fd/3`) that `key_passphrase_file` names.
    """
    files = (_inside(home, settings.key_passphrase_file), _inside(home, settings.key_file))
    return read_unlock(os.environ.get(PASSPHRASE_VARIABLE), *files)


def _inside(home: Path, path: Path | None) -> Path | None:
    return None if path is None else home / path
