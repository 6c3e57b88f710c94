"""The offline verifier: `python -m auditlog verify|audit|consistency|policy|gaps`.

Needs neither our server nor our database: it imports the standard library, `cryptography` and this folder.
Exit status: 0 what was asked holds; 1 it does not; 2 the question could not be asked (usage, no such file, bad keys).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from auditlog.core.checking import verifier
from auditlog.core.checking.policy_text import explain_policy
from auditlog.core.errors import AuditLogError, FormatError, NotPublished
from auditlog.core.formats.canonical import printable
from auditlog.core.formats.keyring import KeyRing, parse_key_ring
from auditlog.core.formats.policy import Policy, parse_policy

HOLDS, FAILS, USAGE = 0, 1, 2


class _UsageError(Exception):
    """What was asked for cannot be looked at."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if getattr(options, "max_age", None) is not None and options.policy is None:
        parser.error("--max-age needs --policy: only witnesses say how old a checkpoint is")
    try:
        facts, lines = _run(options)
    except _UsageError as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return USAGE
    except AuditLogError as error:
        return _fail(error, as_json=options.json)
    print(json.dumps({"ok": True, **facts}, indent=2) if options.json else printable("\n".join(lines)))
    return HOLDS


def _run(options: argparse.Namespace) -> verifier.Report:
    if options.command == "gaps":
        return verifier.list_gaps(_folder(options.folder), _parse_reached(options.reached))
    if options.command == "policy":
        note = None if options.checkpoint is None else _read(options.checkpoint)
        return explain_policy(_read_policy(options.file), note)
    trust = _read_trust(options.vkey, options.policy)
    if options.command == "verify":
        now = int(time.time())
        return verifier.check_receipt(_read(options.receipt), trust, max_age=options.max_age, now=now)
    if options.command == "consistency":
        return verifier.check_consistency(_read(options.checkpoint), _folder(options.folder), trust)
    return verifier.check_logs([_folder(one) for one in options.folder], trust, strict=not options.hashes_only)


def _fail(error: AuditLogError, *, as_json: bool) -> int:
    facts: verifier.Facts = {"ok": False}
    where = ""
    if isinstance(error, verifier.InFolderError):
        where, facts["folder"] = f" in {error.folder}", str(error.folder)
        error = error.error
    text = str(error)
    facts |= {"place": text.partition(": ")[0], "error": text}
    if isinstance(error, NotPublished):
        facts["verdict"] = verifier.NOT_YET
    if isinstance(error, verifier.ForkError):
        facts |= error.facts
    print(json.dumps(facts, indent=2) if as_json else printable(f"FAILED{where}: {text}"))
    return FAILS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="auditlog", description="Check receipts and exported logs, offline.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    verify = commands.add_parser("verify", help="check one receipt", allow_abbrev=False)
    verify.add_argument("receipt", type=Path, metavar="RECEIPT", help="a .receipt.json file")
    verify.add_argument(
        "--max-age", type=_seconds, metavar="SECONDS", help="refuse what the witnesses cosigned longer ago than this"
    )
    audit = commands.add_parser("audit", help="check whole logs", allow_abbrev=False)
    audit.add_argument(
        "folder", type=Path, nargs="+", metavar="DIR", help="an exported log, or several that continue each other"
    )
    audit.add_argument("--hashes-only", action="store_true", help="leave out the reading of each entry")
    grown = commands.add_parser("consistency", help="check that a log only grew", allow_abbrev=False)
    grown.add_argument("checkpoint", type=Path, metavar="OLD_CHECKPOINT", help="a signed checkpoint kept from earlier")
    grown.add_argument("folder", type=Path, metavar="DIR", help="an exported log")
    for command in (verify, audit, grown):
        _add_trust(command)
    policy = commands.add_parser("policy", help="explain a policy file", allow_abbrev=False)
    policy.add_argument("file", type=Path, metavar="FILE", help="a policy (c2sp.org/tlog-policy)")
    policy.add_argument(
        "checkpoint", type=Path, nargs="?", metavar="CHECKPOINT", help="a signed checkpoint to hold against it"
    )
    gaps = commands.add_parser("gaps", help="list what a log does not account for", allow_abbrev=False)
    gaps.add_argument("folder", type=Path, metavar="DIR", help="an exported log")
    gaps.add_argument(
        "--reached",
        action="append",
        default=[],
        metavar="SOURCE=N",
        help="what a source's own counter says; repeatable",
    )
    for command in (verify, audit, grown, policy, gaps):
        command.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def _add_trust(command: argparse.ArgumentParser) -> None:
    command.add_argument("--vkey", type=Path, metavar="FILE", help="the log's verifier keys, from a source you trust")
    command.add_argument(
        "--policy", type=Path, metavar="FILE", help="keys of logs and witnesses, and who must have cosigned"
    )


def _parse_reached(texts: list[str]) -> dict[str, int]:
    from auditlog.core.checking.sources import parse_reached  # noqa: PLC0415  (verify starts faster without)

    try:
        return parse_reached(texts)
    except FormatError as error:
        raise _UsageError(f"--reached {error}") from None


def _seconds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise argparse.ArgumentTypeError("must be a whole number of seconds")
    return int(text)


def _read_trust(vkey: Path | None, policy: Path | None) -> verifier.Trust:
    """Keys, policy or both. What both say of a log must be the same."""
    if vkey is None and policy is None:
        raise _UsageError("give --vkey FILE or --policy FILE, from a source that you trust")
    ring = None if vkey is None else _read_ring(vkey)
    if policy is None or ring is None:
        known = None if policy is None else _read_policy(policy)
        ring = ring or (known.logs if known else KeyRing(()))
        if not ring.keys:
            raise _UsageError(f"{policy}: names no log: give the log's keys with --vkey")
        return verifier.Trust(ring, known)
    known = _read_policy(policy)
    for origin in known.logs.origins:
        if origin in ring.origins and set(ring.of(origin).keys) != set(known.logs.of(origin).keys):
            raise _UsageError(
                f"{vkey} and {policy} give different keys for {origin}: one of them is out of date or false"
            )
    more = [key for key in known.logs.keys if key.vkey.name not in ring.origins]
    return verifier.Trust(KeyRing((*ring.keys, *more)), known)


def _read_ring(path: Path) -> KeyRing:
    try:
        return parse_key_ring(_read(path).decode("utf-8"), name=path.name)
    except UnicodeDecodeError as error:
        raise _UsageError(f"{path.name}: is not UTF-8 text") from error
    except FormatError as error:
        raise _UsageError(str(error)) from error


def _read_policy(path: Path) -> Policy:
    try:
        return parse_policy(_read(path))
    except FormatError as error:
        raise _UsageError(f"{path.name}: {error}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise _UsageError(f"{path}: is no folder")
    return path


if __name__ == "__main__":
    sys.exit(main())
