"""Doing what a request for correction asks (GDPR 16): a detail of its record, what is right, and why.

Correction and step of the request are one unit of the log: of two officers one is told to look again, and neither
leaves half of it. The record itself stays as it was (`records.corrections`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import Json, parse_json
from auditlog.writing.log import Sequenced, Unit
from casework.errors import StepRefused, TakenMeanwhile
from casework.request import Request
from home import calendar
from home.errors import UsageError
from home.greffier import Greffier
from registry.manifest import InputField, Manifest
from registry.store import systems as register_store
from registry.values import Words as Label
from service.cases import officer_requests, request_steps
from service.cases.request_steps import Words
from service.records import corrections, reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

OUTCOME: Final = "outcome"
MAX_VALUE: Final = 10_000
# Begins the sealed note of the step: what follows is the id of the correction's entry.
NOTE: Final = f"{corrections.KIND} "


@dataclass(frozen=True, slots=True)
class Correctable:
    """A detail of the record that can be corrected. `label` None: what came out; `values`: those that the version
    declares, with their words, where it declares any; `whole`: it is a whole number."""

    id: str
    label: Label | None
    values: tuple[tuple[str, Label], ...]
    whole: bool


def correctable(g: Greffier, request: Request) -> tuple[Correctable, ...]:
    """What of the record of a request can be corrected, by the version that gave it; nothing of its content is read."""
    manifest = _manifest(g, request)
    if manifest is None:
        return ()
    shown = [
        Correctable(
            one.id,
            one.label,
            tuple((value.value, value.label) for value in one.values or () if isinstance(value.value, str)),
            _kind(one) == "integer",
        )
        for one in manifest.fields
    ]
    outcomes = tuple((one.code, one.label) for one in manifest.outcomes)
    return (*shown, Correctable(OUTCOME, None, outcomes, whole=False))


def correct(
    g: Greffier,
    reader: reading.Reader,
    request_id: str,
    *,
    version: int,
    field: str,
    value: str,
    reasons: str,
    systems: Sequence[str] | None = None,
) -> Request:
    """Record what is right, as a person typed it, and that this was done for the request.

    `field`: an id of `correctable`. A value that the version has words for may be given in these words. Raises
    UsageError that names field, value, reasons or reference, StepRefused, TakenMeanwhile, Refused, UnknownRecord,
    Erased, NotFound where the content is kept elsewhere, CannotRecord.
    """
    officer_requests.demand_acting(reader)
    request = officer_requests.find(g, request_id, systems)
    if request.version != version:
        raise TakenMeanwhile("somebody else took a step meanwhile: look at the request again", field="version")
    if request.right != "correct":
        raise StepRefused("does not ask for a correction", field="right")
    manifest = _manifest(g, request)
    if manifest is None or request.reference is None:
        raise UsageError("is not known yet: say first which record this request is about", field="reference")
    if request.identity not in ("code", "checked"):
        raise UsageError("is not known to be this person's: make sure first who asks", field="reference")
    if not reasons.strip() or len(reasons) > corrections.MAX_REASONS:
        raise UsageError(f"must be a text of 1 to {corrections.MAX_REASONS} characters", field="reasons")
    right = _value_of(manifest, field, value)
    made = corrections.prepare(g, request.reference, {field: right}, reasons, role=reader.role)
    account = reader.account or reader.role
    step = request_steps.prepare(
        g, request, "assigned", calendar.today(g), Words(text=NOTE + made.entry.id), account=account
    )

    def write(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        made.write(conn, sequenced[0])
        step.write(conn, sequenced[1])

    g.log.append(Unit((made.entry, step.entry), write)).result()
    return step.request


def _value_of(manifest: Manifest, field: str, text: str) -> Json:
    """The value that somebody typed, in the type that the version declares. Raises UsageError, which repeats nothing.

    One that the version does not allow is taken: what is right may be just what nobody thought of.
    """
    declared = next((one for one in manifest.fields if one.id == field), None)
    if declared is None and field != OUTCOME:
        raise UsageError("is none that the record has: choose one of the list", field="field")
    if not text.strip() or len(text) > MAX_VALUE:
        raise UsageError(f"must be a text of 1 to {MAX_VALUE} characters", field="value")
    if declared is None:
        said = [(one.code, one.label) for one in manifest.outcomes]
        found = next((code for code, label in said if _means(text, code, label)), None)
        if found is None:
            raise UsageError(f"must be one of {', '.join(code for code, _ in said)}", field="value")
        return found
    for known in declared.values or ():
        if _means(text, known.value, known.label):
            right: Json = known.value
            return right
    return text if _kind(declared) == "string" else _typed(declared, text)


def _typed(declared: InputField, text: str) -> Json:
    kind = _kind(declared)
    try:
        value = parse_json(text.encode())
    except FormatError:
        raise UsageError(f"must be of the type {kind}, as in JSON", field="value") from None
    if kind is not None and type(value) is not _TYPES.get(kind):
        raise UsageError(f"must be of the type {kind}, as in JSON", field="value")
    return value


_TYPES: Final[dict[str, type]] = {"integer": int, "boolean": bool, "array": list, "object": dict}


def _kind(declared: InputField) -> str | None:
    schema = declared.schema
    return cast("str | None", schema.get("type")) if isinstance(schema, dict) else None


def _means(text: str, value: Json, label: Label) -> bool:
    folded = text.strip().casefold()
    return folded in {one.casefold() for one in (*label.values(), *([value] if isinstance(value, str) else []))}


def _manifest(g: Greffier, request: Request) -> Manifest | None:
    """The version that gave the record of a request."""
    if request.reference is None:
        return None
    members = reading.find(g, request.reference).entry.members
    with g.reading() as conn:
        found = register_store.read_version(conn, str(members["system"]), cast("int", members["version"]))
    return found.manifest
