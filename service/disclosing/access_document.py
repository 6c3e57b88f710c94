"""The access file of one person as a document: the same content as the file for machines, in words (GDPR 15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, cast

from home import calendar
from home.greffier import Greffier
from registry.store.systems import read_version
from reports.access_file.context import (
    AccessFile,
    Corrected,
    Decided,
    HeldRecord,
    HeldValue,
    Looked,
    PersonRequest,
    RequestStep,
    Words,
)
from service.cases.correction_requests import NOTE
from service.deciding.ai_notice import system_url
from service.disclosing import access_file
from service.disclosing.lookup import Reference
from service.disclosing.report import agency_here, stamp_here
from service.records.content import written_text
from service.records.reading import Reader
from service.systems import register

_DAY = 10


def access_document(g: Greffier, reader: Reader, reference: Reference) -> AccessFile:
    """The document; the access that it is itself is in the log first, and stands in it.

    Raises what `access_file.access_file` raises.
    """
    agency = agency_here(g)
    found: Any = access_file.access_file(g, reader, reference)
    names: dict[str, Words] = {}
    for one in found["records"]:
        names.setdefault(one["system"], register.show(g, one["system"]).system.name)
    return AccessFile(
        agency=agency,
        written=calendar.today(g),
        records=tuple(_record(g, one, names) for one in found["records"]),
        requests=tuple(_request(one) for one in found["requests"]),
        log=stamp_here(g),
    )


def _record(g: Greffier, one: Mapping[str, Any], names: Mapping[str, Words]) -> HeldRecord:
    """Without content there is none of its members."""
    here = one["content"] == "here"
    outcome = one.get("outcome")
    return HeldRecord(
        id=one["id"],
        day=_day(one["time"]),
        system=names[one["system"]],
        url=system_url(g, one["system"]),
        version=one["version"],
        here=here,
        restricted=one["restricted"],
        held=bool(one.get("held")),
        values=tuple(_value(value) for value in one.get("values", ())),
        outcome=None if outcome is None else _words_of(outcome),
        text=_text(g, one),
        others=one.get("other_persons", 0),
        decisions=tuple(_decided(review) for review in one.get("reviews", ())),
        explanations=tuple(_day(made["time"]) for made in one.get("explanations", ())),
        corrections=tuple(_corrected(made, one["values"]) for made in one.get("corrections", ())),
        accesses=_looked(one["accesses"]),
        log=one["log"],
        index=one["index"],
    )


def _words_of(outcome: Mapping[str, Any]) -> Words:
    """The label of an outcome; its code, for one that the version declares no words for."""
    return cast("Words", outcome["label"] or {"en": outcome["code"], "nl": outcome["code"]})


def _text(g: Greffier, one: Mapping[str, Any]) -> str | None:
    """What a system wrote: the texts of its later steps, or a turn of a conversation."""
    output = one.get("output")
    if isinstance(output, str):
        return output or None
    if not isinstance(output, dict):
        return None
    with g.reading() as conn:
        return written_text(read_version(conn, one["system"], one["version"]).manifest, output)


def _value(one: Mapping[str, Any]) -> HeldValue:
    label = one["label"] or {"en": one["field"], "nl": one["field"]}
    return HeldValue(label=label, value=one["value"], words=one["words"], source=one["source"])


def _decided(review: Mapping[str, Any]) -> Decided:
    return Decided(
        day=_day(review["time"]),
        action=review["action"],
        decision=review["decision"],
        reasons=review["reasons"],
        sent=review["text"],
    )


def _corrected(made: Mapping[str, Any], values: Sequence[Mapping[str, Any]]) -> Corrected:
    labels = {one["field"]: one["label"] for one in values}
    right = tuple((labels.get(name) or {"en": name, "nl": name}, value) for name, value in made["values"].items())
    return Corrected(day=_day(made["time"]), values=right, reasons=made["reasons"])


def _looked(accesses: Sequence[Mapping[str, Any]]) -> tuple[Looked, ...]:
    return tuple(Looked(day=_day(one["day"]), role=one["role"], purpose=one["purpose"]) for one in accesses)


def _request(one: Mapping[str, Any]) -> PersonRequest:
    steps = tuple(RequestStep(day=_day(step["day"]), step=step["step"], text=_said(step)) for step in one["steps"])
    return PersonRequest(steps=steps, accesses=_looked(one["accesses"]))


def _said(step: Mapping[str, Any]) -> str | None:
    """What somebody wrote; not the note that names a correction, which stands in words with its record."""
    text: str | None = step["text"]
    return None if text is not None and text.startswith(NOTE) else text


def _day(time: str) -> date:
    return date.fromisoformat(time[:_DAY])
