"""Named questions of an auditor, and views that were saved under a name: asked and kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditlog.core.errors import NotFound
from auditlog.core.formats.canonical import Json
from auditlog.store import questions as store
from auditlog.store import views as view_store
from auditlog.store.cursor import DecisionFilter
from auditlog.store.engine import writing
from home.errors import UsageError, asked
from home.greffier import Greffier
from service.records import query
from service.records.query import TECHNICAL, LogStamp
from service.records.reading import Reader


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of an answer, and the log that they were computed from."""

    question: str
    rows: list[dict[str, Json]]
    log: LogStamp


def listed() -> list[dict[str, Json]]:
    """The questions there are: name, what it answers, names of its parameters."""
    return [
        {"question": one.name, "answers": one.doc, "parameters": ", ".join(each.name for each in one.parameters)}
        for one in store.QUESTIONS
    ]


def ask(g: Greffier, reader: Reader, name: str, given: Mapping[str, Any]) -> Answer:
    """Ask the database. The answers are counts, so no access to a record is noted.

    Raises UsageError for a question or parameter that there is not, and for one that the role may not ask.
    """
    question = _question(name)
    if question.content and reader.role in TECHNICAL:
        raise UsageError(f"is not for the role {reader.role}, which sees nothing of the content", field="question")
    with asked(), g.reading() as conn:
        rows = store.ask(conn, question, given)
    return Answer(name, rows, query.stamp(g))


def ask_files(name: str, given: Mapping[str, Any], decisions: Path, events: Path | None) -> Answer:
    """Ask Parquet files that were exported before; the log named is that of the file. Errors as `ask`."""
    from auditlog.store import parquet  # noqa: PLC0415 (a portal need not hold its libraries in memory)

    question = _question(name)
    with asked():
        said = parquet.read_stamp(decisions)
        rows = parquet.ask_files(question, given, decisions, events)
    return Answer(name, rows, LogStamp(said.get("origin", ""), int(said.get("size", 0)), said.get("root", "")))


def save_view(g: Greffier, name: str, where: DecisionFilter) -> None:
    """Keep a filter under a name, in place of one of the same name. Raises UsageError for a name that is none."""
    with asked(), writing(g.engine) as conn:
        view_store.save_view(conn, view_store.View(name, where))


def view(g: Greffier, name: str) -> DecisionFilter:
    """The filter of a view. Raises UsageError where there is none of this name."""
    with _known(), g.reading() as conn:
        return view_store.find_view(conn, name).where


def views(g: Greffier) -> list[view_store.View]:
    """All of them, by name."""
    with asked(), g.reading() as conn:
        return view_store.list_views(conn)


def delete_view(g: Greffier, name: str) -> None:
    """Raises UsageError where there is none of this name."""
    with writing(g.engine) as conn:
        gone = view_store.delete_view(conn, name)
    if not gone:
        view(g, name)


@contextlib.contextmanager
def _known() -> Iterator[None]:
    """A name that there is not: the caller's to correct."""
    try:
        with asked():
            yield
    except NotFound as error:
        raise UsageError(str(error).removeprefix(f"{error.field}: "), field=error.field) from None


def _question(name: str) -> store.Question:
    with _known():
        return store.question_of(name)
