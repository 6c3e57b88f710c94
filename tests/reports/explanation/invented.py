"""Invented explanations of the invented loan check: one of each verdict, and what varies within them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from reports.explanation.context import Alternative, Certainty, Detail, Explanation, Replacement, Used, Value

GOOD = {"en": "good chance of paying back", "nl": "goede kans op terugbetalen"}
UNCERTAIN = {"en": "uncertain", "nl": "onzeker"}
SMALL = {"en": "small chance of paying back", "nl": "kleine kans op terugbetalen"}

BILLS = Value(
    label={"en": "Paying bills", "nl": "Rekeningen betalen"},
    value="sometimes late",
    words={"en": "sometimes late", "nl": "soms te laat"},
)
INCOME = Value(
    label={"en": "Income", "nl": "Inkomen"},
    value="changing income",
    words={"en": "changing income", "nl": "wisselend inkomen"},
)
DEBTS = Value(label={"en": "Debts", "nl": "Schulden"}, value=None)
ROOM = Value(label={"en": "Room each month, in euro", "nl": "Ruimte per maand, in euro"}, value=1250)
QUESTION = Value(label={"en": "Your question", "nl": "Uw vraag"}, value="I am ill. I cannot pay.\nPlease <call> me.")

NATIONALITY = Value(
    label={"en": "Nationality", "nl": "Nationaliteit"},
    value="outside",
    words={"en": "from outside the EU", "nl": "van buiten de EU"},
)

FROM_YOU = {"en": "you", "nl": "u"}
OVERSIGHT = {
    "en": "An adviser decides, and refuses only after speaking with you.",
    "nl": "Een adviseur beslist, en wijst alleen af na een gesprek met u.",
}


def instead(given: Value, value: Any, words: dict[str, str] | None = None, **more: Any) -> Replacement:
    return Replacement(given=given, instead=Value(label=given.label, value=value, words=words), **more)


ON_TIME = instead(BILLS, "always on time", {"en": "always on time", "nl": "altijd op tijd"})
STEADY = instead(INCOME, "a steady job", {"en": "a steady job", "nl": "een vaste baan"})


def change(*replacements: Replacement, certainty: Certainty = "all_wordings", code: str = "grant") -> Alternative:
    result = {"grant": GOOD, "refer": UNCERTAIN}[code]
    return Alternative(replacements=replacements, result=result, result_code=code, certainty=certainty)


def detail(given: Value, direction: Any, strength: Any, certainty: Any = "all_wordings") -> Detail:
    return Detail(given=given, direction=direction, strength=strength, certainty=certainty)


EXPLAINED = Explanation(
    id="9f6d2c1e-4a53-4d0b-8a77-0c3e5b1f2d90",
    made=date(2026, 11, 24),
    verdict="explained",
    reasons=(),
    system={"en": "Social loan check", "nl": "Toets sociale lening"},
    result=SMALL,
    result_code="refuse",
    details=(
        detail(BILLS, "for", "decided"),
        detail(INCOME, "against", "some", "most_wordings"),
        detail(ROOM, "for", "little", "own_wording"),
        detail(DEBTS, "none", "none"),
    ),
    alternatives=(change(ON_TIME),),
    protected=(),
    tried=123,
    wordings=3,
    fresh=None,
    fresh_before=None,
    used=tuple(Used(given=given, source=FROM_YOU) for given in (BILLS, INCOME, DEBTS, ROOM)),
    oversight=OVERSIGHT,
)

THRESHOLD = replace(
    EXPLAINED,
    details=(detail(ROOM, "for", "decided"), detail(BILLS, "for", "strong"), detail(INCOME, "against", "little")),
    alternatives=(change(instead(ROOM, 1400, threshold="above", beyond=True), code="refer"),),
)

PAIR = replace(
    EXPLAINED,
    details=(detail(BILLS, "for", "strong"), detail(INCOME, "for", "some"), detail(DEBTS, "none", "none")),
    alternatives=(change(ON_TIME, STEADY, certainty="most_wordings"),),
)

SENTENCES = replace(
    EXPLAINED,
    details=(detail(QUESTION, "for", "decided"),),
    used=(Used(given=QUESTION, source=FROM_YOU),),
    alternatives=(change(instead(QUESTION, None, left_out=("I am ill. ", "Please <call> me."))),),
)

SET_ASIDE = replace(
    EXPLAINED,
    verdict="set_aside",
    details=(),
    alternatives=(),
    protected=(NATIONALITY.label,),
    used=(*EXPLAINED.used, Used(given=NATIONALITY, source=FROM_YOU)),
    fresh="due",
    fresh_before=date(2026, 12, 8),
)

# Nothing could be run for these; the others are of runs.
NOT_RUN = ("erased", "elsewhere", "model_missing", "not_recorded", "not_repeated", "no_outcome", "neutral_undeclared")
NOT_RUN += ("one_field", "free_text")


def withheld(*reasons: str) -> Explanation:
    ran = not set(reasons) & set(NOT_RUN)
    return replace(
        EXPLAINED,
        verdict="withheld",
        reasons=reasons,
        details=(),
        alternatives=(),
        tried=123 if ran else 0,
        wordings=3 if ran and "wordings_undeclared" not in reasons else 1,
        used=() if "erased" in reasons else EXPLAINED.used,
    )


DUE = replace(withheld("wording", "no_change"), fresh="due", fresh_before=date(2026, 12, 8))
DONE = replace(withheld("too_small"), fresh="done")
