"""What people are told of a system: the sheets to give, and the record that they were given (AI Act 26(7), 26(11), 50).

That a notice was given stands in the log with the duty that asks for it. To whom is committed: to which result it
belongs hints at a person. Such an entry is about its record, and its content goes with that.
"""

from __future__ import annotations

import uuid
from datetime import date
from typing import TYPE_CHECKING, Final

from auditlog.core.entries.vocabulary import NOTICE_DUTIES
from auditlog.core.errors import Erased, FormatError
from auditlog.core.formats.canonical import Json
from auditlog.store import log as log_store
from auditlog.store import record_events as about_store
from auditlog.vault.holds import demand_holdable
from auditlog.writing.log import Sequenced, Unit
from home import calendar
from home.errors import KeyConflict, UsageError
from home.greffier import Greffier
from registry.publication import public_system
from reports.law import LawAsks
from reports.notice_50.context import Article50, Shown, Sort
from reports.notice_decision.context import NoticePage, notice_of
from reports.notice_workers.context import WorkerNotice
from service.deciding import idempotency
from service.deciding.ai_notice import system_url
from service.disclosing.report import agency_here, newest_version
from service.records import reading
from service.systems import duties, register

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from registry.duties import Duty
    from registry.system import AISystem

KIND: Final = "notice/1"
AFFECTED: Final = "affected_person"
CHANNELS: Final = ("post", "email", "web", "counter", "phone", "meeting", "poster")
"""How a notice is given; committed, hence in no member of the entry."""
MAX_TEXT: Final = 20_000
# Notice of Article 50 → the duty that asks for it.
_DUTY_OF: Final[dict[Sort, str]] = {
    "talks": "50.1",
    "marking": "50.2",
    "emotion_or_biometric": "50.3",
    "deep_fake": "50.4.image",
    "public_text": "50.4.text",
}


def decision_notice(g: Greffier, slug: str, record_id: str | None = None) -> NoticePage:
    """The sheet for people about whom a system helps to decide; with the reference of one result, or without.

    Raises UnknownSystem, UsageError where the register has no words for it.
    """
    system, agency = _shown(g, slug), agency_here(g)
    notice = notice_of(system, url=system_url(g, slug), phone=agency.phone, reference=record_id)
    if notice is None:
        raise UsageError("has no words for a notice: fill in notice in its register file", field="system.notice")
    known = _duties(g, slug)
    return NoticePage(agency=agency, notice=notice, written=calendar.today(g), law=_asks(known["26.11"]))


def worker_notice(g: Greffier, slug: str) -> WorkerNotice:
    """What workers and their representatives are told before a system comes to their work. Raises UnknownSystem."""
    system, version = _shown(g, slug), register.show(g, slug).version or newest_version(g, slug)
    return WorkerNotice(
        agency=agency_here(g),
        system=system,
        url=system_url(g, slug),
        written=calendar.today(g),
        starts=system.first_use,
        data=() if version is None else tuple(field.label for field in version.manifest.fields),
        law=_asks(_duties(g, slug)["26.7"]),
    )


def article_50(g: Greffier, slug: str) -> Article50:
    """The notices of Article 50 that a system needs, by the facts of its use. Raises UnknownSystem."""
    system, known = _shown(g, slug), _duties(g, slug)
    asked = [(sort, known[duty]) for sort, duty in _DUTY_OF.items()]
    owner = system.owner
    return Article50(
        agency=agency_here(g),
        system=system.name,
        url=system_url(g, slug),
        check_url=f"{g.settings.base_url}/check",
        written=calendar.today(g),
        notices=tuple(Shown(sort=sort, law=_asks(duty)) for sort, duty in asked if duty.applies in ("yes", "not_yet")),
        unknown=any(duty.applies == "unknown" for _, duty in asked),
        responsible=f"{owner.unit} ({owner.contact})",
    )


def given(
    g: Greffier,
    slug: str,
    *,
    duty: str,
    channel: str,
    day: date,
    reference: str | None = None,
    text: str | None = None,
    key: idempotency.Key | None = None,
) -> str:
    """Record that a notice was given; returns the id of the entry.

    `reference`: the result that it belongs to, demanded for `affected_person` and for no other duty. `text`: what was
    said, where it was not the notice of the version. The same notice under the same `key` is recorded once.

    Raises UnknownSystem, UnknownRecord, Erased, UsageError, KeyConflict.
    """
    _demand_sense(g, duty, channel, day, text)
    register.show(g, slug)
    if (reference is not None) != (duty == AFFECTED):
        raise UsageError(f"is given for {AFFECTED}, and for no other duty", field="reference")
    if reference is not None:
        _demand_result(g, slug, reference)
    content: dict[str, Json] = {"reference": reference, "channel": channel, "day": day.isoformat(), "text": text}
    notice_id = str(uuid.uuid4()) if key is None else _id_of(g, key)
    if key is not None and _is_recorded(g, key, notice_id, (slug, duty), content):
        return notice_id
    prepared = g.vault.prepare(notice_id, content)
    entry = g.make(KIND, id=notice_id, system=slug, duty=duty, commitments=prepared.commitments)

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        if reference is not None:
            demand_holdable(conn, g.ledger, reference)
        prepared.insert(conn)
        about_store.insert_about(conn, about_store.about_from(entry, content, sequenced[0].place))

    try:
        g.log.append(Unit((entry,), rows)).result()
    except FormatError:
        # The same request, at the same moment, was the first.
        if key is None or not _is_recorded(g, key, notice_id, (slug, duty), content):
            raise
    return notice_id


def _id_of(g: Greffier, key: idempotency.Key) -> str:
    """The id that a notice under a key has: nobody can tell it without the installation's key."""
    return str(uuid.UUID(bytes=g.vault.key_tag(f"notice {key.scope}", key.text)[:16], version=4))


def _is_recorded(
    g: Greffier, key: idempotency.Key, notice_id: str, about: tuple[str, str], content: dict[str, Json]
) -> bool:
    """Whether this notice is in the log already. `about`: its system and duty.

    Raises KeyConflict where another one has its key, Erased.
    """
    with g.reading() as conn:
        if log_store.find_entry(conn, notice_id) is None:
            return False
    recorded = next(iter(reading.recount(g, [notice_id])), None)
    if recorded is None:
        raise Erased("the record was erased, and this notice with it", field="id")
    members = recorded.entry.members
    if (members["system"], members["duty"]) != about or recorded.values != content:
        message = "was used before with another request: send a new key with a new request"
        raise KeyConflict(message, field=key.field)
    return True


def _demand_sense(g: Greffier, duty: str, channel: str, day: date, text: str | None) -> None:
    if duty not in NOTICE_DUTIES:
        raise UsageError(f"must be one of {', '.join(NOTICE_DUTIES)}", field="duty")
    if channel not in CHANNELS:
        raise UsageError(f"must be one of {', '.join(CHANNELS)}", field="channel")
    if day > calendar.today(g):
        raise UsageError("lies in the future: record a notice once it was given", field="day")
    if text is not None and not 0 < len(text.strip()) <= MAX_TEXT:
        raise UsageError(f"must be a text of 1 to {MAX_TEXT} characters", field="text")


def _demand_result(g: Greffier, slug: str, reference: str) -> None:
    entry = reading.find_live(g, reference).entry
    if entry.kind != "decision/1" or entry.members["system"] != slug:
        raise UsageError("must be a result of this system", field="reference")


def _shown(g: Greffier, slug: str) -> AISystem:
    """The record as anyone may see it: a notice goes to people."""
    return public_system(register.show(g, slug).system, calendar.today(g))


def _duties(g: Greffier, slug: str) -> dict[str, Duty]:
    return {one.id: one for one in duties.of_system(g, slug, public=True).duties}


def _asks(duty: Duty) -> LawAsks:
    """The paragraph behind a duty; its number is the duty's own, as `26.11` or `50.4.text`."""
    article, paragraph, *_ = duty.id.split(".")
    begins = duty.begins
    return LawAsks(
        article=int(article),
        paragraph=int(paragraph),
        applies=duty.applies,
        day=None if begins is None else begins.day,
        contested=begins is not None and begins.contested,
    )
