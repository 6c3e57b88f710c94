"""`greffier explain`: why a recorded decision came out as it did; and where a person must decide anew."""

from __future__ import annotations

from typing import Annotated

import typer

from auditlog.store.explanations import EXPLANATION
from cli.options import AsJson, Home, ReadAs, plain, print_json, print_rows, print_text, progress, reader_as
from home.errors import UsageError
from home.greffier import Greffier
from reports.explanation.words import words
from service.explaining import explain, new_decision
from service.records import reading
from service.wiring import open_home

COLUMNS = ("record", "system", "version", "verdict", "since", "before", "overdue")
_SAID = 0
_LOOK = 1


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("explain")(explain_one)


def explain_one(
    home: Home,
    record_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Id of a decision, to explain it; or of an earlier explanation.")
    ] = None,
    open_ones: Annotated[
        bool, typer.Option("--open", help="Decisions that a person must make anew, and has not.")
    ] = False,
    system: Annotated[str | None, typer.Option(help="Slug of a system, with --open; by default all.")] = None,
    lang: Annotated[str, typer.Option(help="en or nl.")] = "en",
    read_as: ReadAs = "auditor",
    as_json: AsJson = False,
) -> int:
    """Say what moved a result, measured on the model that gave it, or why that cannot be said honestly.

    Exit 1 where the result is set aside, where it says something else than the explanation before, and where a
    decision of a person is overdue.
    """
    if (record_id is None) != open_ones:
        raise UsageError("give an ID or --open", field="explain")
    if system is not None and not open_ones:
        raise UsageError("is not taken with ID: leave it out", field="--system")
    reader = reader_as(read_as)
    with open_home(home) as g:
        if record_id is None:
            return _list(g, reader, system, as_json=as_json)
        return _one(g, reader, record_id, lang, as_json=as_json)


def _one(g: Greffier, reader: reading.Reader, id_: str, lang: str, *, as_json: bool) -> int:
    if lang not in g.renderer.languages:
        raise UsageError(f"must be one of {', '.join(g.renderer.languages)}", field="--lang")
    made = reading.find(g, id_).entry.kind != EXPLANATION
    told = explain.explain(g, reader, id_) if made else explain.show(g, reader, id_)
    if as_json:
        print_json(explain.as_json(told))
    else:
        print_text(words(g.renderer, told.words, lang))
    differs = (told.earlier or {}).get("differs")
    if differs:
        progress(f"other than explanation {(told.earlier or {})['id']}: {', '.join(map(str, plain(differs)))}")
    elif told.earlier is not None:
        progress(f"the same as explanation {told.earlier['id']}")
    return _LOOK if differs or told.verdict == new_decision.SET_ASIDE else _SAID


def _list(g: Greffier, reader: reading.Reader, system: str | None, *, as_json: bool) -> int:
    found = new_decision.open_ones(g, reader, system)
    print_rows([plain(one) for one in found], as_json=as_json, columns=COLUMNS)
    return _LOOK if any(one.overdue for one in found) else _SAID
