"""The command line: commands by subject, and the one table from errors to exit codes (DESIGN §6)."""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import typer
from typer.exceptions import Abort, TyperException

from auditlog.core.errors import (
    AuditLogError,
    CannotRecord,
    Erased,
    FormatError,
    Held,
    NotFound,
    VaultError,
    VerifyError,
)
from auditlog.core.formats.canonical import printable
from auditlog.peers.fetch import Unreachable
from casework.errors import CaseworkError
from casework.review import ReviewInvalid
from cli import (
    account,
    backup,
    classify,
    conversation,
    decide,
    decisions,
    duties,
    erase,
    evidence,
    exchange,
    explain,
    fitness,
    home,
    incident,
    invoice,
    log,
    log_import,
    log_keys,
    log_rotation,
    log_timestamp,
    lookup,
    notice,
    peers,
    questions,
    reconcile,
    record,
    replay,
    report,
    request,
    review,
    sample,
    system,
    tally,
    vault,
    witness,
)
from home.errors import AppError, Refused, SettingsError, Unfinished, UnknownRecord, UsageError
from registry.errors import FormatError as RegistryFormatError
from registry.errors import RegistryError
from reports.errors import ReportError, TwinError
from runtime.errors import RuntimeFault

OK, CHECK_FAILED, USAGE, REFUSED, CANNOT_RECORD = 0, 1, 2, 3, 4

# First match wins: subclasses stand before their bases.
EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (CannotRecord, CANNOT_RECORD),
    (Unreachable, CANNOT_RECORD),
    (Unfinished, CANNOT_RECORD),
    (Refused, REFUSED),
    (Erased, REFUSED),
    (Held, REFUSED),
    (ReviewInvalid, USAGE),
    (CaseworkError, REFUSED),
    (RegistryFormatError, USAGE),
    (RegistryError, REFUSED),
    (VerifyError, CHECK_FAILED),
    (FormatError, CHECK_FAILED),
    (NotFound, USAGE),
    (VaultError, CHECK_FAILED),
    (AuditLogError, USAGE),
    (UnknownRecord, USAGE),
    (SettingsError, USAGE),
    (UsageError, USAGE),
    (AppError, USAGE),
    (TwinError, CHECK_FAILED),
    (ReportError, USAGE),
    (RuntimeFault, REFUSED),
    (OSError, USAGE),
)

# What the library says of an option: in our words, and without the caller's, which may be a person's name.
_TYPER_WORDS: tuple[tuple[str, str], ...] = (
    (r"(unexpected extra argument\S*) \(.*", r"\1; put quotes around words that belong together"),
    (r"Value error, '.*' is not one of (.*)", r"must be one of \1"),
    (r"Input should be", "must be"),
)

# A command says in one line what went wrong; what the layers below noted on the way is for `serve`.
for _name in ("auditlog", "runtime"):
    logging.getLogger(_name).addHandler(logging.NullHandler())

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Greffier, the clerk of public-sector AI: register, recorded runtime, signed log, disclosures.",
)
home.add_commands(app)
decide.add_commands(app)
decisions.add_commands(app)
questions.add_commands(app)
record.add_commands(app)
lookup.add_commands(app)
conversation.add_commands(app)
erase.add_commands(app)
replay.add_commands(app)
explain.add_commands(app)
report.add_commands(app)
notice.add_commands(app)
evidence.add_commands(app)
reconcile.add_commands(app)
peers.add_commands(app)
backup.add_commands(app)
fitness.add_commands(system.app)
duties.add_commands(app)
classify.add_commands(app)
app.add_typer(incident.app, name="incident")
exchange.add_commands(system.app)
app.add_typer(account.app, name="account")
app.add_typer(system.app, name="system")
app.add_typer(system.models, name="model")
log_rotation.add_commands(log.app)
log_import.add_commands(log.app)
log_timestamp.add_commands(log.app)
log_keys.add_commands(log.app)
app.add_typer(invoice.app, name="invoice")
app.add_typer(log.app, name="log")
app.add_typer(vault.app, name="vault")
app.add_typer(witness.app, name="witness")
app.add_typer(sample.app, name="sample")
app.add_typer(tally.app, name="tally")
app.add_typer(request.app, name="request")
app.add_typer(review.app, name="reviews")


def _add_bench() -> None:
    """Measurements lie beside the product in a source checkout; an installed wheel has none, and says so."""
    checkout = Path(__file__).parents[1]
    if (checkout / "lab").is_dir():
        if str(checkout) not in sys.path:
            sys.path.append(str(checkout))
        import_module("lab.bench.command").add_commands(app)
        return

    @app.command("bench", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
    def bench() -> None:
        """Measure; in a source checkout only."""
        raise UsageError("needs a source checkout: an installed wheel does not carry the measurements", field="bench")


_add_bench()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with the contract's exit code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every error becomes one line on stderr and an exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = typer.main.get_command(app)
    try:
        _demand_streams()
        _demand_text(given)
        result = command.main(args=given, standalone_mode=False)
    except Abort:
        return USAGE
    except Exception as error:
        text = message(error)
        if text:
            sys.stderr.write(f"greffier: {text}\n")
        return exit_code(error)
    return result if isinstance(result, int) else OK


def exit_code(error: Exception) -> int:
    """The exit code of an error, by the table; an error that nobody foresaw leaves nothing, so it is tried again."""
    if isinstance(error, TyperException):
        return USAGE
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), CANNOT_RECORD)


def message(error: Exception) -> str:
    """One line that names field and fix. What a library or a bug raised is named by its place, never by its text."""
    if isinstance(error, TyperException):
        text = error.format_message()
        for pattern, instead in _TYPER_WORDS:
            text = re.sub(pattern, instead, text)
    elif isinstance(error, OSError):
        text = f"{error.filename or 'file'}: cannot be used: {error.strerror or type(error).__name__}"
    elif any(isinstance(error, kind) for kind, _ in EXIT_CODES):
        text = str(error)
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
        text = f"internal error ({place}); please report it. Nothing was released"
    return printable(" ".join(text.split()))


def _demand_streams() -> None:
    """A program may be started without them. Then there is no input, and an answer would be lost."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (open to the end, as they are)
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 (open to the end, as they are)
    if sys.stdout is None:
        raise UsageError("is closed: give the answer a place, such as `> FILE`", field="standard output")


def _demand_text(arguments: Sequence[str]) -> None:
    if any("\ud800" <= char <= "\udfff" for argument in arguments for char in argument):
        raise UsageError("holds bytes that are not UTF-8: give arguments in UTF-8", field="command line")
