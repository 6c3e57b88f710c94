"""What the public page of one system is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from registry.system import AISystem
from reports.agency import Agency, LogStamp
from reports.notice_decision.context import Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredField:
    """One detail that the system reads."""

    label: Mapping[str, str]
    """What it is called, per language."""
    source: Mapping[str, str]
    """Where it comes from, per language."""
    data_class: Literal["none", "personal", "special", "criminal"]
    """How sensitive it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PossibleResult:
    """One result that the system can give."""

    label: Mapping[str, str]
    """In words, per language."""
    held: bool
    """True when a member of staff sees it before anyone else does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFacts:
    """The organisation that runs the model, and what the agency agreed with it."""

    provider: str
    """Its name."""
    model: str
    """What it calls the model."""
    region: str | None
    """Where it runs the model; None where the register does not say."""
    tier: str | None
    """The kind of service."""
    terms: str
    """What was agreed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """The running version, or the newest one while none runs."""

    version: int
    """Its number."""
    manifest: str
    """Digest of the version manifest, "sha256:…"."""
    fields: tuple[DeclaredField, ...]
    """All details that the system reads, in the order of the manifest."""
    results: tuple[PossibleResult, ...]
    """All results that it can give."""
    model_name: str | None
    """Name of the AI model; None when none runs here."""
    model_digest: str | None
    """Digest of the model file, "sha256:…"."""
    model_quantization: str | None
    """How the model's numbers are stored, such as "Q4_1"."""
    model_licence: str | None
    """SPDX id of the model's licence."""
    remote: RemoteFacts | None = field(default=None, metadata={"omitted": True})
    """Who runs the model, where it does not run here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """How exactly the version repeats a result, and how checks of past results ended."""

    determinism: Literal["bit", "token", "tolerance", "not_measured", "provider"]
    """The class of its self-test; "provider" when somebody else runs the model."""
    measured: date | None
    """The day of the self-test; None when there was none."""
    device: str | None
    """What it was measured on."""
    since: date
    """The first day of the replays that are counted."""
    counts: Mapping[str, int]
    """Verdict code → number of replays, the strongest first; none of them zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPage:
    """The public page of one system."""

    agency: Agency
    """Who uses the system."""
    system: AISystem
    """The register's record."""
    rows: Sequence[tuple[str, str | Sequence[str]]]
    """Everything in the record as labels and values in the page's language: registry.system.rows(system, lang)."""
    state: str
    """State code, as in registry.lifecycle."""
    since: date | None
    """The day on which it came into this state; None when it is as old as the record."""
    version: VersionFacts | None
    """None when no version is registered (a system that runs elsewhere)."""
    repeated: Repeated | None
    """None when no version is registered, or its model is not known."""
    notice: Notice | None
    """The notice for people, without a reference: notice_of(system, …); None where the register has none."""
    demonstration: bool
    """True when the model is the small one of the demo, whose judgement nobody should trust."""
    url: str
    """Address of this page."""
    log: LogStamp
    """The log at the moment the page was made."""
