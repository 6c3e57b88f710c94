"""`greffier log seal-keys` and `unseal-keys`: private keys under a passphrase or a key file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditlog.writing.keys import Unlock, read_unlock, seal_keys, unseal_keys
from cli.options import Home, progress
from home.errors import UsageError
from home.key_secrets import unlock_of
from home.settings import read_settings

KeyFile = Annotated[
    Path | None, typer.Option(help="File of 32 random bytes, kept apart from keys/. By default the setting key_file.")
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="File whose first line is the passphrase. By default GREFFIER_KEY_PASSPHRASE, or the setting."),
]


def add_commands(app: typer.Typer) -> None:
    """Register this file's commands below `greffier log`."""
    app.command("seal-keys")(seal)
    app.command("unseal-keys")(unseal)


def seal(home: Home, key_file: KeyFile = None, passphrase_file: PassphraseFile = None) -> None:
    """Seal the log's plain private keys; from then on every command and `serve` need the secret."""
    names = seal_keys(home / "keys", _unlock(home, key_file, passphrase_file))
    for name in names:
        progress(f"sealed {name}")
    progress("every key is sealed; keep the secret apart from keys/ and its backups: without it they cannot sign")


def unseal(home: Home, key_file: KeyFile = None, passphrase_file: PassphraseFile = None) -> None:
    """Make sealed private keys plain again, to seal them under another secret or to do without one."""
    for name in unseal_keys(home / "keys", _unlock(home, key_file, passphrase_file)):
        progress(f"unsealed {name}")
    progress("every key is plain: whoever reads keys/ can sign")


def _unlock(home: Path, key_file: Path | None, passphrase_file: Path | None) -> Unlock:
    settings = read_settings(home)
    given = key_file is not None or passphrase_file is not None
    unlock = read_unlock(None, passphrase_file, key_file) if given else unlock_of(home, settings)
    if unlock is None:
        raise UsageError(
            "give one: set GREFFIER_KEY_PASSPHRASE, or name --key-file or --passphrase-file",
            field="secret for the keys",
        )
    return unlock
