"""`greffier request …`: what people ask, their codes, and the steps of an officer.

What a person wrote comes in a file or on standard input: arguments stand in process lists and shell histories. So do
codes, for whoever follows a request.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from casework.request import CHANNELS, DELAYS, IDENTITIES, REFUSALS, RIGHTS, Request
from cli.options import Account, AsJson, Home, ReadAs, plain, print_json, print_rows, progress, read_file, reader_as
from home import calendar
from home.errors import UsageError
from service.cases import access_codes, officer_requests, public_requests, statistics
from service.records.reading import Reader
from service.wiring import open_home

app = typer.Typer(no_args_is_help=True, help="What people ask, and the answers.")
COLUMNS = ("id", "right", "system", "state", "received", "due", "extended", "account", "identity", "version")
_OVERDUE = 1
_MAX_FILE = 65_536

RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="Id of the request.")]
Version = Annotated[int, typer.Option(help="Version of the request as you saw it.")]
TextFile = Annotated[Path, typer.Option("--text-file", help="File with the text; - for standard input.")]
CodeFile = Annotated[Path, typer.Option("--code-file", help="File with the tracking code; - for standard input.")]
Identity = Annotated[str | None, typer.Option(help=f"How it is known who asks: {', '.join(IDENTITIES[1:3])}.")]


@app.command("open")
def open_request(
    home: Home,
    right: Annotated[str, typer.Option(help=", ".join(RIGHTS))],
    channel: Annotated[str, typer.Option(help=", ".join(CHANNELS))],
    text_file: TextFile,
    lang: Annotated[str, typer.Option(help="Language of the answer.")] = "nl",
    reference: Annotated[str | None, typer.Option(help="Id of the decision that it is about.")] = None,
    system: Annotated[str | None, typer.Option(help="Slug of the system, where there is no reference.")] = None,
    contact_file: Annotated[Path | None, typer.Option("--contact-file", help="How to reach the person.")] = None,
    subject_file: Annotated[Path | None, typer.Option("--subject-file", help="Reference of the person.")] = None,
    identity: Identity = None,
    received: Annotated[str | None, typer.Option(help="Day on which it came, YYYY-MM-DD; by default today.")] = None,
    account: Account = None,
) -> None:
    """Write down what somebody asked; the tracking code for the person is printed once."""
    text = _text(text_file, "--text-file")
    contact = None if contact_file is None else _text(contact_file, "--contact-file")
    subject = None if subject_file is None else _text(subject_file, "--subject-file")
    with open_home(home) as g:
        opened = public_requests.open_request(
            g,
            right=right,
            channel=channel,
            lang=lang,
            text=text,
            reference=reference,
            system=system,
            contact=contact,
            subject=subject,
            identity=identity,
            received=None if received is None else _day(received, "--received"),
            account=account or "administrator",
        )
    print_json({"request": opened.request.id, "tracking_code": opened.tracking_code, "due": str(opened.request.due)})


@app.command("list")
def list_requests(
    home: Home,
    system: Annotated[str | None, typer.Option(help="Slug of a system; by default all.")] = None,
    state: Annotated[str, typer.Option(help="open, answered, refused, withdrawn or any.")] = "open",
    account: Annotated[str | None, typer.Option(help="Those on which this account works.")] = None,
    read_as: ReadAs = "officer",
    as_json: AsJson = False,
) -> int:
    """Requests, due first first; exit 1 where one is overdue."""
    reader = reader_as(read_as)
    with open_home(home) as g:
        scope = None if system is None else (system,)
        wanted = None if state == "any" else state
        found = officer_requests.queue(g, reader, systems=scope, account=account, state=wanted)
        today = calendar.today(g)
    print_rows([_row(one) for one in found], as_json=as_json, columns=COLUMNS)
    return _OVERDUE if any(one.overdue(today) for one in found) else 0


@app.command("show")
def show_request(home: Home, request: RequestId, read_as: ReadAs = "officer") -> None:
    """One request with all that was written; the reading is in the log first."""
    with open_home(home) as g:
        print_json(_plain(officer_requests.show(g, reader_as(read_as), request)))


@app.command("assign")
def assign(
    home: Home,
    request: RequestId,
    version: Version,
    to: Annotated[str | None, typer.Option(help="Account that works on it; without it, nobody.")] = None,
    reference: Annotated[str | None, typer.Option(help="Id of the decision that it is about.")] = None,
    system: Annotated[str | None, typer.Option(help="Slug of the system.")] = None,
    identity: Identity = None,
    note_file: Annotated[Path | None, typer.Option("--note-file", help="How that was found out; sealed.")] = None,
    read_as: ReadAs = "officer",
    account: Account = None,
) -> None:
    """Say who works on it, and what was found out: which decision, which system, who asks."""
    note = None if note_file is None else _text(note_file, "--note-file")
    with open_home(home) as g:
        given = {"to": to, "reference": reference, "system": system, "identity": identity}
        _print(officer_requests.assign(g, _reader(read_as, account), request, version=version, **given, note=note))


@app.command("extend")
def extend(
    home: Home,
    request: RequestId,
    version: Version,
    ground: Annotated[str, typer.Option(help=", ".join(DELAYS))],
    text_file: TextFile,
    read_as: ReadAs = "officer",
    account: Account = None,
) -> None:
    """Two months more, once, within the first month, with the reason that the person is told (GDPR 12(3))."""
    text = _text(text_file, "--text-file")
    with open_home(home) as g:
        _print(
            officer_requests.extend(g, _reader(read_as, account), request, version=version, ground=ground, text=text)
        )


@app.command("ask")
def ask(
    home: Home,
    request: RequestId,
    version: Version,
    text_file: TextFile,
    read_as: ReadAs = "officer",
    account: Account = None,
) -> None:
    """Ask the person for more; the clock runs on (GDPR 12(6))."""
    text = _text(text_file, "--text-file")
    with open_home(home) as g:
        _print(officer_requests.ask(g, _reader(read_as, account), request, version=version, text=text))


@app.command("answer")
def answer(
    home: Home,
    request: RequestId,
    version: Version,
    text_file: TextFile,
    explanation: Annotated[str | None, typer.Option(help="Id of the explanation that it gives.")] = None,
    identity: Identity = None,
    read_as: ReadAs = "officer",
    account: Account = None,
) -> None:
    """Answer; it is closed then."""
    text = _text(text_file, "--text-file")
    with open_home(home) as g:
        given = {"explanation": explanation, "identity": identity}
        _print(officer_requests.answer(g, _reader(read_as, account), request, version=version, text=text, **given))


@app.command("refuse")
def refuse(
    home: Home,
    request: RequestId,
    version: Version,
    ground: Annotated[str, typer.Option(help=", ".join(REFUSALS))],
    text_file: TextFile,
    read_as: ReadAs = "officer",
    account: Account = None,
) -> None:
    """Refuse, with ground and reasons; it is closed then."""
    text = _text(text_file, "--text-file")
    with open_home(home) as g:
        _print(
            officer_requests.refuse(g, _reader(read_as, account), request, version=version, ground=ground, text=text)
        )


@app.command("status")
def status(home: Home, code_file: CodeFile) -> None:
    """What the person sees, by the tracking code; the reading is in the log as theirs."""
    code = _text(code_file, "--code-file")
    with open_home(home) as g:
        print_json(_plain(public_requests.status(g, code)))


@app.command("reply")
def reply(home: Home, code_file: CodeFile, text_file: TextFile) -> None:
    """Add what the person says, by the tracking code."""
    code, text = _text(code_file, "--code-file"), _text(text_file, "--text-file")
    with open_home(home) as g:
        print_json(_plain(public_requests.reply(g, code, text)))


@app.command("withdraw")
def withdraw(home: Home, code_file: CodeFile) -> None:
    """Take the request back, by the tracking code."""
    code = _text(code_file, "--code-file")
    with open_home(home) as g:
        print_json(_plain(public_requests.withdraw(g, code)))


@app.command("code")
def issue_code(home: Home, record: Annotated[str, typer.Argument(metavar="ID", help="Id of the decision.")]) -> None:
    """Print a new access code of a decision, for its letter; an earlier one opens nothing any more."""
    with open_home(home) as g:
        print_json({"id": record, "code": access_codes.issue_code(g, record)})


@app.command("statistics")
def show_statistics(
    home: Home,
    first: Annotated[str, typer.Option(help="First day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option(help="Last day.")],
    as_json: AsJson = False,
) -> None:
    """Numbers and times of the requests that came in a period; small numbers stay closed."""
    with open_home(home, tolerant=True) as g:
        found = statistics.of_period(g, _day(first, "--first"), _day(last, "--last"))
    print_rows([plain(one) for one in found.rows], as_json=as_json)
    if not as_json:
        progress(
            f"an empty place is a number that is kept back: it is small (below {found.floor}), or tells a small one"
        )


def _reader(role: str, account: str | None) -> Reader:
    return Reader(reader_as(role).role, account)


def _text(path: Path, option: str) -> str:
    data = read_file(path, option)
    if len(data) > _MAX_FILE:
        raise UsageError(f"has more than {_MAX_FILE:,} bytes", field=option)
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise UsageError("is not UTF-8 text", field=option) from None


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError("must be a date, YYYY-MM-DD", field=option) from None


def _row(request: Request) -> dict[str, Any]:
    return {name: None if value is None else str(value) for name, value in _plain(request).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    found = plain(value)
    if isinstance(found, dict):
        return {name: _plain(one) for name, one in found.items()}
    return [_plain(one) for one in found] if isinstance(found, list) else found


def _print(request: Request) -> None:
    print_json(_plain(request))
