"""`greffier notice` and `greffier marks`: that people were told of a system, and marks of text that AI wrote."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from cli.options import AsJson, Home, plain, print_json, print_rows, read_file
from home import calendar
from home.errors import UsageError
from reports.marks import find_marks
from service.disclosing import notices
from service.wiring import open_home

NOTHING_FOUND = 1


def add_commands(app: typer.Typer) -> None:
    """Register this file's commands."""
    app.command("notice")(notice)
    app.command("marks")(marks)


def notice(
    home: Home,
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The system that people were told about.")],
    duty: Annotated[str, typer.Option(help="affected_person, workers, talks, emotion_or_biometric, …")],
    channel: Annotated[str, typer.Option(help="post, email, web, counter, phone, meeting or poster.")],
    of: Annotated[list[str] | None, typer.Option(help="Id of the result (affected_person); repeatable.")] = None,
    day: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="When; today by default.")] = None,
    text_file: Annotated[
        Path | None, typer.Option(help="What was said, where it is not the notice of the version.")
    ] = None,
) -> None:
    """Record that people were told about a system (AI Act 26(7), 26(11), 50): an entry for each notice."""
    text = None if text_file is None else _text(text_file)
    with open_home(home) as g:
        on = calendar.today(g) if day is None else _day(day)
        ids = [
            notices.given(g, slug, duty=duty, channel=channel, day=on, reference=one, text=text)
            for one in (dict.fromkeys(of) if of else [None])
        ]
    print_json({"notices": ids})


def marks(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A page or a JSON answer; - for standard input.")],
    as_json: AsJson = False,
) -> None:
    """Find the marks of text that an AI model wrote (AI Act 50(2)); exit 1 where there is none."""
    found = find_marks(read_file(file, "FILE"))
    print_rows([plain(one) for one in found], as_json=as_json, columns=("record", "text"))
    if not found:
        raise typer.Exit(NOTHING_FOUND)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError("must be a day, YYYY-MM-DD", field="--day") from None


def _text(path: Path) -> str:
    try:
        return read_file(path, "--text-file").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("is no text in UTF-8", field="--text-file") from None
