"""`greffier find` and `greffier access-file`: what is recorded about a person or in a case.

A reference comes in a file or on standard input: arguments stand in process lists and shell histories.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Annotated, cast

import typer

from auditlog.core.entries.receipt import format_receipt
from auditlog.core.entries.vocabulary import PURPOSES
from cli.options import (
    AsJson,
    Home,
    ReadAs,
    how_many,
    print_json,
    print_rows,
    progress,
    read_file,
    reader_as,
    reserved_file,
)
from home.errors import UsageError
from service.disclosing import access_file, lookup, report
from service.disclosing.access_document import access_document
from service.records.reading import Purpose
from service.wiring import open_home

COLUMNS = ("id", "log", "index", "time", "system", "version", "mode")
_MAX_FILE = 4096

SubjectFile = Annotated[
    Path | None, typer.Option("--subject-file", help="File with the reference of one person; - for standard input.")
]
CaseFile = Annotated[
    Path | None, typer.Option("--case-file", help="File with the reference of one case; - for standard input.")
]


def add_commands(app: typer.Typer) -> None:
    """Register this file's commands."""
    app.command("find")(find)
    app.command("access-file")(write_access_file)


def find(
    home: Home,
    subject_file: SubjectFile = None,
    case_file: CaseFile = None,
    purpose: Annotated[str, typer.Option(help="What for; it stands in the log.")] = "lookup",
    receipts: Annotated[
        Path | None, typer.Option("--receipts", help="Folder to write each record's receipt into.")
    ] = None,
    read_as: ReadAs = "administrator",
    as_json: AsJson = False,
) -> None:
    """Find the decisions about a person or in a case; the look-up is in the log first."""
    reference = _reference(subject_file, case_file)
    reader = reader_as(read_as)
    if purpose not in PURPOSES:
        raise UsageError(f"must be one of {', '.join(PURPOSES)}", field="--purpose")
    if receipts is not None and not receipts.is_dir():
        raise UsageError("is no folder: make it first", field="--receipts")
    with _writable(receipts), open_home(home) as g:
        answer = lookup.look_up(g, reader, cast("Purpose", purpose), reference, receipted=receipts is not None)
    _write_receipts(answer, receipts)
    rows = [{name: getattr(one, name) for name in COLUMNS} for one in answer.records]
    if as_json:
        stamp = {"origin": answer.log.origin, "size": answer.log.size, "root": answer.log.root}
        print_json({"records": rows, "restricted": answer.restricted, "log": stamp})
    else:
        print_rows(rows, as_json=False, columns=COLUMNS)
        progress(f"{len(rows)} found; log {answer.log.origin}, size {answer.log.size}, root {answer.log.root}")
        if answer.restricted:
            progress(f"{answer.restricted} more may not be used for this purpose (GDPR 18)")


def _writable(folder: Path | None) -> contextlib.AbstractContextManager[object]:
    """Made sure of before anyone's content is read for it."""
    return contextlib.nullcontext() if folder is None else reserved_file(folder / "receipts", "--receipts")


def _write_receipts(answer: lookup.Answer, folder: Path | None) -> None:
    for one in answer.records:
        if folder is not None and one.receipt is not None:
            with reserved_file(folder / f"{one.id}.receipt.json", "--receipts", private=True) as write:
                write(format_receipt(one.receipt))


def write_access_file(
    home: Home,
    subject_file: SubjectFile = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to write it.")] = None,
    output_format: Annotated[str, typer.Option("--format", help="json, with receipts; html or pdf, to read.")] = "json",
    lang: Annotated[str, typer.Option(help="en or nl, of html and pdf.")] = "en",
    read_as: ReadAs = "administrator",
) -> None:
    """Write all that is held about a person, and who looked at it (GDPR 15): as one JSON file, or as a document."""
    if output is None:
        raise UsageError("names the file to write", field="-o")
    if output_format not in report.FORMATS:
        raise UsageError("must be json, html or pdf", field="--format")
    reference = _reference(subject_file, None)
    reader = reader_as(read_as)
    with reserved_file(output, "-o", private=True) as write, open_home(home) as g:
        if output_format == "json":
            found = access_file.access_file(g, reader, reference)
            write(json.dumps(found, ensure_ascii=False, indent=2).encode() + b"\n")
            count = len(cast("list[object]", found["records"]))
        else:
            document = access_document(g, reader, reference)
            write(report.render(g, document, lang, output_format))
            count = len(document.records)
    progress(how_many(count, "record"))


def _reference(subject_file: Path | None, case_file: Path | None) -> lookup.Reference:
    if subject_file is not None and case_file is None:
        return lookup.Reference("subject", read_reference(subject_file, "--subject-file"), "--subject-file")
    if case_file is not None and subject_file is None:
        return lookup.Reference("case", read_reference(case_file, "--case-file"), "--case-file")
    raise UsageError("give one of them: a file with the reference", field="--subject-file, --case-file")


def read_reference(path: Path, option: str) -> str:
    """The one line of a file. Raises UsageError that names the option, and nothing of the content."""
    data = read_file(path, option)
    if len(data) > _MAX_FILE:
        raise UsageError("is too long: it holds one reference, in one line", field=option)
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UsageError("is no text in UTF-8", field=option) from None
    if len(lines) != 1 or not lines[0].strip():
        raise UsageError("must hold one reference, in one line", field=option)
    return lines[0]
