"""The content of one decision in the words of its version: for the pages on which staff and auditors read it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from auditlog.core.entries.record import parse_time
from auditlog.store import decisions as decision_store
from home.greffier import Greffier
from registry.manifest import InputField, Manifest
from registry.store import systems as register_store
from registry.values import Words
from reports.letter.context import Result, UsedValue
from service.records import corrections, reading


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A review as it was recorded. `notified`: the day on which the person was told."""

    day: date
    action: str
    decision: str
    reasons: str | None
    effect: str | None
    text: str | None
    notified: date | None


@dataclass(frozen=True, slots=True)
class Content:
    """What was put in, what came out, and what officers did with it, oldest first. `usage`: as it was recorded."""

    data: tuple[UsedValue, ...]
    result: Result
    reviews: tuple[Reviewed, ...]
    usage: dict[str, Any]


def content_of(g: Greffier, reader: reading.Reader, record_id: str, purpose: reading.Purpose) -> Content:
    """Open a decision for `reader`; the access is in the log when this returns. References of persons stay closed.

    Raises as `reading.open` does, and registry's UnknownVersion where the register lost the version.
    """
    return content(g, reading.open(g, reader, purpose, record_id))


def content(g: Greffier, record: reading.Record) -> Content:
    """The content of a decision that was opened just now. Raises registry's UnknownVersion."""
    members: Any = record.entry.members
    with g.reading() as conn:
        manifest = register_store.read_version(conn, members["system"], members["version"]).manifest
        ids = [row["id"] for row in decision_store.find_reviews(conn, record.entry.id)]
    output = cast("dict[str, Any]", record.values["output"] or {})
    return Content(
        data=used(manifest, record.values, corrections.of(g, record)),
        result=result_of(manifest, str(record.values["outcome"]), output),
        reviews=tuple(_reviewed(one) for one in reading.behind(g, record, ids)),
        usage=cast("dict[str, Any]", record.values.get("usage") or {}),
    )


def outcome_label(g: Greffier, system: str, version: int, code: str) -> Words | None:
    """An outcome in the words of its version; None for a reserved one."""
    with g.reading() as conn:
        outcome = register_store.read_version(conn, system, version).manifest.outcome(code)
    return None if outcome is None else outcome.label


def result_of(manifest: Manifest, code: str, output: Mapping[str, Any]) -> Result:
    """The outcome with its label, and what the steps after it wrote."""
    outcome = manifest.outcome(code)
    return Result(code=code, label=outcome.label if outcome else None, text=written_text(manifest, output))


def written_text(manifest: Manifest, output: Mapping[str, Any]) -> str | None:
    """What a system wrote after its first step, which chose the outcome; None where it wrote nothing."""
    written = [_written(output[step.output]) for step in manifest.steps[1:] if output.get(step.output) is not None]
    return "\n".join(filter(None, written)) or None


def used(manifest: Manifest, values: dict[str, Any], made: Sequence[corrections.Correction]) -> tuple[UsedValue, ...]:
    """Every declared field with the value that the system read, and what is right where it was corrected."""
    latest = {name: one for one in made for name in one.values}
    return tuple(_used_value(field, values, latest.get(f"in_{field.id}")) for field in manifest.fields)


def _written(value: Any) -> str:
    """A text as it stands; any other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _used_value(field: InputField, values: dict[str, Any], correction: corrections.Correction | None) -> UsedValue:
    name = f"in_{field.id}"
    return UsedValue(
        label=field.label,
        value=values[name],
        source=field.source,
        data_class=cast("Any", field.class_),
        words=field.words(values[name]),
        corrected=None if correction is None else parse_time(correction.time).date(),
        right=None if correction is None else correction.values[name],
    )


def _reviewed(review: reading.Record) -> Reviewed:
    values: Any = review.values
    return Reviewed(
        day=parse_time(review.entry.time).date(),
        action=values["action"],
        decision=values["decision"],
        reasons=values["reasons"],
        effect=values["effect"],
        text=values["text"],
        notified=date.fromisoformat(values["notified"]) if values["notified"] else None,
    )
