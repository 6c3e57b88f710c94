"""Promise 7 in this version: nothing is measured yet, and a letter says so; reasons are the officer's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.cases import reviews
from service.deciding import decide
from service.disclosing import letters, report
from service.records.reading import CLI
from service.wiring import open_home

NO_MEASURE = {"en": "We cannot tell you yet which of your details made the difference", "nl": "nog niet"}
OWN_WORDS = "We spoke on the telephone about the two late bills."


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_a_letter_gives_no_reason_that_nobody_measured(loan_home: Path, loan_input: dict[str, Any], lang: str) -> None:
    with open_home(loan_home) as g:
        record = decide.decide(g, "social-loan-check", loan_input).id
        before = report.render(g, letters.letter(g, CLI, record), lang, "html").decode()
        assert NO_MEASURE[lang] in before
        assert OWN_WORDS not in before
        reviews.record_review(g, record, reviews.Review("override", "You get the loan.", OWN_WORDS))
        after = report.render(g, letters.letter(g, CLI, record), lang, "html").decode()
    assert NO_MEASURE[lang] in after
    assert OWN_WORDS in after
