"""`greffier system …` and `greffier model …`."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import Account, AsJson, Home, print_json, print_rows, progress, read_file
from home.errors import UsageError
from registry.gate_report import GROUNDS
from registry.lifecycle import MODES
from registry.modification import parse_modification
from registry.system import format_system
from registry.values import LANGUAGE
from service.systems import approval, gates, history, lifecycle, register, search, test_summary
from service.wiring import open_home

app = typer.Typer(no_args_is_help=True, help="The register of systems.")
models = typer.Typer(no_args_is_help=True, help="Model files.")

Slug = Annotated[str, typer.Argument(help="The system's slug.")]
Because = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="The reasons, public, in the first language of the settings; or nl=TEXT."),
]
Role = Annotated[str, typer.Option(help="Role code of who changes the state.")]


@models.command("add")
def add_model(
    home: Home,
    file: Annotated[Path, typer.Argument(help="A GGUF file.")],
    quantize: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Make a smaller file of it, such as Q4_0, and add that one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy a model file into the content-addressed folder, or a quantised one made of it, and record its digest."""
    if not file.is_file():
        raise UsageError("there is no such file: give the path of a GGUF file", field="FILE")
    with open_home(home) as g:
        if quantize is None:
            model, origin = register.add_model(g, file), {}
        else:
            model, source = register.add_quantized(g, file, quantize, _progress)
            origin = {"derived_from": source.sha256, "quantization": quantize}
            if source.quantized:
                progress("the file was quantised already: what that lost does not come back")
    print_rows(
        [{"sha256": model.sha256, "size": model.size, "name": register.model_name(model), **origin}], as_json=as_json
    )


def _progress(done: int, total: int) -> None:
    # A line each tenth: stderr may be a file.
    if done * 10 // total != (done - 1) * 10 // total:
        progress(f"quantising: {done} of {total} tensors")


@app.command("register")
def register_system(
    home: Home,
    file: Annotated[Path, typer.Argument(help="A greffier-system/1 file.")],
    account: Account = None,
    substantial: Annotated[
        str | None,
        typer.Option(help="yes or no: whether a new version changes a system in use substantially (AI Act 3(23))."),
    ] = None,
    because: Because = None,
) -> None:
    """Register a system, or a new version of one."""
    if (substantial is None) != (not because):
        raise UsageError("go together: give the answer and the reasons", field="--substantial and --because")
    with open_home(home) as g:
        answer = None
        if substantial is not None:
            answer = parse_modification(substantial, read_reasons(because or [], g.settings.languages[0]))
        public = register.register(g, read_file(file, "FILE"), account=account, substantial=answer)
    print_json({"system": public.system.slug, "state": public.state, "running_version": public.running_version})


@app.command("list")
def list_systems(home: Home, as_json: AsJson = False) -> None:
    """All registered systems."""
    with open_home(home, tolerant=True) as g:
        rows = [
            {
                "slug": public.system.slug,
                "name": next(iter(public.system.name.values())),
                "state": public.state,
                "version": public.running_version,
                "capture": public.system.capture,
            }
            for public in register.list_systems(g)
        ]
    print_rows(rows, as_json=as_json, columns=("slug", "name", "state", "version", "capture"))


@app.command("find")
def find_systems(
    home: Home,
    words: Annotated[list[str] | None, typer.Argument(help="Words of the record, of the start of each.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(metavar="FACET=CODE", help="state, theme, risk, role, owner or capture.")
    ] = None,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    as_json: AsJson = False,
) -> None:
    """Search the register, drafts too, with the numbers of each facet."""
    given: dict[str, list[str]] = {"q": words or [], "cursor": [] if cursor is None else [cursor]}
    for one in where or []:
        name, _, code = one.partition("=")
        given.setdefault(name, []).append(code)
    with open_home(home, tolerant=True) as g:
        page = search.find(g, replace(search.parse_query(given), staff=True))
    if as_json:
        print_json(page)
        return
    columns = ("slug", "name", "state", "risks", "owner")
    rows = [{name: getattr(one, name) for name in columns} for one in page.items]
    for row in rows:
        row["name"], row["risks"] = next(iter(row["name"].values())), " ".join(row["risks"])
    print_rows(rows, as_json=False, columns=columns)
    for facet in page.facets:
        progress(f"{facet.name}: " + ", ".join(f"{value.code} {value.count}" for value in facet.values))
    progress(f"{page.total} found" + (f"; go on with --cursor {page.next}" if page.next else ""))


@app.command("steps")
def show_steps(home: Home, slug: Slug, as_json: AsJson = False) -> None:
    """Who took each step of a system, and whether by a second pair of eyes. For staff: accounts are not public."""
    with open_home(home, tolerant=True) as g:
        rows = [
            {
                "index": one.index,
                "time": one.time,
                "kind": one.kind,
                "to": one.what.get("to"),
                "version": one.what.get("version"),
                "role": one.what.get("role"),
                "account": one.account,
                "four_eyes": {None: "", True: "yes", False: "no"}[one.four_eyes],
            }
            for one in approval.steps(g, slug)
        ]
    print_rows(rows, as_json=as_json)


@app.command("as-of")
def show_past(
    home: Home,
    slug: Slug,
    day: Annotated[str, typer.Argument(metavar="DAY", help="YYYY-MM-DD: how it was at the end of it, UTC.")],
    since: Annotated[str | None, typer.Option(help="YYYY-MM-DD: what changed since the end of that day.")] = None,
) -> None:
    """A system as the public register had it on a day, with the log's proofs; or what changed since another day."""
    with open_home(home, tolerant=True) as g:
        last = _day(day, "DAY")
        found = (
            history.as_of(g, slug, last) if since is None else history.between(g, slug, _day(since, "--since"), last)
        )
    if isinstance(found, history.Past):
        print_json({**_past(found), "record": format_system(found.system)})
        return
    changes = [{"path": one.path, "before": one.before, "after": one.after} for one in found.changes]
    print_json({"from": _past(found.before), "to": _past(found.after), "changes": changes})


def _past(past: history.Past) -> dict[str, Any]:
    names = ("state", "running_version", "digest", "whole", "entry", "state_entry", "approvals")
    return {"day": past.day.isoformat(), **{name: getattr(past, name) for name in names}}


def _day(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError("is no day: write it as 2026-12-31", field=field) from None


@app.command("show")
def show_system(home: Home, slug: Slug) -> None:
    """One system with its running version, its tests and its history, as JSON."""
    with open_home(home, tolerant=True) as g:
        public = register.show(g, slug)
        changes = register.history(g, slug)
        tests = test_summary.facts(g, slug)
    print_json(
        {
            "system": format_system(public.system),
            "state": public.state,
            "running_version": public.running_version,
            "manifest": public.version.digest if public.version else None,
            **tests,
            "history": changes,
        }
    )


@app.command("state")
def change_state(
    home: Home,
    slug: Slug,
    to: Annotated[str, typer.Argument(metavar="STATE", help="The state to come into.")],
    reason: Annotated[str | None, typer.Option(help="Reason code; by default the only one of the step.")] = None,
    role: Role = "administrator",
    version: Annotated[int | None, typer.Option(help="The version to run; the newest by default.")] = None,
    ground: Annotated[
        str | None,
        typer.Option(
            "--override",
            metavar="GROUND",
            help=f"Let it through past tests or a duty, in public: {', '.join(GROUNDS.codes)}.",
        ),
    ] = None,
    because: Because = None,
    account: Account = None,
) -> None:
    """Bring a system into a state by the table of transitions."""
    if (ground is None) != (not because):
        raise UsageError("go together: give a ground and the reasons, or neither", field="--override and --because")
    with open_home(home) as g:
        override = None
        if ground is not None:
            override = lifecycle.Override(ground, read_reasons(because or [], g.settings.languages[0]))
        public = lifecycle.change_state(
            g, slug, to, reason=reason, role=role, version=version, override=override, account=account
        )
        if public.state in MODES:
            for one in gates.look(g, slug):
                progress(f"AI Act {one.article}: {one.text}")
    print_json({"system": slug, "state": public.state, "running_version": public.running_version})


def read_reasons(given: list[str], first: str) -> dict[str, str]:
    """Texts by language: `nl=TEXT`, or TEXT alone in the language `first`. Raises UsageError for two in one."""
    found: dict[str, str] = {}
    for text in given:
        named = re.fullmatch(rf"({LANGUAGE})=(.*)", text, re.DOTALL)
        lang, words = (named[1], named[named.re.groups]) if named else (first, text)
        if lang in found:
            raise UsageError(f"gives two texts in {lang}: write them as one", field="--because")
        found[lang] = words
    return found
