"""The four letters that this house must be able to write, in each language as an officer of that language would."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from types import ModuleType
from typing import Any

import pytest

from registry.parts.conduct import Measure, Notice
from registry.parts.law import LegalBasis
from reports.explanation.context import Explanation, Replacement, Value
from reports.letter.context import AnsweredRequest, Evidence, Letter, OfficerDecision, Result, UsedValue

LANGUAGES = ("en", "nl")
CODE = "K7QF-2M9X-4WTD"
ASKED = AnsweredRequest(received=date(2026, 11, 20), due=date(2026, 12, 20))
PROCESS = {
    "en": "An adviser reads the result before the talk with you, together with your file. The adviser can set it "
    "aside.",
    "nl": "Een adviseur leest de uitkomst vóór het gesprek met u, samen met uw dossier. De adviseur kan de uitkomst "
    "naast zich neerleggen.",
}
LIMITS = {
    "en": "The system is small and makes mistakes. It knows nothing of your life but the four details in this letter.",
    "nl": "Het systeem is klein en maakt fouten. Het weet niets van uw leven, behalve de vier gegevens in deze brief.",
}
MEASURED = Measure(
    name={"en": "Same result in each wording of the question", "nl": "Dezelfde uitkomst bij elke vraagstelling"},
    value="29.6%",
    group=None,
    measured=date(2026, 11, 19),
    how={
        "en": "On 108 invented cases, three wordings each.",
        "nl": "Met 108 verzonnen gevallen, elk op drie manieren.",
    },
)
SAID: dict[str, dict[str, dict[str, Any]]] = {
    "grant": {
        "en": {
            "decision": "You get a loan of €1,200. You pay it back in 24 months.",
            "reasons": "You have a steady job and keep €420 a month. The monthly payment is €54. That fits. You paid "
            "one bill late this year; you told us that you were moving house then. We do not hold that against you.",
            "effect": "The money is in your account within three working days.",
        },
        "nl": {
            "decision": "U krijgt een lening van € 1.200. U betaalt die terug in 24 maanden.",
            "reasons": "U hebt een vaste baan en houdt € 420 per maand over. U betaalt € 54 per maand. Dat past. U "
            "betaalde dit jaar één rekening te laat; u vertelde ons dat u toen verhuisde. Dat rekenen wij u niet aan.",
            "effect": "Het geld staat binnen drie werkdagen op uw rekening.",
        },
    },
    "refuse": {
        "en": {
            "decision": "You do not get the loan of €1,200.",
            "reasons": "We spoke on 18 November. You keep €40 a month. The monthly payment would be €54, so you would "
            "get into debt. In your favour: you have paid bills on time since the summer. That does not make up for "
            "it.",
            "effect": "You get no loan from us now. You can apply again as soon as you keep €60 a month or more. Our "
            "budget coach can help you, free of charge.",
        },
        "nl": {
            "decision": "U krijgt de lening van € 1.200 niet.",
            "reasons": "Wij spraken elkaar op 18 november. U houdt € 40 per maand over. U zou € 54 per maand moeten "
            "terugbetalen, en dan komt u in de schulden. In uw voordeel: u betaalt uw rekeningen sinds de zomer op "
            "tijd. Dat weegt daar niet tegen op.",
            "effect": "U krijgt nu geen lening van ons. U kunt het opnieuw vragen zodra u € 60 of meer per maand "
            "overhoudt. Onze budgetcoach kan u gratis helpen.",
        },
    },
    "no_reason": {
        "en": {
            "decision": "You get a loan of €800. You pay it back in 24 months.",
            "reasons": "I decided from your file and our talk alone. You keep €150 a month. The payment of €36 fits.",
            "effect": None,
        },
        "nl": {
            "decision": "U krijgt een lening van € 800. U betaalt die terug in 24 maanden.",
            "reasons": "Ik heb alleen op grond van uw dossier en ons gesprek beslist. U houdt € 150 per maand over. De "
            "aflossing van € 36 past daarbij.",
            "effect": None,
        },
    },
}
# Stands in until the words of the officer come: a letter with a fresh decision needs one.
PENDING = OfficerDecision(
    action="override", decision="-", reasons=None, reviewed=date(2026, 11, 18), notified=date(2026, 11, 19)
)
EVIDENCE = Evidence(entry="sha256:" + "e4" * 32, manifest="sha256:" + "a1" * 32, model="sha256:" + "b2" * 32)
PAID_BY = ({"en": "your bank", "nl": "uw bank"}, {"en": "you", "nl": "u"})
REGISTER = {"en": "the credit register, with your permission", "nl": "het kredietregister, met uw toestemming"}


def used(given: Value, source: dict[str, str]) -> UsedValue:
    return UsedValue(label=given.label, value=given.value, words=given.words, source=source, data_class="personal")


def worded(given: Value, value: object, en: str, nl: str) -> Value:
    return replace(given, value=value, words={"en": en, "nl": nl})


def by_language(letter: Letter, which: str, **decided: Any) -> dict[str, Letter]:
    facts: dict[str, Any] = {"reviewed": date(2026, 11, 18), "notified": date(2026, 11, 19), **decided}
    return {
        lang: replace(
            letter,
            decision=OfficerDecision(**SAID[which][lang], **facts),
            objection_until=facts["notified"] + timedelta(weeks=6),
        )
        for lang in LANGUAGES
    }


@pytest.fixture
def base(letter: Letter) -> Letter:
    """The invented loan check, with what the register says of its part, its limits, and how it does."""
    system = replace(
        letter.system, automation="advises", decision_process=PROCESS, limits=LIMITS, performance=(MEASURED,)
    )
    return replace(letter, system=system, evidence=EVIDENCE, code=CODE, told=date(2026, 11, 12))


def loan(base: Letter, invented: ModuleType, code: str, rows: tuple[Value, ...], explanation: Explanation) -> Letter:
    labels = {"grant": invented.GOOD, "refuse": invented.SMALL}
    bank, you = PAID_BY
    return replace(
        base,
        given=date(2026, 11, 16),
        result=Result(code=code, label=labels[code], text=None),
        data=tuple(used(one, source) for one, source in zip(rows, (bank, you, REGISTER, you), strict=True)),
        explanation=replace(explanation, result=labels[code], result_code=code),
    )


@pytest.fixture
def granted(base: Letter, invented: ModuleType) -> dict[str, Letter]:
    """A loan that is given; the person asked how the computer was used."""
    late = worded(invented.BILLS, "sometimes late", "sometimes late", "soms te laat")
    steady = worded(invented.INCOME, "a steady job", "a steady job", "een vaste baan")
    none = worded(invented.DEBTS, "no debts", "no debts", "geen schulden")
    room = replace(invented.ROOM, value=420)
    often = Replacement(given=late, instead=worded(late, "often too late", "often too late", "vaak te laat"))
    explained = replace(
        invented.EXPLAINED,
        details=(
            invented.detail(late, "against", "decided"),
            invented.detail(none, "for", "some"),
            invented.detail(steady, "for", "little", "most_wordings"),
            invented.detail(room, "none", "none"),
        ),
        alternatives=(replace(invented.change(often), result=invented.SMALL, result_code="refuse"),),
    )
    letter = loan(base, invented, "grant", (late, steady, none, room), explained)
    return by_language(replace(letter, basis="gdpr_15_1", asked=ASKED), "grant", action="confirm")


@pytest.fixture
def refused(base: Letter, invented: ModuleType) -> dict[str, Letter]:
    """A loan that is refused, which an officer decided after a talk."""
    unpaid = worded(invented.DEBTS, "unpaid debts", "unpaid debts", "onbetaalde schulden")
    room = replace(invented.ROOM, value=40)
    explained = replace(
        invented.EXPLAINED,
        details=(
            invented.detail(invented.BILLS, "for", "decided"),
            invented.detail(unpaid, "for", "some"),
            invented.detail(invented.INCOME, "against", "little", "most_wordings"),
            invented.detail(room, "none", "none"),
        ),
    )
    letter = loan(base, invented, "refuse", (invented.BILLS, invented.INCOME, unpaid, room), explained)
    return by_language(replace(letter, asked=ASKED), "refuse", action="confirm")


@pytest.fixture
def unexplained(base: Letter, invented: ModuleType) -> dict[str, Letter]:
    """Nothing reliable was found about a result, so an officer decided anew."""
    repaid = worded(invented.DEBTS, "debts being repaid", "debts being repaid", "schulden die worden afbetaald")
    room = replace(invented.ROOM, value=150)
    withheld = replace(invented.withheld("wording", "no_change"), fresh="done")
    base = replace(base, basis="gdpr_15_1", asked=ASKED, decision=PENDING, objection_until=date(2026, 12, 31))
    letter = loan(base, invented, "refuse", (invented.BILLS, invented.INCOME, repaid, room), withheld)
    return by_language(letter, "no_reason", action="override", reviewed=date(2026, 11, 24), notified=date(2026, 11, 24))


MESSAGES = {
    "en": ("I lost my job in October. ", "Can I pay my bill in parts?"),
    "nl": ("Ik ben in oktober mijn baan kwijtgeraakt. ", "Kan ik mijn aanslag in delen betalen?"),
}
REPLIES = {
    "en": "You can pay in ten parts. Send us the form, or call us on 014 000.",
    "nl": "U kunt in tien delen betalen. Stuur ons het formulier, of bel 014 000.",
}
TAX_SYSTEM: dict[str, Any] = {
    "slug": "tax-question-reply",
    "name": {"en": "Tax question reply", "nl": "Antwoord op belastingvraag"},
    "human_oversight": {
        "en": "Replies about payment and contact go out at once. A clerk reads all others first.",
        "nl": "Antwoorden over betalen en contact gaan direct uit. De andere leest eerst een medewerker.",
    },
    "legal_basis": (LegalBasis(law="Gemeentewet", article="231", link=None, for_="task"),),
    "automation": "informs",
    "decision_process": None,
    "limits": {
        "en": "The system knows nothing of your tax bill. It answers general questions only.",
        "nl": "Het systeem weet niets van uw aanslag. Het beantwoordt alleen algemene vragen.",
    },
    "performance": None,
    "notice": Notice(
        application={"en": "question about taxes", "nl": "vraag over belastingen"},
        estimates={
            "en": "what your question is about, and writes a reply",
            "nl": "waar uw vraag over gaat, en schrijft een antwoord",
        },
        human="on_request",
    ),
}


@pytest.fixture
def free_text(base: Letter, invented: ModuleType) -> dict[str, Letter]:
    """A reply that a computer wrote and that went out at once: nobody decided anything."""
    return {lang: reply(base, invented, lang) for lang in LANGUAGES}


def reply(base: Letter, invented: ModuleType, lang: str) -> Letter:
    provider, owner = base.system.provider, base.system.owner
    system = replace(
        base.system,
        **TAX_SYSTEM,
        provider=replace(provider, name="Gemeente Waterveen"),
        owner=replace(owner, unit="Belastingen"),
    )
    message = Value(label={"en": "Your message", "nl": "Uw bericht"}, value="".join(MESSAGES[lang]))
    year = Value(label={"en": "Year of the bill", "nl": "Jaar van de aanslag"}, value=2026)
    about = {"en": "about paying", "nl": "over betalen"}
    left_out = Replacement(given=message, instead=message, left_out=MESSAGES[lang][1:])
    remission = {"en": "about not having to pay", "nl": "over kwijtschelding"}
    explained = replace(
        invented.EXPLAINED,
        system=system.name,
        result=about,
        result_code="pay",
        details=(invented.detail(message, "for", "decided"), invented.detail(year, "none", "none")),
        alternatives=(replace(invented.change(left_out), result=remission, result_code="remission"),),
        tried=18,
    )
    return replace(
        base,
        system=system,
        url="https://ai.waterveen.example/register/tax-question-reply",
        held=False,
        told=None,
        result=Result(code="pay", label=about, text=REPLIES[lang]),
        data=tuple(used(one, PAID_BY[1]) for one in (message, year)),
        explanation=explained,
        basis="gdpr_15_1",
    )
