"""What changed: of one system, of all, as it was on a day, and between two days; each with the entry that proves it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from home.calendar import day_of
from home.greffier import Greffier
from registry.errors import UnknownSystem
from registry.system import rows
from registry.values import Words
from service.systems import approval, changes, history, register
from web.api.systems import Slug, show_published
from web.auth import Installation, authorize
from web.pages.form_state import Filled
from web.pages.site import language, page

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
_FIELDS: Final = ("as_of", "from", "to")
_PLACE: Final = re.compile(r"[0-9]{1,9}\.[0-9]{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Change:
    """One entry about a system. Of a `state/1` before, after, reason and role are set; of the others the digest.

    `verdict` is of a `fitness/1`, `ground` of an `override/1`, `substantial` (yes or no) of a `modification/1`, whose
    reasons are `because` where they are what the log names.
    """

    index: int
    kind: str
    moment: datetime
    day: str
    version: int | None
    digest: str
    registered: bool
    before: str | None
    after: str
    reason: str
    role: str
    verdict: str
    ground: str
    substantial: str
    because: Words | None


@dataclass(frozen=True, slots=True)
class ListedChange:
    """An entry about one of all systems: its slug and name, and what changed."""

    slug: str
    name: Words
    change: Change


@dataclass(frozen=True, slots=True)
class Difference:
    """One member that differs between two days; lines of text, none where there was nothing."""

    label: Words
    before: tuple[str, ...]
    after: tuple[str, ...]


@router.get("/register/{slug}/history")
def show_history(request: Request, g: Installation, slug: Slug) -> Response:
    """What changed, by the entries of the log; with `as_of` the record of a day, with `from` and `to` differences."""
    shown = show_published(g, slug)
    reasons = {(one.log, one.index): one.because for one in approval.modifications(g, slug)}
    told = [read_change(entry, reasons) for entry in register.history(g, slug)]
    form, days = _days(request)
    past, differ, absent = None, None, False
    try:
        if form.sound and "as_of" in days:
            past = history.as_of(g, slug, days["as_of"])
        elif form.sound and days:
            differ = history.between(g, slug, days["from"], days["to"])
    except UnknownSystem:
        absent = True
    lang = language(request, g)
    return page(
        request,
        g,
        "history.html",
        status=200 if form.sound else 422,
        system=shown.system,
        changes=told,
        form=form,
        past=past,
        past_rows=[] if past is None else rows(past.system, lang),
        differ=differ,
        differences=[] if differ is None else _differences(differ, lang),
        absent=absent,
    )


@router.get("/changes")
def show_changes(request: Request, g: Installation) -> Response:
    """What changed of all systems, newest first."""
    found = changes.newest(g, _place(request.query_params.get("before", "")))
    told = [ListedChange(one.slug, one.name, read_change(one.entry)) for one in found.rows]
    more = None if found.next is None else f"{found.next[0]}.{found.next[1]}"
    return page(request, g, "changes.html", days=by_day(g, told), more=more)


def by_day(g: Greffier, told: Sequence[ListedChange]) -> list[tuple[date, list[ListedChange]]]:
    """Entries in the order given, under the day of each in the agency's time zone."""
    grouped = itertools.groupby(told, key=lambda one: day_of(g, one.change.moment))
    return [(day, list(entries)) for day, entries in grouped]


def _place(text: str) -> tuple[int, int] | None:
    """A place of the log as the address has it; None for none, or for what is none."""
    log, _, index = text.partition(".")
    return (int(log), int(index)) if _PLACE.fullmatch(text) else None


def _days(request: Request) -> tuple[Filled, dict[str, date]]:
    """The days of the address: one, or two of a period. An empty field is as if it were not there."""
    given = {name: request.query_params.get(name, "").strip()[:40] for name in _FIELDS}
    given = {name: value for name, value in given.items() if value}
    days, mistakes = {}, {}
    for name, value in given.items():
        try:
            days[name] = date.fromisoformat(value)
        except ValueError:
            mistakes[name] = "date"
    if "as_of" not in given and len(given) == 1:
        mistakes.setdefault("to" if "from" in given else "from", "missing")
    if not mistakes and "from" in days and "to" in days and days["from"] > days["to"]:
        mistakes["to"] = "later"
    return Filled(given, mistakes), days


def _differences(differ: history.Differences, lang: str) -> list[Difference]:
    found = []
    for change in differ.changes:
        before, after = change.texts(lang)
        found.append(Difference(change.label, tuple(before), tuple(after)))
    return found


def read_change(entry: dict[str, Any], reasons: Mapping[tuple[int, int], Words | None] | None = None) -> Change:
    """An entry of `register.history` as the page shows it. `reasons`: of modifications, by the place of the entry."""
    what = entry["what"]
    return Change(
        index=entry["index"],
        kind=entry["kind"],
        moment=datetime.strptime(entry["time"], "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC),
        day=entry["time"],
        version=what.get("version"),
        digest=_digest(what),
        registered=what.get("action") == "registered",
        before=what.get("from"),
        after=what.get("to", ""),
        reason=what.get("reason", ""),
        role=what.get("role", ""),
        verdict=what.get("verdict", ""),
        ground=what.get("ground", ""),
        substantial=what.get("substantial", ""),
        because=(reasons or {}).get((entry.get("log", 0), entry["index"])),
    )


def _digest(what: dict[str, Any]) -> str:
    """Of what the entry is about."""
    return next((what[name] for name in ("report", "statement", "manifest", "record", "answers") if what.get(name)), "")
