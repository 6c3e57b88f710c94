"""Every code that a page can meet has words in every language: a missing one would be a fault in front of a citizen."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.entries.vocabulary import (
    FITNESS_VERDICTS,
    GROUNDS,
    OVERRIDE_GROUNDS,
    REFUSALS,
    ROLES,
    STATE_REASONS,
    STATES,
    UNFINISHED,
)
from cli.demo.run import CASES
from registry.system import parse_system
from reports.render import Renderer
from service.wiring import PAGE_TEMPLATES
from web.pages.form_state import Filled
from web.pages.people.check import NOTHING_TYPED, Shown
from web.pages.people.history import read_change
from web.pages.site import Site

NOW = datetime(2026, 11, 24, 8, 10, tzinfo=UTC)
SITE = Site(
    agency="Invented",
    home="/",
    query="",
    navigation=(),
    languages=(),
    recording=True,
    profile=None,
    checkpoint="/log/1/checkpoint",
)
# Of a history: no day was asked for.
NOTHING_ASKED: dict[str, Any] = {
    "form": Filled(),
    "past": None,
    "past_rows": [],
    "differ": None,
    "differences": [],
    "absent": False,
}


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(lambda: NOW, templates=(PAGE_TEMPLATES,))


def check(renderer: Renderer, lang: str, **facts: Any) -> str:
    shown = Shown(**({"why": "", "minutes": 1, "again": NOW, "recorded": date(2026, 11, 24)} | facts))
    context = {"site": SITE, "shown": shown, "error": None, "error_field": "", "by_reference": False, "checker": None}
    context |= {"own": None, "typed": NOTHING_TYPED}
    return " ".join(renderer.page("check.html", lang, **context).split())


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_every_verdict_ground_and_part_has_words(renderer: Renderer, lang: str) -> None:
    pages = [check(renderer, lang, verdict="erased", ground=ground) for ground in GROUNDS]
    pages += [check(renderer, lang, verdict="altered", part=part) for part in ("entry", "proof", "openings", "receipt")]
    pages += [check(renderer, lang, verdict="could_not_check", why=why) for why in ("kind", "log")]
    pages += [check(renderer, lang, verdict=verdict) for verdict in ("published", "integrated", "not_found")]
    pages += [check(renderer, lang, verdict="published", witnesses=count) for count in (1, 2)]
    assert len(set(pages)) == len(pages)


def test_the_sentence_when_nothing_could_be_checked(renderer: Renderer) -> None:
    said = check(renderer, "en", verdict="could_not_check", why="log")
    assert "We could not check this now: the log cannot be read." in said


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_every_reason_role_and_state_has_words(renderer: Renderer, lang: str) -> None:
    system = parse_system(json.loads((CASES / "tax-question-reply.json").read_text("utf-8"))["system"])
    entries = [
        {"index": 1, "time": "2026-11-24T08:10Z", "kind": "state/1", "what": what}
        for what in (
            *({"from": "draft", "to": "draft", "reason": reason, "role": "officer"} for reason in STATE_REASONS),
            *({"from": "draft", "to": "draft", "reason": "other", "role": role} for role in ROLES),
            *({"from": None, "to": state, "reason": "other", "role": "officer", "version": 3} for state in STATES),
        )
    ]
    changes = [read_change(entry) for entry in entries]
    html = renderer.page("history.html", lang, site=SITE, system=system, changes=changes, **NOTHING_ASKED)
    assert html.count("<li>") == len(entries)


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_tests_and_overrides_have_words_in_the_history(renderer: Renderer, lang: str) -> None:
    system = parse_system(json.loads((CASES / "tax-question-reply.json").read_text("utf-8"))["system"])
    fitness = {"version": 3, "manifest": "sha256:aa", "report": "sha256:bb", "cases": 16, "failed": []}
    override = {"version": 3, "fitness": "sha256:bb", "statement": "sha256:cc", "role": "officer"}
    entries = [
        *({"kind": "fitness/1", "what": {**fitness, "verdict": verdict}} for verdict in FITNESS_VERDICTS),
        *({"kind": "override/1", "what": {**override, "ground": ground}} for ground in OVERRIDE_GROUNDS),
        {"kind": "answers/1", "what": {"rules": "2026-11-24", "answers": "sha256:dd"}},
    ]
    changes = [read_change({"index": 1, "time": "2026-11-24T08:10Z", **entry}) for entry in entries]
    pages = [
        renderer.page("history.html", lang, site=SITE, system=system, changes=[change], **NOTHING_ASKED).partition(
            "<h1>"
        )[2]
        for change in changes
    ]
    assert len(set(pages)) == len(entries)
    assert [page.count("sha256:bb") for page in pages] == [1] * 3 + [0] * 6, "the report, where it was tested"
    assert [page.count("sha256:cc") for page in pages] == [0] * 3 + [1] * 5 + [0], (
        "the reasons, where it was let through"
    )
    assert [page.count("sha256:dd") for page in pages] == [0] * 8 + [1], "the answers, where questions were answered"
    if lang == "en":
        assert "Version 3 was tested on invented cases, and was held back" in pages[1]


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_what_was_refused_or_not_finished_has_words(tmp_path: Path, lang: str) -> None:
    """Codes alone say little to an operator at night."""
    template = (
        "{% from 'operator_words.html' import refusal_words, told, unfinished_words %}"
        "{{ told(refused, refusal_words) }}|{{ told(unfinished, unfinished_words) }}"
    )
    (tmp_path / "only-words.html").write_text(template, "utf-8")
    renderer = Renderer(lambda: NOW, templates=(PAGE_TEMPLATES, tmp_path))
    found = {"refused": dict.fromkeys(REFUSALS, 2), "unfinished": dict.fromkeys(UNFINISHED, 3)}
    for side, codes in zip(renderer.page("only-words.html", lang, **found).split("|"), found.values(), strict=True):
        said = [one.partition(" (<code>") for one in side.split("; ")]
        assert [rest.partition("<")[0] for _, _, rest in said] == list(codes)
        assert len({words for words, _, _ in said}) == len(codes)
        assert not {words for words, _, _ in said} & set(codes)
