"""`greffier duties`: what the AI Act asks of a system, from when, with the evidence found; whom other rules affect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import AsJson, Home, print_json, print_rows, print_text, progress, read_file
from home.errors import UsageError
from home.greffier import Greffier
from registry.duties import APPLIES, Affected, Duty
from registry.rules import with_file
from registry.values import say
from service.systems import duties, gates, register
from service.wiring import open_home

_NOTHING, _AFFECTED = 0, 1


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("duties")(show_duties)


def show_duties(
    home: Home,
    slug: Annotated[str | None, typer.Argument(metavar="[SLUG]", help="A system; without one, all.")] = None,
    rules: Annotated[
        Path | None, typer.Option(help="A file of rules in the place of one that is in force: who is affected?")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that do not apply, too.")] = False,
    lang: Annotated[str, typer.Option(help="en or nl.")] = "en",
    as_json: AsJson = False,
) -> int:
    """The duties of a system with the evidence that is found; or which systems other rules affect (exit 1 then)."""
    if rules is not None and slug is not None:
        raise UsageError("is about all systems; leave the slug out", field="--rules")
    with open_home(home, tolerant=True) as g:
        if rules is not None:
            return _affected(duties.reevaluate(g, with_file(read_file(rules, "--rules"))), as_json=as_json)
        if slug is None:
            print_rows(_overview(g), as_json=as_json)
            return _NOTHING
        found = duties.of_system(g, slug, evidence=True)
        looked = gates.look(g, slug)
    if as_json:
        print_json({**duties.as_json(found, evidence=True), "gates": looked})
        return _NOTHING
    print_text(f"{slug} on {found.today.isoformat()}, by the rules of {found.rules}")
    shown = [duty for duty in found.duties if every or duty.applies != "no"]
    print_rows([_row(duty, lang) for duty in shown], as_json=False)
    if found.stale:
        progress(f"the answers of {found.answered} were given by other rules: run `greffier classify {slug}` again")
    for one in looked:
        progress(f"{one.effect}: AI Act {one.article}: {one.text}")
    return _NOTHING


def _overview(g: Greffier) -> list[dict[str, Any]]:
    """A line a system: how many duties apply, how many later, and what the gates say."""
    rows = []
    for public in register.list_systems(g):
        found = duties.of_system(g, public.system.slug)
        counts = {code: sum(duty.applies == code for duty in found.duties) for code in ("yes", "not_yet", "unknown")}
        looked = gates.look(g, public.system.slug)
        held = {effect: sum(one.effect == effect for one in looked) for effect in ("warn", "refuse")}
        rows.append({"system": public.system.slug, "state": public.state, **counts, **held})
    return rows


def _row(duty: Duty, lang: str) -> dict[str, Any]:
    begins = duty.begins
    day = "" if begins is None else begins.day.isoformat() if begins.day else "no day"
    lacking = [item.code for item in duty.evidence if item.found is False]
    return {
        "article": duty.article,
        "duty": say(duty.title, lang),
        "who": duty.who,
        "applies": APPLIES[duty.applies].get(lang, duty.applies),
        "from": f"{day}, contested" if begins is not None and begins.contested else day,
        "basis": "" if begins is None else begins.basis,
        "not_found": ", ".join(lacking),
        "not_said": ", ".join(duty.missing),
    }


def _affected(found: tuple[Affected, ...], *, as_json: bool) -> int:
    if as_json:
        print_json([duties.affected_json(one) for one in found])
    else:
        rows = [
            {
                "system": one.system,
                "article": change.article,
                "changes": ", ".join(change.what),
                "before": _short(change.before),
                "after": _short(change.after),
            }
            for one in found
            for change in one.changes
        ]
        print_rows(rows, as_json=False, columns=("system", "article", "changes", "before", "after"))
    return _AFFECTED if found else _NOTHING


def _short(duty: Duty | None) -> str:
    if duty is None:
        return "no such duty"
    begins = duty.begins
    day = "" if begins is None else f" {begins.day.isoformat() if begins.day else 'no day'}"
    return f"{APPLIES[duty.applies]['en']}{day}{', contested' if begins is not None and begins.contested else ''}"
