"""Documents from the record: their contexts, gathered from register, query rows and vault (reports/ renders them)."""

from __future__ import annotations

import json
from datetime import UTC, date
from typing import Any, cast

from app.actions import corrections, notices, query, reading, register, replay_health
from app.actions.corrections import Correction
from app.errors import UsageError
from app.home import Greffier
from app.settings import AgencyProfile
from auditlog.record import parse_time
from auditlog.store import decisions as decision_store
from registry.manifest import InputField, Manifest, SystemVersion
from registry.remote import Remote
from registry.store import systems as register_store
from registry.system import AISystem, rows
from reports.agency import Agency, Authority, LogStamp
from reports.letter.context import Basis, Letter, OfficerDecision, Result, UsedValue
from reports.notice_decision.context import notice_of
from reports.render import json_twin
from reports.system_page.context import (
    DeclaredField,
    PossibleResult,
    RemoteFacts,
    Repeated,
    SystemPage,
    VersionFacts,
)
from reports.transparency.context import TransparencyReport

DEMO_MARKER = "THIS-IS-A-DEMO.txt"
Document = SystemPage | TransparencyReport | Letter
NAMES = {SystemPage: "system_page", TransparencyReport: "transparency", Letter: "letter"}


def render(g: Greffier, context: Document, lang: str, output_format: str) -> bytes:
    """A document as HTML, or as its JSON twin."""
    if output_format == "json":
        return json_twin(context)
    return g.renderer.document(NAMES[type(context)], context, lang).encode()


def system_page(g: Greffier, slug: str, lang: str) -> SystemPage:
    """The public page of one system; raises registry's UnknownSystem, SettingsError without an agency profile."""
    public = register.show(g, slug)
    version = public.version or _newest(g, slug)
    url = notices.system_url(g, slug)
    agency = agency_here(g)
    return SystemPage(
        agency=agency,
        system=public.system,
        rows=rows(public.system, lang),
        state=public.state,
        since=_since(g, slug),
        version=_version_facts(public.system, version),
        repeated=_repeated(g, slug),
        notice=notice_of(public.system, url=url, phone=agency.phone),
        demonstration=(g.home / DEMO_MARKER).exists(),
        url=url,
        log=_stamp(g),
    )


def letter(g: Greffier, reader: reading.Reader, record_id: str, lang: str) -> Letter:
    """The letter that explains one result. Raises UnknownRecord, Erased, UsageError for a record of another kind."""
    del lang
    agency = agency_here(g)
    if reading.find(g, record_id).entry.kind != "decision/1":
        raise UsageError("only a decision can be explained in a letter", field="id")
    record = reading.open(g, reader, "letter", record_id)
    members: Any = record.entry.members
    with g.reading() as conn:
        version = register_store.read_version(conn, members["system"], members["version"])
    system = register.show(g, members["system"]).system
    manifest, code = version.manifest, str(record.values["outcome"])
    decision = _officer_decision(g, record)
    return Letter(
        agency=agency,
        reference=record_id,
        written=g.clock().date(),
        given=parse_time(record.entry.time).date(),
        system=system,
        version=version.version,
        url=notices.system_url(g, system.slug),
        mode=members["mode"],
        result=_result(manifest, code, cast("dict[str, Any]", record.values["output"])),
        held=manifest.release_of(code) == "after_review",
        data=_used(manifest, record.values, corrections.of(g, record)),
        basis=_basis(system, manifest, code, decision),
        law=None,
        decision=decision,
        check_url=f"{g.settings.base_url}/check",
        index=record.index,
        log=_stamp(g),
    )


def _basis(system: AISystem, manifest: Manifest, code: str, decision: OfficerDecision | None) -> Basis:
    """The one basis of a letter (CONTENT).

    AI Act 86 for an adverse result of an Annex III system but point 2, unless an officer decided otherwise; GDPR
    15(1)(h) where an adverse result counts without a person, or the register names GDPR 22; else GDPR 15(1) where
    personal data went in, else voluntary. Sector law and duties to give reasons come with the public-side issue.
    """
    outcome = manifest.outcome(code)
    overridden = decision is not None and decision.action == "override"
    adverse = outcome is not None and outcome.adverse and not overridden
    if adverse and any(point != "III.2" for point in system.classification.annex_iii):
        return "ai_act_86"
    automated = adverse and decision is None and manifest.release_of(code) == "immediate"
    if automated or any(basis.for_ == "gdpr_22" for basis in system.legal_basis):
        return "gdpr_15_1_h"
    return "gdpr_15_1" if any(field.class_ != "none" for field in manifest.fields) else "voluntary"


def _result(manifest: Manifest, code: str, output: dict[str, Any]) -> Result:
    outcome = manifest.outcome(code)
    written = [_written(output[step.output]) for step in manifest.steps[1:] if output.get(step.output) is not None]
    return Result(code=code, label=outcome.label if outcome else None, text="\n".join(filter(None, written)) or None)


def _written(value: Any) -> str:
    """A text as it stands; any other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _used(manifest: Manifest, values: dict[str, Any], made: list[Correction]) -> tuple[UsedValue, ...]:
    latest = {name: one for one in made for name in one.values}
    return tuple(_used_value(field, values, latest.get(f"in_{field.id}")) for field in manifest.fields)


def _used_value(field: InputField, values: dict[str, Any], correction: Correction | None) -> UsedValue:
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


def _officer_decision(g: Greffier, record: reading.Record) -> OfficerDecision | None:
    with g.reading() as conn:
        reviews = decision_store.find_reviews(conn, record.entry.id)
    latest = reading.behind(g, record, [row["id"] for row in reviews[-1:]])
    if not latest:
        return None
    review = latest[0]
    values: Any = review.values
    return OfficerDecision(
        action=values["action"],
        decision=values["decision"],
        reasons=values["reasons"],
        reviewed=parse_time(review.entry.time).date(),
        notified=date.fromisoformat(values["notified"]) if values["notified"] else None,
    )


def _newest(g: Greffier, slug: str) -> SystemVersion | None:
    with g.reading() as conn:
        versions = register_store.list_versions(conn, slug)
    return versions[-1] if versions else None


def _since(g: Greffier, slug: str) -> date | None:
    states = [change for change in register.history(g, slug) if change["kind"] == "state/1"]
    return parse_time(str(states[-1]["time"])).astimezone(UTC).date() if states else None


def _version_facts(system: AISystem, version: SystemVersion | None) -> VersionFacts | None:
    if version is None:
        return None
    manifest, model = version.manifest, version.manifest.model
    return VersionFacts(
        version=version.version,
        manifest=version.digest,
        fields=tuple(
            DeclaredField(label=f.label, source=f.source, data_class=cast("Any", f.class_)) for f in manifest.fields
        ),
        results=tuple(
            PossibleResult(label=o.label, held=manifest.release_of(o.code) == "after_review") for o in manifest.outcomes
        ),
        model_name=model.name if model else None,
        model_digest=f"sha256:{model.sha256}" if model else None,
        model_quantization=model.quantization if model else None,
        model_licence=model.licence if model else None,
        remote=None if system.capture == "external" else _remote_facts(manifest.remote),
    )


def _remote_facts(remote: Remote | None) -> RemoteFacts | None:
    if remote is None:
        return None
    return RemoteFacts(
        provider=remote.provider, model=remote.model, region=remote.region, tier=remote.tier, terms=remote.terms
    )


def _repeated(g: Greffier, slug: str) -> Repeated | None:
    health = replay_health.of_systems(g)[slug]
    if health.determinism is None:
        return None
    return Repeated(
        determinism=cast("Any", health.determinism),
        measured=None if health.measured is None else parse_time(health.measured).date(),
        device=health.device,
        since=date.fromisoformat(health.since),
        counts=health.counts,
    )


def _stamp(g: Greffier) -> LogStamp:
    stamp = query.stamp(g)
    return LogStamp(origin=stamp.origin, size=stamp.size, root=stamp.root)


def agency_here(g: Greffier) -> Agency:
    """The agency as documents name it; without a written profile only what is known: its slug."""
    profile = g.profile
    if profile is None:
        raise UsageError(
            "write it first: names, address, authorities and rights stand in every document", field="agency.json"
        )
    return agency_of(profile)


def agency_of(profile: AgencyProfile) -> Agency:
    """A profile in the words of the documents."""
    return Agency(
        name=profile.names,
        address=tuple(profile.address),
        phone=profile.phone,
        email=profile.email,
        dpo=profile.dpo,
        authorities=tuple(Authority(name=a.name, about=a.about, contact=a.contact) for a in profile.authorities),
        objection_route=profile.objection_route,
        objection_weeks=profile.objection_weeks,
        court=profile.court,
    )
