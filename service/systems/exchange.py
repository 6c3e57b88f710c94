"""The register in the formats of others: one system or all of them out, files in, as drafts that somebody completes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from home.errors import UsageError
from home.greffier import Greffier
from registry import publication
from registry.canonical import parse_json
from registry.errors import FormatError, RegistryError, UnknownSystem
from registry.exchange import annex_viii_fields, sheet
from registry.exchange.drafts import checked, needed, registrable, uncut
from registry.exchange.formats import FORMATS, PUBLIC, find_format
from registry.exchange.transfer import (
    Agency,
    DoesNotApply,
    Draft,
    Exported,
    Fault,
    Imported,
    Lost,
    Missing,
    Source,
    merge,
)
from registry.manifest import SystemVersion
from registry.register_file import RegisterFile, format_register_file, parse_register_file
from registry.store import systems as store
from registry.system import format_system, parse_system
from service.systems import register

SHEETS: Final = ("csv", "xlsx")
"""Formats whose file holds many systems, and in which a column says what a member is and not what is added to it."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A format in which the public may have a system: its name, title per language, and the path of the file."""

    format: str
    title: Mapping[str, str]
    media: str
    href: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one system of a file: `new`, `changed`, `unchanged`, or `refused` for what `missing` and `faults`
    say. `members`: those that are given or changed. `left_out`: optional ones of which parts are still missing."""

    slug: str | None
    line: int | None
    action: str
    members: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()
    left_out: tuple[str, ...] = ()
    lost: tuple[Lost, ...] = ()
    unknown: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a file. `registered`: whether anything was written: all of it is, or nothing."""

    outcomes: tuple[Outcome, ...]
    registered: bool

    @property
    def refused(self) -> int:
        """How many systems of the file cannot be taken as they are."""
        return sum(one.action == "refused" for one in self.outcomes)


def export(g: Greffier, slug: str, name: str, *, whole: bool = False, lang: str | None = None) -> Exported:
    """One system in a format, without what is withheld from the public unless `whole`.

    `lang`: of texts in a format that takes one language; by default the first of the settings. Raises UnknownSystem,
    FormatError for an unknown format, DoesNotApply where the format is for other systems.
    """
    return find_format(name).write(_source(g, register.show(g, slug), whole=whole, lang=lang))


def export_public(g: Greffier, slug: str, name: str, *, lang: str | None = None) -> Exported:
    """The same as everyone may have it. Raises UnknownSystem for what is not public, DoesNotApply as `export` does."""
    shown = _public(g, slug)
    _demand_public(shown, name)
    return find_format(name).write(_source(g, shown, whole=False, lang=lang))


def _public(g: Greffier, slug: str) -> register.PublicSystem:
    shown = register.show(g, slug)
    if not publication.is_public(shown.system, shown.state):
        raise UnknownSystem("no system of this name is in the public register", field="system")
    return shown


def _demand_public(shown: register.PublicSystem, name: str) -> None:
    if not find_format(name).public:
        raise DoesNotApply("is for the staff: a register file holds the prompts of a version", field="format")
    if name.startswith("annex-viii") and annex_viii_fields.restricted(shown.system):
        raise DoesNotApply("is entered in the section that is not public (AI Act 49(4))", field="format")


def export_all(g: Greffier, name: str, *, whole: bool = False) -> Exported:
    """All systems in one sheet, drafts too. Raises UsageError for another format."""
    if name not in SHEETS:
        raise UsageError(f"takes one system a file; for all of them write {' or '.join(SHEETS)}", field="--to")
    sources = [_source(g, one, whole=whole) for one in register.list_systems(g)]
    return sheet.to_csv(sources) if name == "csv" else sheet.to_xlsx(sources)


def offers(g: Greffier, slug: str) -> list[Offer]:
    """The formats in which the public may have this system: those that are for it. Raises UnknownSystem."""
    shown = _public(g, slug)
    source = _source(g, shown, whole=False)
    found: list[Offer] = []
    for form in PUBLIC.values():
        try:
            _demand_public(shown, form.name)
            form.demand(source)
        except DoesNotApply:
            continue
        found.append(Offer(form.name, form.title, form.media, f"/register/{slug}.{form.name}"))
    return found


def _source(g: Greffier, shown: register.PublicSystem, *, whole: bool, lang: str | None = None) -> Source:
    today = g.clock().date()
    hidden = () if whole else publication.withheld(shown.system, today)
    system = shown.system if whole else publication.public_system(shown.system, today)
    version = shown.version or _newest(g, shown.system.slug)
    hidden_names = frozenset(one.member for one in hidden)
    chosen = lang or g.settings.languages[0]
    return Source(system, shown.state, version, agency_of(g), lang=chosen, withheld=hidden_names)


def agency_of(g: Greffier) -> Agency | None:
    """The agency as the formats name it; None without a written profile."""
    profile = g.profile
    if profile is None:
        return None
    return Agency(
        profile.names,
        ", ".join(profile.address),
        f"{profile.email}, {profile.phone}",
        g.settings.base_url.rstrip("/"),
        profile.objection_route,
    )


def _newest(g: Greffier, slug: str) -> SystemVersion | None:
    with g.reading() as conn:
        versions = store.list_versions(conn, slug)
    return versions[-1] if versions else None


def import_file(
    g: Greffier,
    data: bytes,
    name: str,
    *,
    slug: str | None = None,
    filling: bytes | None = None,
    dry_run: bool = False,
    account: str | None = None,
) -> Report:
    """Take the systems of a file into the register: new ones as drafts, known ones (by slug) as changed records.

    `slug`: for a file that gives none. `filling`: a JSON object of members for what the file leaves open. Where one
    system cannot be taken, none is. Raises FormatError where the file is not of that format.
    """
    form = find_format(name)
    if form.read is None:
        raise UsageError(f"only goes out; files come in as {_incoming()}", field="--from")
    filled = {} if filling is None else _object(filling)
    found = form.read(data)
    if slug is not None and len(found) != 1:
        raise UsageError("is for a file of one system; this one has several", field="--slug")
    planned = [_plan(g, one, filled, slug, keeps=name in SHEETS) for one in found]
    outcomes = tuple(outcome for outcome, _ in planned)
    files = [file for outcome, file in planned if file is not None and outcome.action in {"new", "changed"}]
    if dry_run or any(one.action == "refused" for one in outcomes):
        return Report(outcomes, registered=False)
    for file in files:
        register.register(g, file, account=account)
    return Report(outcomes, registered=bool(files))


def _incoming() -> str:
    return ", ".join(form.name for form in FORMATS.values() if form.read is not None)


def _object(filling: bytes) -> Draft:
    value = parse_json(filling)
    if not isinstance(value, dict):
        raise FormatError("is not an object; write the members between { and }", field="--fill")
    return dict(value)


def _plan(
    g: Greffier, found: Imported, filling: Draft, slug: str | None, *, keeps: bool
) -> tuple[Outcome, bytes | None]:
    """What would become of one system, and the register file for it. `keeps`: a member is as the file says, whole."""
    draft = dict(found.draft) | ({"slug": slug} if slug is not None else {})
    name = draft.get("slug")
    known = _known(g, name) if isinstance(name, str) else None
    base: Draft = {"agency": g.settings.agency, "capture": "none"}
    if known is not None:
        base = dict(format_system(known.system))
    merged = base | draft if keeps else merge(base, _whole(draft, base))
    merged = merge(dict(filling), merged) if filling else merged
    full = checked(Imported({name: item for name, item in merged.items() if item is not None}))
    record, left_out = registrable(full.draft)
    outcome = Outcome(
        name if isinstance(name, str) else None,
        found.line,
        "refused",
        tuple(sorted(draft)),
        needed(record),
        left_out,
        found.lost,
        found.unknown,
        (*found.faults, *(replace(fault, line=found.line) for fault in full.faults)),
    )
    if outcome.missing or outcome.faults:
        return outcome, None
    try:
        return _ready(g, outcome, record, known)
    except RegistryError as error:
        field = (error.field or "system").removeprefix("system.")
        message = str(error).removeprefix(f"{error.field}: ")
        return replace(outcome, faults=(Fault(field, message, found.line),)), None


def _whole(draft: Draft, known: Draft) -> Draft:
    """What was cut or taken out on its way out, whole again: texts, and an address out of a line of contact."""
    found = uncut(draft, known)
    assert isinstance(found, dict)
    mine, theirs = known.get("owner"), found.get("owner")
    if isinstance(mine, dict) and isinstance(theirs, dict) and str(theirs.get("contact")) in str(mine.get("contact")):
        found["owner"] = {**theirs, "contact": mine["contact"]}
    return found


def _ready(
    g: Greffier, outcome: Outcome, record: Draft, known: register.PublicSystem | None
) -> tuple[Outcome, bytes | None]:
    """Check the whole record as the register will, with the version that it has; raises RegistryError."""
    system = parse_system(record)
    if known is not None and known.system == system:
        return replace(outcome, action="unchanged", members=()), None
    version = None if known is None else _newest(g, system.slug)
    value = format_register_file(RegisterFile(system, version.manifest if version else None))
    file = json.dumps(value, ensure_ascii=False).encode()
    with g.reading() as conn:
        store.plan_registration(conn, parse_register_file(file))
    if known is None:
        return replace(outcome, action="new"), file
    before, after = format_system(known.system), format_system(system)
    changed = tuple(sorted(name for name in before | after if before.get(name) != after.get(name)))
    return replace(outcome, action="changed", members=changed), file


def _known(g: Greffier, slug: str) -> register.PublicSystem | None:
    try:
        return register.show(g, slug)
    except UnknownSystem:
        return None
