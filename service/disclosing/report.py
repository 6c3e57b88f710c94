"""Documents from the record: their contexts, gathered from register, query rows and vault (reports/ renders them)."""

from __future__ import annotations

from datetime import UTC, date
from typing import Any, cast

from auditlog.core.entries.record import parse_time
from home.errors import UsageError
from home.greffier import Greffier
from home.settings import AgencyProfile
from registry import publication
from registry.manifest import SystemVersion
from registry.remote import Remote
from registry.store import systems as register_store
from registry.system import AISystem, rows
from reports.agency import Agency, Authority, LogStamp
from reports.notice_decision.context import notice_of
from reports.pdf import to_pdf
from reports.render import json_twin
from reports.system_page.context import (
    DeclaredField,
    HiddenMember,
    PossibleResult,
    RemoteFacts,
    Repeated,
    SystemPage,
    VersionFacts,
)
from service.deciding import ai_notice
from service.records import query
from service.replaying import health as replay_health
from service.systems import register, test_summary

DEMO_MARKER = "THIS-IS-A-DEMO.txt"
FORMATS = ("html", "json", "pdf")


def render(g: Greffier, context: object, lang: str, output_format: str) -> bytes:
    """A document, given as its dataclass, in one of `FORMATS`: as HTML, as its form for machines, or as a tagged PDF.

    Raises PdfError where this machine can make no PDF, and what `Renderer.document` raises.
    """
    if output_format == "json":
        return json_twin(context)
    html = g.renderer.document(name_of(context), context, lang)
    return to_pdf(html, lang=lang) if output_format == "pdf" else html.encode()


def name_of(context: object) -> str:
    """The folder of a document: that of the module `reports.<folder>.context` which declares its dataclass."""
    return type(context).__module__.split(".")[1]


def system_page(g: Greffier, slug: str, lang: str) -> SystemPage:
    """The public page of one system; raises registry's UnknownSystem, SettingsError without an agency profile."""
    public = register.show(g, slug)
    today = g.clock().date()
    system = publication.public_system(public.system, today)
    version = public.version or newest_version(g, slug)
    url = ai_notice.system_url(g, slug)
    agency = agency_here(g)
    return SystemPage(
        agency=agency,
        system=system,
        rows=rows(system, lang),
        state=public.state,
        since=_since(g, slug),
        version=version_facts(system, version),
        repeated=repeated(g, slug),
        tests=None if version is None else test_summary.tests_of(g, slug, version),
        notice=notice_of(system, url=url, phone=agency.phone),
        demonstration=(g.home / DEMO_MARKER).exists(),
        url=url,
        log=stamp_here(g),
        waivers=test_summary.waivers_of(g, slug) if version is None else (),
        hidden=tuple(
            HiddenMember(label=one.label, reason=one.reason, why=one.why, until=one.until)
            for one in publication.withheld(public.system, today)
        ),
    )


def newest_version(g: Greffier, slug: str) -> SystemVersion | None:
    """The newest version, whether it runs or not."""
    with g.reading() as conn:
        versions = register_store.list_versions(conn, slug)
    return versions[-1] if versions else None


def _since(g: Greffier, slug: str) -> date | None:
    states = [change for change in register.history(g, slug) if change["kind"] == "state/1"]
    return parse_time(str(states[-1]["time"])).astimezone(UTC).date() if states else None


def version_facts(system: AISystem, version: SystemVersion | None) -> VersionFacts | None:
    """A version as documents tell it."""
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


def repeated(g: Greffier, slug: str) -> Repeated | None:
    """How exactly a system repeats a result; None where no model is known."""
    health = replay_health.of_systems(g, slugs=[slug])[slug]
    if health.determinism is None:
        return None
    return Repeated(
        determinism=cast("Any", health.determinism),
        measured=None if health.measured is None else parse_time(health.measured).date(),
        device=health.device,
        since=date.fromisoformat(health.since),
        counts=health.counts,
    )


def stamp_here(g: Greffier) -> LogStamp:
    """The state of the log that a document made now rests on."""
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
