"""`greffier decide`, `receipt`, `reviews`, `stop`, `resume`: one decision, or one system at once."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from auditlog.core.entries.receipt import format_receipt
from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import Json, parse_json
from auditlog.vault.references import Refs
from cli import log_timestamp
from cli.lookup import read_reference
from cli.options import Account, Home, ReadAs, plain, print_json, progress, read_file, reader_as, reserved_file
from home.errors import UsageError
from service.cases import reviews
from service.deciding import decide, idempotency
from service.proving import receipt_page, receipts
from service.records.reading import CLI
from service.systems import lifecycle
from service.wiring import open_home

RecordId = Annotated[str, typer.Argument(metavar="ID", help="The record's id, as on the letter.")]
Slug = Annotated[str, typer.Argument(help="The system's slug.")]
StopReason = Annotated[str, typer.Option(help="malfunction, incident, complaint, authority, maintenance or other.")]


def add_commands(app: typer.Typer) -> None:
    """Register this file's commands."""
    for name, command in (
        ("decide", decide_one),
        ("receipt", write_receipt),
        ("review", review_one),
        ("stop", stop_system),
        ("resume", resume_system),
    ):
        app.command(name)(command)


def decide_one(
    home: Home,
    slug: Slug,
    file: Annotated[Path, typer.Option("--input", help="JSON object of declared fields; - for standard input.")],
    receipt: Annotated[Path | None, typer.Option(help="Where to write the receipt.")] = None,
    subject: Annotated[list[str] | None, typer.Option(help="Reference of the person concerned.")] = None,
    case_file: Annotated[
        Path | None, typer.Option("--case-file", help="File with the reference of the case; - for standard input.")
    ] = None,
    conversation_file: Annotated[
        Path | None, typer.Option("--conversation-file", help="File with the reference of the conversation.")
    ] = None,
    lang: Annotated[str, typer.Option(help="Language of the notice.")] = "en",
    idempotency_key: Annotated[
        str | None, typer.Option(help="A name for this request: repeated, it gives the first answer again.")
    ] = None,
) -> None:
    """Decide one case; the answer is JSON on stdout."""
    inputs = _object(read_file(file, "--input"))
    case, conversation = (
        None if path is None else read_reference(path, option)
        for path, option in ((case_file, "--case-file"), (conversation_file, "--conversation-file"))
    )
    key = (
        None if idempotency_key is None else idempotency.Key("command line", idempotency_key, "--idempotency-key", CLI)
    )
    with contextlib.ExitStack() as stack:
        # Before the decision: an answer that was recorded must not be lost to a folder that is not there.
        write = None if receipt is None else stack.enter_context(reserved_file(receipt, "--receipt", private=True))
        g = stack.enter_context(open_home(home))
        answer = decide.decide(
            g, slug, inputs, subjects=tuple(subject or ()), refs=Refs(case, conversation), lang=lang, key=key
        )
        print_json(plain(answer))
        if write is not None:
            write(format_receipt(receipts.receipt(g, answer.id, openings=CLI)))


def write_receipt(
    home: Home,
    record_id: RecordId,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="X.receipt.json; or X.receipt.html, a page that checks itself.")
    ],
    openings: Annotated[bool, typer.Option(help="Include the opened input, output and outcome.")] = True,
    time_stamped: Annotated[
        bool, typer.Option("--time-stamped", help="Prove against a time-stamped checkpoint, written beside it.")
    ] = False,
    read_as: ReadAs = "administrator",
) -> None:
    """Write a record's receipt."""
    reader = reader_as(read_as) if openings else None
    # What is opened is noted in the log first.
    if time_stamped:
        with open_home(home, tolerant=reader is None) as g:
            log_timestamp.write_stamped_receipt(g, record_id, output, openings=reader)
        return
    with reserved_file(output, "-o", private=openings) as write, open_home(home, tolerant=reader is None) as g:
        made = receipts.receipt(g, record_id, openings=reader)
        as_page = output.name.endswith(".receipt.html")
        write(receipt_page.receipt_html(g, made, g.settings.languages[0]) if as_page else format_receipt(made))


def review_one(
    home: Home,
    record_id: RecordId,
    action: Annotated[str | None, typer.Option(help="confirm, override, refer or release.")] = None,
    decision: Annotated[str | None, typer.Option(help="The agency's decision.")] = None,
    reasons: Annotated[str | None, typer.Option(help="The officer's reasons.")] = None,
    text: Annotated[str | None, typer.Option(help="Final text as sent.")] = None,
    effect: Annotated[str | None, typer.Option(help="Legal effect.")] = None,
    notified: Annotated[str | None, typer.Option(help="Date on which the person was told, YYYY-MM-DD.")] = None,
    read_as: ReadAs = "officer",
) -> None:
    """Show a held result; with --action, record the review and release it."""
    with open_home(home) as g:
        if action is None:
            print_json(reviews.show(g, reader_as(read_as), record_id))
            return
        if not decision or not reasons:
            raise UsageError("both are needed with --action", field="--decision, --reasons")
        made = reviews.Review(action, decision, reasons, text, effect, notified)
        review_id = reviews.record_review(g, record_id, made)
    print_json({"review": review_id, "record": record_id})


def stop_system(home: Home, slug: Slug, reason: StopReason = "incident", account: Account = None) -> None:
    """Stop a system at once."""
    with open_home(home) as g:
        lifecycle.stop(g, slug, reason=reason, account=account)
    progress(f"{slug} is stopped")


def resume_system(home: Home, slug: Slug, account: Account = None) -> None:
    """Bring a stopped system back: by another account than the one that stopped it."""
    with open_home(home) as g:
        state = lifecycle.resume(g, slug, account=account).state
    progress(f"{slug} is {state} again")


def _object(data: bytes) -> dict[str, Json]:
    try:
        value = parse_json(data)
    except FormatError as error:
        raise UsageError(f"{error}; correct the file", field="--input") from None
    if not isinstance(value, dict):
        raise UsageError("must be a JSON object of declared fields", field="--input")
    return value
