"""The command line: commands by subject, and the one table from errors to exit codes (DESIGN §6)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
import typer

from app.cli import decide, decisions, home, log, report, system
from app.errors import AppError, Refused, SettingsError, Unfinished, UnknownRecord, UsageError
from auditlog.errors import AuditLogError, CannotRecord, Erased, FormatError, NotFound, VaultError, VerifyError
from registry.errors import FormatError as RegistryFormatError
from registry.errors import RegistryError
from reports.errors import ReportError
from runtime.errors import RuntimeFault

OK, CHECK_FAILED, USAGE, REFUSED, CANNOT_RECORD = 0, 1, 2, 3, 4

# First match wins: subclasses stand before their bases.
EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (CannotRecord, CANNOT_RECORD),
    (Unfinished, CANNOT_RECORD),
    (Refused, REFUSED),
    (Erased, REFUSED),
    (RegistryFormatError, USAGE),
    (RegistryError, REFUSED),
    (VerifyError, CHECK_FAILED),
    (FormatError, CHECK_FAILED),
    (NotFound, USAGE),
    (VaultError, CHECK_FAILED),
    (AuditLogError, CHECK_FAILED),
    (UnknownRecord, USAGE),
    (SettingsError, USAGE),
    (UsageError, USAGE),
    (AppError, USAGE),
    (ReportError, USAGE),
    (RuntimeFault, REFUSED),
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Greffier, the clerk of public-sector AI: register, recorded runtime, signed log, disclosures.",
)
home.add_commands(app)
decide.add_commands(app)
decisions.add_commands(app)
report.add_commands(app)
app.add_typer(system.app, name="system")
app.add_typer(system.models, name="model")
app.add_typer(log.app, name="log")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with the contract's exit code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors of our families become one line on stderr and an exit code."""
    command = typer.main.get_command(app)
    try:
        result = command.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except click.exceptions.Abort:
        return USAGE
    except click.ClickException as error:
        error.show()
        return USAGE
    except tuple(kind for kind, _ in EXIT_CODES) as error:
        sys.stderr.write(f"greffier: {error}\n")
        return exit_code(error)
    return result if isinstance(result, int) else OK


def exit_code(error: Exception) -> int:
    """The exit code of an error, by the table."""
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))
