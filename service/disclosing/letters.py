"""The letter that explains one result to its person: gathered from the record and what was written about it."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from typing import Any, cast

from auditlog.core.entries.record import parse_time
from auditlog.store import decisions as decision_store
from auditlog.store.record_events import find_about
from auditlog.vault.seal import SUBJECTS
from casework.days import objection_end
from home import calendar as days
from home.errors import Refused, UsageError
from home.greffier import Greffier
from registry.manifest import Manifest
from registry.publication import public_system
from registry.store import systems as register_store
from registry.system import AISystem
from reports.letter.context import AnsweredRequest, Basis, Evidence, Letter, OfficerDecision
from service.cases import access_codes
from service.deciding import ai_notice
from service.disclosing.report import agency_here, stamp_here
from service.explaining import explain
from service.records import blind_review, corrections, reading
from service.records.content import result_of, used
from service.systems import register

NOTICE = "notice/1"


def letter(
    g: Greffier, reader: reading.Reader, record_id: str, *, asked: AnsweredRequest | None = None, code: bool = False
) -> Letter:
    """The letter about one result. `asked`: the request that it answers. `code`: with a new access code for the person,
    which takes the place of any code before.

    Raises UnknownRecord, Erased, UsageError for a record of another kind, Refused where this reader is to judge the
    case first, and with `code`, since that one goes out, where a person has not decided yet; and what `reading.open`
    raises.
    """
    agency = agency_here(g)
    if reading.find(g, record_id).entry.kind != "decision/1":
        raise UsageError("only a decision can be explained in a letter", field="id")
    blind_review.demand_judged(g, reader, record_id)
    if code and blind_review.is_undecided(g, record_id):
        message = "nobody decided yet, and the letter says what came out: record the review first"
        raise Refused(message, reason="not_reviewed", field="id")
    record = reading.open(g, reader, "letter", record_id)
    members: Any = record.entry.members
    with g.reading() as conn:
        version = register_store.read_version(conn, members["system"], members["version"])
    today = days.today(g)
    system = public_system(register.show(g, members["system"]).system, today)
    manifest, outcome = version.manifest, str(record.values["outcome"])
    decision, explained = _officer_decision(g, record, today), explain.newest(g, record)
    basis, law = _basis(system, manifest, outcome, decision)
    notified = None if decision is None else decision.notified
    return Letter(
        agency=agency,
        reference=record_id,
        written=today,
        given=parse_time(record.entry.time).date(),
        system=system,
        version=version.version,
        url=ai_notice.system_url(g, system.slug),
        mode=members["mode"],
        result=result_of(manifest, outcome, cast("dict[str, Any]", record.values["output"])),
        held=manifest.release_of(outcome) == "after_review",
        data=used(manifest, record.values, corrections.of(g, record)),
        basis=basis,
        law=law,
        decision=decision,
        explanation=None if explained is None else explained.words,
        check_url=f"{g.settings.base_url}/check",
        index=record.index,
        log=stamp_here(g),
        evidence=Evidence(
            entry=f"sha256:{sha256(record.entry.data).hexdigest()}",
            manifest=str(members["manifest"]),
            model=None if manifest.model is None else f"sha256:{manifest.model.sha256}",
        ),
        asked=asked,
        told=_notified_on(g, record),
        objection_until=None if notified is None else objection_end(notified, agency.objection_weeks),
        code=access_codes.issue_code(g, record_id) if code else None,
        others=_others(record),
    )


def _basis(
    system: AISystem, manifest: Manifest, code: str, decision: OfficerDecision | None
) -> tuple[Basis, str | None]:
    """The one basis of a letter (CONTENT), with its law where that is one of the sector.

    A law of the sector comes first, then GDPR 15(1)(h) where an adverse result counts without a person, or the register
    names GDPR 22. AI Act 86 gives way to both (86(3)): an adverse result of a high-risk system of Annex III but point
    2, unless an officer decided otherwise; what took the exit of 6(3) is not high-risk. Then a duty to give reasons for
    what was decided, GDPR 15(1) where personal data went in, and else nothing obliges us.
    """
    laws = {basis.for_: f"{basis.law} {basis.article}" for basis in reversed(system.legal_basis)}
    outcome = manifest.outcome(code)
    decision = None if decision is not None and decision.action == "refer" else decision  # nobody decided yet
    overridden = decision is not None and decision.action == "override"
    adverse = outcome is not None and outcome.adverse and not overridden
    automated = adverse and decision is None and manifest.release_of(code) == "immediate"
    if "explanation" in laws:
        return "sector", laws["explanation"]
    if automated or "gdpr_22" in laws:
        return "gdpr_15_1_h", None
    points = system.classification.annex_iii if system.classification.exit_6_3 is None else ()
    if adverse and any(point != "III.2" for point in points):
        return "ai_act_86", None
    if decision is not None and "reasons" in laws:
        return "reasons", laws["reasons"]
    return ("gdpr_15_1" if any(field.class_ != "none" for field in manifest.fields) else "voluntary"), None


def _officer_decision(g: Greffier, record: reading.Record, today: date) -> OfficerDecision | None:
    """The latest review. A day of sending that is to come is none, nor that of a case passed on (`cases.notified`)."""
    with g.reading() as conn:
        reviews = decision_store.find_reviews(conn, record.entry.id)
    latest = reading.behind(g, record, [row["id"] for row in reviews[-1:]])
    if not latest:
        return None
    review = latest[0]
    values: Any = review.values
    notified = date.fromisoformat(values["notified"]) if values["notified"] else None
    return OfficerDecision(
        action=values["action"],
        decision=values["decision"],
        reasons=values["reasons"],
        reviewed=parse_time(review.entry.time).date(),
        notified=None if notified is None or notified > today or values["action"] == "refer" else notified,
        effect=values["effect"],
        sent=values["text"],
    )


def _notified_on(g: Greffier, record: reading.Record) -> date | None:
    """The first day on which the person was told of the system's use, by what was recorded of it."""
    with g.reading() as conn:
        ids = [row.id for row in find_about(conn, record.entry.id, NOTICE)]
    days = [date.fromisoformat(str(one.values["day"])) for one in reading.behind(g, record, ids)]
    return min(days, default=None)


def _others(record: reading.Record) -> int:
    subjects = record.values.get(SUBJECTS)
    return max(0, len(subjects) - 1) if isinstance(subjects, list) else 0
