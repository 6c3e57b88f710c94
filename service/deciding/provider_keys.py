"""The keys of remote providers: from the environment, or from a file in the home. They are in no record and no message.

`GREFFIER_REMOTE_KEY_<PROVIDER>` (its slug in capitals, `_` for `-`), else `keys/remote/<slug>` with the key on its
first line, readable by its owner alone.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from typing import Final

from home.errors import SettingsError

FOLDER: Final = Path("keys") / "remote"
_KEY: Final = re.compile(r"[!-~]{1,4096}")
_OTHERS: Final = 0o077


def slug_of(provider: str) -> str:
    """A provider's name as files and variables have it: lower-case letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", provider).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64] or "provider"


def variable_of(provider: str) -> str:
    """The name of the environment variable."""
    return f"GREFFIER_REMOTE_KEY_{slug_of(provider).upper().replace('-', '_')}"


def key_of(home: Path, provider: str) -> str | None:
    """The provider's key; None where there is none, as for an endpoint of one's own.

    Raises SettingsError, which names variable or file and never the key.
    """
    variable = variable_of(provider)
    given = os.environ.get(variable)
    if given:
        return _checked(given, variable)
    file = FOLDER / slug_of(provider)
    try:
        with (home / file).open(encoding="ascii") as opened:
            if os.fstat(opened.fileno()).st_mode & _OTHERS:
                raise SettingsError("may be read by others: make it readable by its owner alone", field=str(file))
            lines = opened.read(8192).splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", field=str(file)) from None
    except UnicodeDecodeError:
        raise SettingsError("is no key: put the key on the first line", field=str(file)) from None
    return _checked(lines[0] if lines else "", str(file))


def _checked(key: str, where: str) -> str:
    if not _KEY.fullmatch(key.strip()):
        raise SettingsError("is no key: it has 1 to 4096 visible characters on one line", field=where)
    return key.strip()
