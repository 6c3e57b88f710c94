"""Statements of the agency about itself and its systems: what is logged, accessibility, instructions, the assessment of
Article 27, and incidents. Each gathers the context of one document; `reports` renders them."""

from __future__ import annotations

from datetime import date
from typing import Any, Final, cast

from auditlog.core.entries.record import parse_time
from auditlog.core.errors import AuditLogError
from auditlog.core.formats.note import format_vkey
from auditlog.core.formats.policy import Policy
from home import policy_file
from home.errors import AppError, Refused, UsageError
from home.greffier import Greffier
from home.settings import read_accessibility
from registry.canonical import Json
from registry.incident import DAYS
from registry.manifest import InputField, SystemVersion
from registry.publication import is_public, public_system
from registry.store import systems as register_store
from registry.system import AISystem
from reports.accessibility.context import Accessibility, NotAccessible
from reports.fria.context import FriaPage
from reports.incident.context import IncidentFacts, IncidentPage, ToTell
from reports.incident_report.context import IncidentReport
from reports.instructions.context import InputSpec, Instructions, VersionChange
from reports.logging_statement.context import LoggedSystem, LoggingStatement, Witness
from service.deciding import ai_notice
from service.disclosing import report
from service.logs import timestamp
from service.records import reading
from service.systems import incidents, register, test_summary
from service.systems.incidents import Incident, IncidentFile

KINDS: Final[dict[str, tuple[str, ...]]] = {
    "log": ("genesis/1", "freeze/1", "rotation/1", "boot/1", "close/1", "pulse/1", "outage/1", "selftest/1"),
    "register": (
        "system/1",
        "version/1",
        "state/1",
        "model/1",
        "modification/1",
        "fitness/1",
        "override/1",
        "answers/1",
    ),
    "results": ("decision/1", "opened/1", "unfinished/1", "refused/1"),
    "people": ("request/1", "notice/1", "review/1", "correction/1"),
    "readings": ("access/1",),
    "checks": ("replay/1", "explanation/1", "finding/1", "sample/1"),
    "erasures": ("erasure/1", "hold/1"),
    "reports": ("tally/1", "publication/1"),
    "incidents": ("incident/1",),
    "staff": ("account/1",),
}
"""Every kind of entry, by what it is about (a test compares this with the table of kinds)."""
_PROVIDERS: Final = ("provider", "both")


def logging_statement(g: Greffier) -> LoggingStatement:
    """What is logged, how to verify it, keys, witnesses and limits. Raises UsageError without an agency profile."""
    today, policy = g.clock().date(), _policy(g)
    return LoggingStatement(
        agency=report.agency_here(g),
        log=report.stamp_here(g),
        address=f"{g.settings.base_url.rstrip('/')}/log/{g.log.number}/checkpoint",
        entries_public=g.settings.entries_public,
        keys=tuple(format_vkey(key) for key in g.keys.of(g.log.origin).vkeys),
        witnesses=() if policy is None else _witnesses(policy),
        quorum=_quorum(policy),
        pace_minutes=max(1, -(-g.settings.publish_pace_s // 60)),
        timestamped=g.settings.timestamp_url is not None,
        newest_stamp=timestamp.newest(g),
        kinds=KINDS,
        systems=tuple(
            _logged(g, public_system(one.system, today))
            for one in register.list_systems(g)
            if is_public(one.system, one.state)
        ),
    )


def accessibility(g: Greffier) -> Accessibility:
    """The accessibility statement: what `accessibility.json` says, else a self-assessment that promises nothing, and
    has no day: nobody of the agency has made it or looked at it.

    Raises SettingsError for a file that is none, UsageError without an agency profile.
    """
    stated = read_accessibility(g.home)
    return Accessibility(
        agency=report.agency_here(g),
        location=g.settings.base_url,
        status="partial" if stated is None else stated.status,
        audited=None if stated is None else stated.audited,
        auditor="" if stated is None else stated.auditor,
        report=None if stated is None else stated.report,
        findings=()
        if stated is None
        else tuple(NotAccessible(what=one.what, why=one.why, instead=one.instead) for one in stated.findings),
        prepared=None if stated is None else stated.prepared,
        reviewed=None if stated is None else stated.reviewed,
        enforcement={} if stated is None else stated.enforcement,
        enforcement_url=None if stated is None else stated.enforcement_url,
    )


def fria(g: Greffier, slug: str) -> FriaPage:
    """The assessment of Article 27 of a system. Raises UnknownSystem, UsageError where the register has none."""
    shown = register.show(g, slug)
    system = public_system(shown.system, g.clock().date())
    if system.fria is None:
        raise UsageError(
            "has no public assessment of its effect on fundamental rights: write `fria` in its register file",
            field="--of",
        )
    version = shown.version or report.newest_version(g, slug)
    return FriaPage(
        agency=report.agency_here(g),
        system=system,
        state=shown.state,
        version=None if version is None else version.version,
        url=ai_notice.system_url(g, slug),
        log=report.stamp_here(g),
    )


def instructions(g: Greffier, slug: str) -> Instructions:
    """Instructions for use (Article 13). Raises UnknownSystem, Refused where the agency is not its provider, UsageError
    where no version is registered."""
    shown = register.show(g, slug)
    _demand_provider(shown.system, "instructions for use are the provider's (AI Act 13)")
    system = public_system(shown.system, g.clock().date())
    version = shown.version or report.newest_version(g, slug)
    facts = report.version_facts(system, version)
    if version is None or facts is None:
        raise UsageError("has no version yet: register one, which says what goes in and what comes out", field="--of")
    return Instructions(
        agency=report.agency_here(g),
        role="both" if system.role == "both" else "provider",
        system=system,
        version=facts,
        inputs=tuple(_input(field) for field in version.manifest.fields),
        test=test_summary.tests_of(g, slug, version).report,
        repeated=report.repeated(g, slug),
        changes=tuple(_changes(g, slug)),
        url=ai_notice.system_url(g, slug),
        log=report.stamp_here(g),
    )


def incident_notice(g: Greffier, reader: reading.Reader, incident_id: str) -> IncidentPage:
    """The notice of a deployer (Article 26(5)); its content is opened, which is in the log first.

    Raises UnknownRecord, Erased, UsageError for an incident that is reported as provider.
    """
    if incidents.find(g, incident_id).duty == "provider":
        raise UsageError("is reported as provider (Article 73): write the report of an incident", field="--of")
    return IncidentPage(**_incident(g, incidents.read(g, reader, incident_id)))


def incident_report(g: Greffier, reader: reading.Reader, incident_id: str) -> IncidentReport:
    """The report of a provider (Article 73); otherwise as `incident_notice`.

    Also of a serious incident whose provider could not be reached: Article 73 then binds the deployer (26(5)).
    """
    found = incidents.find(g, incident_id)
    due = report_due(found)
    if due is None:
        raise Refused(
            "reports of Article 73 are the provider's, or a deployer's whose provider could not be reached (26(5)): "
            "write the notice of the incident",
            reason="role",
            field="--of",
        )
    opened = incidents.read(g, reader, incident_id)
    return IncidentReport(**_incident(g, opened), first=not found.closed, due=due, days=DAYS[opened.incident.severity])


def report_due(found: Incident) -> date | None:
    """The last day of the report of Article 73; None where that article asks this agency for none."""
    days = (due.by for due in found.clock if due.recipient == "authority" and due.by is not None)
    return next(days, None)


def _incident(g: Greffier, opened: IncidentFile) -> dict[str, Any]:
    """What both documents about an incident have."""
    incident, system, facts = opened.incident, opened.system, opened.facts
    public = register.show(g, system.slug)
    version = None if incident.version is None else _version(g, system.slug, incident.version)
    return {
        "agency": report.agency_here(g),
        "id": incident.id,
        "name": system.name,
        "url": ai_notice.system_url(g, system.slug),
        "version": incident.version,
        "manifest": None if version is None else version.digest,
        "provider": f"{system.provider.name}, {system.provider.contact}",
        "purpose": system.purpose,
        "risk_class": (*system.classification.annex_iii, *system.classification.annex_i),
        "duty": incident.duty,
        "severity": incident.severity,
        "aware": incident.aware,
        "facts": IncidentFacts(
            what=facts.what,
            harm=facts.harm,
            persons=facts.persons or "",
            cause=facts.cause or "",
            measures=facts.measures or "",
        ),
        "state": public.state,
        "capture": system.capture,
        "to_tell": tuple(
            ToTell(recipient=due.recipient, by=due.by, article=f"AI Act {due.article}", done=due.done)
            for due in incident.clock
        ),
        "closed": incident.closed,
        "log": report.stamp_here(g),
    }


def _demand_provider(system: AISystem, whose: str) -> None:
    if system.role not in _PROVIDERS:
        raise Refused(f"{whose}; of this system the agency is the deployer alone", reason="role", field="--of")


def _version(g: Greffier, slug: str, version: int) -> SystemVersion:
    with g.reading() as conn:
        return register_store.read_version(conn, slug, version)


def _changes(g: Greffier, slug: str) -> list[VersionChange]:
    found: list[Any] = [change for change in register.history(g, slug) if change["kind"] == "version/1"]
    return [
        VersionChange(version=change["what"]["version"], registered=parse_time(change["time"]).date())
        for change in reversed(found)
    ]


def _input(field: InputField) -> InputSpec:
    schema: Any = field.schema
    values = schema.get("enum") if isinstance(schema, dict) else None
    return InputSpec(
        label=field.label,
        id=field.id,
        type=_in_one_line(schema),
        values=tuple(str(value) for value in values) if isinstance(values, list) else (),
    )


def _in_one_line(schema: Json) -> str:
    if not isinstance(schema, dict):
        return "any"
    kind = str(schema.get("type", "any"))
    limits = [f"{name} {schema[name]}" for name in ("minimum", "maximum", "maxLength") if name in schema]
    return ", ".join([kind, *limits])


def _logged(g: Greffier, system: AISystem) -> LoggedSystem:
    return LoggedSystem(
        name=system.name,
        url=ai_notice.system_url(g, system.slug),
        capture=cast("Any", system.capture),
        content_months=None if system.retention is None else system.retention.months,
    )


def _policy(g: Greffier) -> Policy | None:
    """None where the policy cannot be read: then no witness can be promised."""
    try:
        return policy_file.read_policy(g)
    except (AuditLogError, AppError):
        return None


def _witnesses(policy: Policy) -> tuple[Witness, ...]:
    return tuple(
        Witness(name=_readable(witness.name), organisation=_readable(witness.vkey.name)) for witness in policy.witnesses
    )


def _quorum(policy: Policy | None) -> int:
    """How many witnesses must have confirmed at least: those of the smallest set that meets the policy."""
    if policy is None or policy.quorum is None:
        return 0
    needed = {witness.name: 1 for witness in policy.witnesses}
    for group in policy.groups:  # members stand before their group, and each counts in one place
        needed[group.name] = sum(sorted(needed[member] for member in group.members)[: group.threshold])
    return needed[policy.quorum]


def _readable(name: str) -> str:
    """A policy's names are octets: what is no UTF-8 is shown as such."""
    return name.encode("utf-8", "replace").decode("utf-8", "replace")
