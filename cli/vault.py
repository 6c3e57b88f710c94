"""`greffier vault`: the keys under which content lies and is found."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Home, how_many, plain, print_json, print_text, progress
from home.database import open_database
from home.errors import UsageError
from home.settings import read_settings
from service.erasing import orphaned_objects
from service.keeping import vault_keys
from service.wiring import open_home

CHECK_FAILED = 1
app = typer.Typer(no_args_is_help=True, help="The keys under which content lies and is found.")


@app.command("encrypt-keys")
def encrypt_keys(
    home: Home,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Do it: without that key nothing can be read any more.")
    ] = False,
    previous: Annotated[
        str | None, typer.Option("--previous", help="Source of the key in force, if the store is encrypted already.")
    ] = None,
) -> None:
    """Encrypt the key store under the key that the setting key_encryption names. Stop the server first."""
    if not confirm:
        raise UsageError(
            "encrypts every record key in place; keep the key-encryption key apart from the store, and give --confirm",
            field="--confirm",
        )
    with open_database(home) as engine:
        count = vault_keys.encrypt_keys(home, read_settings(home), engine, previous=previous)
    done = how_many(count, "slot is", "slots are")
    print_text(f"{done} encrypted; start every program of this home again, and replace the store's replicas")


@app.command("retag")
def retag(
    home: Home,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make a new index key; without it, go on where it was cut.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Tag every record anew under a new index key, while the server goes on; look-ups ask under both until then."""
    with open_home(home) as g:
        done = vault_keys.change_index_key(g, new_key=new_key, progress=_tell)
    if as_json:
        print_json(plain(done))
    else:
        print_text(f"{how_many(done.done, 'sealed content is', 'sealed contents are')} tagged under the new index key")
        if done.unreadable:
            closed = how_many(done.unreadable, "record does", "records do")
            print_text(f"{closed} not open (`greffier log fsck`): the old key is kept; run this again then")
    return CHECK_FAILED if done.unreadable else 0


@app.command("sweep")
def sweep(home: Home) -> int:
    """Delete from object storage what no record names: of erased records, and strays older than a day."""
    with open_home(home) as g:
        done = orphaned_objects.sweep(g)
    print_text(f"deleted: {how_many(done.erased, 'object')} of erased records, {how_many(done.strays, 'stray')}")
    if done.left:
        print_text(f"{done.left} could not be deleted: see that the storage can be written, and run this again")
    return CHECK_FAILED if done.left else 0


def _tell(done: int) -> None:
    if done % 10_000 < 200:
        progress(f"{done} records")
