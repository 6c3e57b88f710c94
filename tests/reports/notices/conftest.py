"""The sheets that people are given, the extract for GDPR 30 and the access file of the invented town."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from registry.parts.conduct import Risk
from registry.parts.hosting import Processing, Processor
from registry.retention import Retention
from reports.access_file.context import (
    AccessFile,
    Corrected,
    Decided,
    HeldRecord,
    HeldValue,
    Looked,
    PersonRequest,
    RequestStep,
)
from reports.law import LawAsks
from reports.letter.context import Letter
from reports.notice_50.context import Article50, Shown, Sort
from reports.notice_decision.context import NoticeDecision, NoticePage
from reports.notice_workers.context import WorkerNotice
from reports.processing_record.context import Activity, Category, ProcessingRecord

WRITTEN = date(2026, 11, 24)
SORTS: tuple[tuple[Sort, int], ...] = (
    ("talks", 1),
    ("marking", 2),
    ("emotion_or_biometric", 3),
    ("deep_fake", 4),
    ("public_text", 4),
)


def law(article: int, paragraph: int, **more: object) -> LawAsks:
    made = LawAsks(article=article, paragraph=paragraph, applies="yes", day=date(2026, 8, 2), contested=False)
    return replace(made, **more)


@pytest.fixture
def sheet(letter: Letter, notice: NoticeDecision) -> NoticePage:
    """For people who ask for a loan; the law asks for it from a later day."""
    later = law(26, 11, applies="not_yet", day=date(2027, 12, 2))
    return NoticePage(agency=letter.agency, notice=notice.notice, written=WRITTEN, law=later)


@pytest.fixture
def workers(letter: Letter) -> WorkerNotice:
    """For advisers of the credit bank, before the system comes."""
    risk = Risk(
        kind="use",
        risk={"en": "Advisers may follow the computer without thought.", "nl": "Adviseurs volgen de computer te snel."},
        mitigation={
            "en": "For one case in ten you decide before you see the result.",
            "nl": "Bij één op de tien zaken beslist u voordat u de uitkomst ziet.",
        },
    )
    return WorkerNotice(
        agency=letter.agency,
        system=replace(letter.system, risks=(risk,), first_use=date(2026, 12, 1)),
        url=letter.url,
        written=WRITTEN,
        starts=date(2026, 12, 1),
        data=tuple(item.label for item in letter.data),
        law=law(26, 7, applies="no", day=None),
    )


@pytest.fixture
def article_50(letter: Letter) -> Article50:
    """A system that needs each notice of the article."""
    return Article50(
        agency=letter.agency,
        system={"en": "Tax question reply", "nl": "Antwoord op belastingvraag"},
        url="https://ai.waterveen.example/register/tax-question-reply",
        check_url=letter.check_url,
        written=WRITTEN,
        notices=tuple(Shown(sort=sort, law=law(50, paragraph)) for sort, paragraph in SORTS),
        unknown=False,
        responsible="Belastingen (014 000)",
    )


@pytest.fixture
def processing(letter: Letter) -> ProcessingRecord:
    """One system whose register file is full, one that lacks what GDPR 30 asks."""
    facts = Processing(
        persons={"en": "People who ask for a loan.", "nl": "Mensen die een lening vragen."},
        recipients={"en": "Advisers of the credit bank.", "nl": "Adviseurs van de kredietbank."},
        security={
            "en": "Each record is encrypted under a key of its own.",
            "nl": "Elk gegeven heeft een eigen sleutel.",
        },
        processors=(
            Processor(
                name="Rekencentrum Voorbeeld",
                does={"en": "It keeps the machines.", "nl": "Het beheert de machines."},
                agreed=date(2026, 10, 1),
            ),
        ),
        transfers=(),
        link=None,
    )
    kept = Retention(log_months=6, content_months=12, max_months=24, schedule=None)
    full = replace(letter.system, processing=facts, retention=kept)
    read = tuple(Category(label=one.label, source=one.source, data_class="personal") for one in letter.data)
    bare = replace(letter.system, name={"en": "Health line aid", "nl": "Hulp bij de gezondheidslijn"})
    return ProcessingRecord(
        agency=letter.agency,
        written=WRITTEN,
        activities=(
            Activity(system=full, url=letter.url, state="active", categories=read),
            Activity(system=bare, url=letter.url, state="pilot", categories=()),
        ),
        without=({"en": "Road damage finder", "nl": "Zoeker van wegschade"},),
    )


@pytest.fixture
def held_file(letter: Letter) -> AccessFile:
    """A person with a decided result, one that waits, one kept by its sender, and a request."""
    values = tuple(
        HeldValue(label=one.label, value=one.value, words=one.words, source=one.source) for one in letter.data
    )
    decided = HeldRecord(
        id=letter.reference,
        day=date(2026, 11, 16),
        system=letter.system.name,
        url=letter.url,
        version=1,
        here=True,
        restricted=False,
        held=False,
        values=values,
        outcome={"en": "small chance of paying back", "nl": "kleine kans op terugbetalen"},
        text=None,
        others=1,
        decisions=(
            Decided(
                day=date(2026, 11, 18),
                action="confirm",
                decision="U krijgt de lening niet.",
                reasons="U houdt € 40 per maand over.",
                sent=None,
            ),
        ),
        explanations=(date(2026, 11, 20),),
        corrections=(
            Corrected(day=date(2026, 11, 21), values=((letter.data[3].label, 140),), reasons="Er stond een tikfout."),
        ),
        accesses=(
            Looked(day=date(2026, 11, 16), role="officer", purpose="review"),
            Looked(day=date(2026, 11, 24), role="privacy_officer", purpose="access_file"),
        ),
        log=1,
        index=1201,
    )
    bare = replace(decided, outcome=None, others=0, decisions=(), explanations=(), corrections=(), accesses=())
    waiting = replace(bare, id="5c0f2a5e-8d17-4b7e-9c61-5a2b7e9d1f04", held=True, index=1210)
    elsewhere = replace(bare, id="7d0f2a5e-8d17-4b7e-9c61-5a2b7e9d1f04", here=False, values=(), index=1220)
    asked = PersonRequest(
        steps=(
            RequestStep(day=date(2026, 11, 19), step="received", text="Waarom kreeg ik geen lening?"),
            RequestStep(day=date(2026, 11, 20), step="assigned", text=None),
            RequestStep(day=date(2026, 11, 23), step="answered", text="Zie de brief van vandaag."),
        ),
        accesses=(Looked(day=date(2026, 11, 20), role="officer", purpose="request"),),
    )
    return AccessFile(
        agency=letter.agency, written=WRITTEN, records=(decided, waiting, elsewhere), requests=(asked,), log=letter.log
    )
