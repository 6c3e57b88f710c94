"""`greffier conversation`: the turns of a conversation, put together again."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from auditlog.core.entries.vocabulary import INPUT_PREFIX, PURPOSES
from auditlog.core.formats.canonical import Json
from auditlog.vault.conversations import Turn
from cli.options import Home, ReadAs, print_json, reader_as
from home.errors import UsageError
from service.deciding import conversations
from service.records.reading import Purpose
from service.wiring import open_home


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("conversation")(show)


def show(
    home: Home,
    record_id: Annotated[str, typer.Argument(metavar="ID", help="The record's id: any turn of the conversation.")],
    purpose: Annotated[str, typer.Option(help="What for; it stands in the log.")] = "lookup",
    read_as: ReadAs = "administrator",
) -> None:
    """Show the conversation to which a record belongs, as JSON; each turn that is shown is in the log first."""
    if purpose not in PURPOSES:
        raise UsageError(f"must be one of {', '.join(PURPOSES)}", field="--purpose")
    reader = reader_as(read_as)
    with open_home(home) as g:
        thread = conversations.read(g, reader, cast("Purpose", purpose), record_id)
    print_json({"system": thread.system, "turns": [_shown(turn) for turn in thread.turns], "path": [*thread.path]})


def _shown(turn: Turn) -> dict[str, Json]:
    """Its own input and output; of an erased one, that it was."""
    shown: dict[str, Json] = {"id": turn.id, "turn": turn.number, "parent": turn.parent, "erased": turn.erased}
    if turn.values is not None:
        values = turn.values
        shown["input"] = {
            name.removeprefix(INPUT_PREFIX): value for name, value in values.items() if name.startswith(INPUT_PREFIX)
        }
        shown |= {"outcome": values.get("outcome"), "output": values.get("output")}
    return shown
