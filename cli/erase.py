"""`greffier erase`, `expire`, `tombstones`, `hold`, `correct`: content given up or kept for a reason, or put right."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from auditlog.core.entries.vocabulary import GROUNDS, ROLES
from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import parse_json
from cli.lookup import read_reference
from cli.options import Home, plain, print_json, read_file
from home.errors import UsageError
from service.erasing import erase, erasure_proof, expire, holds
from service.erasing.erase import Joint, Plan
from service.records import corrections
from service.records.reading import Reader
from service.wiring import open_home

_RECORD_HELP = "The record's id, as on the letter."
RecordId = Annotated[str, typer.Argument(metavar="ID", help=_RECORD_HELP)]
Ground = Annotated[str, typer.Option(help="Ground code (GDPR 17(1), or retention_expired).")]
Confirm = Annotated[str | None, typer.Option(metavar="CODE", help="The code of the preview: now it is done.")]
Role = Annotated[str, typer.Option("--as", metavar="ROLE", help="In which role it is ordered.")]


def add_commands(app: typer.Typer) -> None:
    """Register this file's commands."""
    for name, command in (
        ("erase", erase_one),
        ("expire", expire_due),
        ("tombstones", write_tombstones),
        ("hold", hold_one),
        ("correct", correct_one),
    ):
        app.command(name)(command)


def erase_one(
    home: Home,
    record_id: Annotated[str | None, typer.Argument(metavar="ID", help=_RECORD_HELP)] = None,
    ground: Ground = "",
    subject_file: Annotated[
        Path | None, typer.Option(help="A file with the reference of a person, instead of ID; - for standard input.")
    ] = None,
    joint: Annotated[str, typer.Option(help="keep or erase: records that concern others, too.")] = "keep",
    confirm: Confirm = None,
    role: Role = "administrator",
    verify: Annotated[bool, typer.Option("--verify", help="Prove that the record ID was erased here.")] = False,
) -> None:
    """Erase the content of a record, or of all records of a person; entries and proofs remain.

    Without --confirm: what would go and what would stay, and the code that confirms it.
    """
    if (record_id is None) == (subject_file is None):
        raise UsageError("name one record, or give the person's reference in a file", field="ID, --subject-file")
    if verify:
        if confirm is not None:
            raise UsageError("is for erasing; --verify only looks", field="--confirm")
        _verify(home, record_id)
        return
    _check_code(ground, GROUNDS, "--ground")
    _check_code(role, ROLES, "--as")
    _check_code(joint, ("keep", "erase"), "--joint")
    with open_home(home) as g:
        if subject_file is not None:
            reference = read_reference(subject_file, "--subject-file")
            reader = Reader(role, None) if confirm is None else None
            wanted: Joint = "erase" if joint == "erase" else "keep"
            plan = erase.plan_person(g, reference, ground=ground, joint=wanted, reader=reader)
            if confirm is not None and (confirm != plan.code or not plan.records):
                # No preview noted this one, and the answer tells whether there is a record.
                plan = erase.plan_person(g, reference, ground=ground, joint=wanted, reader=Reader(role, None))
        else:
            plan = erase.plan_record(g, str(record_id), ground=ground)
        if confirm is None:
            print_json(_preview(plan))
            return
        done = erase.confirm(g, plan, confirm, role=role)
    print_json({"erased": done.records, "tombstone": done.tombstone, "kept": sorted({*plan.held, *plan.joint})})


def expire_due(
    home: Home,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="What was due then; by default today.")] = None,
    confirm: Confirm = None,
    role: Role = "administrator",
) -> None:
    """Erase what is older than its system's retention period. Without --confirm: a preview and the code."""
    _check_code(role, ROLES, "--as")
    with open_home(home) as g:
        found = expire.plan(g, None if until is None else _day(until))
        if confirm is None:
            systems = {slug: day.isoformat() for slug, day in found.systems.items()}
            print_json({"recorded_until": systems, "without_period": [*found.unstated], **_preview(found.plan)})
            return
        done = erase.confirm(g, found.plan, confirm, role=role)
    print_json({"erased": done.records, "tombstone": done.tombstone, "kept": sorted(found.plan.held)})


def write_tombstones(
    home: Home,
    now: Annotated[bool, typer.Option("--now", help="Those of today as well, and a set that is the only one.")] = False,
) -> None:
    """Append the tombstones that are due: of records erased in a set, with the others of their day."""
    with open_home(home) as g:
        written = erase.write_tombstones(g, at_once=now)
    print_json({"tombstones": written})


def hold_one(
    home: Home,
    record_id: RecordId,
    ground: Annotated[str, typer.Option(help="legal_claim, restriction (GDPR 18), inquiry or archive.")],
    lift: Annotated[bool, typer.Option("--lift", help="End the hold on this ground.")] = False,
    note_file: Annotated[Path | None, typer.Option(help="A note, which is sealed; - for standard input.")] = None,
    role: Role = "administrator",
) -> None:
    """Keep a record's content: while a hold is in force it cannot be erased."""
    note = None if note_file is None else _text(read_file(note_file, "--note-file"), "--note-file")
    with open_home(home) as g:
        change = holds.lift if lift else holds.place
        hold_id = change(g, record_id, ground=ground, note=note, role=role)
        in_force = holds.in_force(g, record_id)
    print_json({"hold": hold_id, "record": record_id, "in_force": list(in_force)})


def correct_one(
    home: Home,
    record_id: RecordId,
    file: Annotated[Path, typer.Option("--from", help='JSON: {"values": {field: what is right}, "reasons": "…"}.')],
    role: Role = "administrator",
) -> None:
    """Record what is right where a record is wrong (GDPR 16); the record itself stays."""
    try:
        given = parse_json(read_file(file, "--from"))
    except FormatError as error:
        raise UsageError(f"{error}; correct the file", field="--from") from None
    values, reasons = corrections.parse(given)
    with open_home(home) as g:
        correction = corrections.correct(g, record_id, values, reasons, role=role)
    print_json({"correction": correction, "record": record_id})


def _verify(home: Path, record_id: str | None) -> None:
    if record_id is None:
        raise UsageError("name the record", field="ID")
    with open_home(home, tolerant=True) as g:
        found = erasure_proof.verify(g, record_id)
    print_json({**plain(found), "gone": found.gone})
    raise typer.Exit(0 if found.gone else 1)


def _preview(plan: Plan) -> dict[str, Any]:
    """What a person decides upon. Ids only: who the records are about stays in the vault."""
    return {
        "would_erase": [*plan.records],
        "ground": plan.ground,
        "held": {record: [*grounds] for record, grounds in plan.held.items()},
        "concern_others": [*plan.joint],
        "rows": dict(plan.rows),
        "reviews_accesses_holds_corrections": plan.about,
        "keys": len(plan.records) + plan.about,
        "remain": ["entry", "proof", "counts", "tombstone with ground and role"],
        "confirm": plan.code if plan.records else None,
    }


def _check_code(code: str, codes: tuple[str, ...], option: str) -> None:
    if code not in codes:
        raise UsageError(f"must be one of {', '.join(codes)}", field=option)


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise UsageError("must be a date, YYYY-MM-DD", field="--until")
    return day


def _text(data: bytes, option: str) -> str:
    """A text file's content, without the line end that an editor leaves."""
    try:
        return data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise UsageError("is not UTF-8 text: save it as UTF-8", field=option) from None
