"""The access file of a person: what is held of them, what was decided, who looked, receipts to check it (GDPR 15).

References of other persons in the same record are counted, not named; who looked is named by role, purpose and day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from auditlog.core.entries.receipt import Receipt, format_receipt
from auditlog.core.entries.vocabulary import INPUT_PREFIX
from auditlog.core.formats.canonical import Json, parse_json
from auditlog.store import decisions as decision_store
from auditlog.store import record_events as about_store
from auditlog.store.explanations import EXPLANATION
from auditlog.store.record_events import About
from auditlog.vault.holds import RESTRICTION, in_force
from auditlog.vault.seal import SUBJECTS
from home.greffier import Greffier
from registry.manifest import Manifest
from registry.store import systems as register_store
from service.cases import request_texts
from service.disclosing import lookup
from service.disclosing.lookup import Reference
from service.proving import receipts
from service.records import corrections, query, reading, release
from service.records.reading import Found, Reader, Record

if TYPE_CHECKING:
    from sqlalchemy import Connection

FORMAT: Final = "greffier-access-file/1"
_EXPLANATION: Final = ("verdict", "reasons", "statement")
_REVIEW: Final = ("action", "decision", "reasons", "text", "effect", "notified")


def access_file(g: Greffier, reader: Reader, reference: Reference) -> dict[str, Json]:
    """The file as JSON: `records` in the order of the log. The access that it is itself stands in it.

    Raises UsageError for a reference that cannot be normalised, and what `reading.open_many` raises.
    """
    found = lookup.find(g, reference)
    opened = lookup.opened(g, reader, "access_file", reference, found)
    stamp = query.stamp(g)
    return {
        "format": FORMAT,
        "agency": g.settings.agency if g.profile is None else cast("Json", dict(g.profile.names)),
        "made": g.clock().date().isoformat(),
        "log": {"origin": stamp.origin, "size": stamp.size, "root": stamp.root},
        "records": [_record(g, one, opened[one.entry.id]) for one in found if one.entry.id in opened],
        "requests": [_request(g, reader, one) for one in lookup.find_requests(g, reference)],
    }


def _request(g: Greffier, reader: Reader, found: Found) -> dict[str, Json]:
    """What the person asked, and what came of it; who took a step is named by nothing but its being ours."""
    story = request_texts.open_story(g, reader, found.entry.id, purpose="access_file")
    with g.reading() as conn:
        about = about_store.find_about(conn, found.entry.id)
    return {
        "id": found.entry.id,
        "log": found.log,
        "index": found.index,
        "contact": dict(story.contact),
        "steps": [
            {"step": one.step, "day": one.day.isoformat(), "ground": one.ground, "text": one.text}
            for one in story.steps
        ],
        "accesses": _accesses(about),
    }


def _record(g: Greffier, found: Found, record: Record | None) -> dict[str, Json]:
    """One record; without content where its sender kept it."""
    entry, members = found.entry, found.entry.members
    with g.reading() as conn:
        about = about_store.find_about(conn, entry.id)
    shown: dict[str, Json] = {
        "id": entry.id,
        "log": found.log,
        "index": found.index,
        "time": entry.time,
        "system": members["system"],
        "version": members["version"],
        "mode": members.get("mode"),
        "capture": members.get("capture"),
        "content": "here" if record is not None else "kept by its sender",
        "restricted": RESTRICTION in in_force(about),
        "accesses": _accesses(about),
    }
    if record is None:
        return shown | {"receipt": _as_json(receipts.receipt(g, entry.id, openings=None))}
    return shown | _content(g, record) | {"receipt": _as_json(receipts.receipt_of(g, record, to_person=True))}


def _content(g: Greffier, record: Record) -> dict[str, Json]:
    with g.reading() as conn:
        manifest = _manifest(conn, record)
        explained = [row.id for row in about_store.find_about(conn, record.entry.id, EXPLANATION)]
        reviews = [str(row["id"]) for row in decision_store.find_reviews(conn, record.entry.id)]
    # It goes to the person, who is told of a decision by the decision: until then it stays with the officer.
    held, values = not release.may_be_shown(g, record), _content_of(record)
    subjects = values.get(SUBJECTS)
    return {
        "values": _values(manifest, values),
        "held": held,
        "outcome": None if held or "outcome" not in values else _outcome(manifest, values),
        "output": None if held else values.get("output"),
        "other_persons": max(0, len(subjects) - 1) if isinstance(subjects, list) else 0,
        # These say what the result was, and wait with it.
        "reviews": [] if held else [_review(one) for one in reading.behind(g, record, reviews)],
        "explanations": [] if held else [_explanation(one) for one in reading.behind(g, record, explained)],
        "corrections": [
            {
                "time": one.time,
                "values": {name.removeprefix(INPUT_PREFIX): value for name, value in one.values.items()},
                "reasons": one.reasons,
            }
            for one in corrections.of(g, record)
        ],
    }


def _content_of(record: Record) -> Mapping[str, Json]:
    """The values of a record; of a stream that came to no decision, what it had reached, under the same names."""
    reached = record.values.get("reached")
    if record.entry.kind != "unfinished/1" or not isinstance(reached, dict):
        return record.values
    given = cast("dict[str, Json]", reached.get("input", {}))
    fields = {f"{INPUT_PREFIX}{name}": value for name, value in given.items()}
    return {**fields, "output": reached.get("output"), SUBJECTS: reached.get(SUBJECTS, [])}


def _values(manifest: Manifest, values: Mapping[str, Json]) -> list[Json]:
    """What went in, with the words that the register has for it; a field that no register declares keeps its name."""
    labels = {f"{INPUT_PREFIX}{one.id}": one for one in manifest.fields}
    shown: list[Json] = []
    for name in sorted(values):
        if not name.startswith(INPUT_PREFIX):
            continue
        declared = labels.get(name)
        words: Any = None if declared is None else declared.words(values[name])
        shown.append(
            {
                "field": name.removeprefix(INPUT_PREFIX),
                "label": None if declared is None else dict(declared.label),
                "source": None if declared is None else cast("Json", declared.source),
                "value": values[name],
                "words": None if words is None else dict(words),
            }
        )
    return shown


def _outcome(manifest: Manifest, values: Mapping[str, Json]) -> Json:
    code = str(values["outcome"])
    declared = manifest.outcome(code)
    return {"code": code, "label": None if declared is None else dict(declared.label)}


def _review(review: Record) -> Json:
    return {"time": review.entry.time} | {name: review.values[name] for name in _REVIEW}


def _explanation(one: Record) -> Json:
    return {"id": one.entry.id, "time": one.entry.time} | {name: one.values[name] for name in _EXPLANATION}


def _manifest(conn: Connection, record: Record) -> Manifest:
    members = record.entry.members
    return register_store.read_version(conn, str(members["system"]), cast("int", members["version"])).manifest


def _accesses(about: list[About]) -> list[Json]:
    return [{"day": row.minute[:10], "role": row.role, "purpose": row.code} for row in _of(about, "access/1")]


def _of(about: list[About], kind: str) -> list[About]:
    return [row for row in about if row.kind == kind]


def _as_json(receipt: Receipt) -> Json:
    return parse_json(format_receipt(receipt))
