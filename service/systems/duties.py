"""The duties of systems under the rules in force, the evidence that is found, and what other rules would change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from home.errors import SettingsError
from home.greffier import Greffier
from registry import duties as pure
from registry.answers import Answers
from registry.canonical import Json
from registry.duties import Affected, Begins, Duty
from registry.errors import FormatError
from registry.publication import public_system, withheld
from registry.rules import Rules, shipped, with_file
from registry.store import history as history_store
from registry.store import systems as store
from registry.system import AISystem
from service.records import reading
from service.systems import answers_check, duty_evidence
from service.systems.answers_check import Standing

if TYPE_CHECKING:
    from sqlalchemy import Connection

_CLASS_BEGINS = "113.c.i"


@dataclass(frozen=True, slots=True)
class SystemDuties:
    """The duties of one system. `rules`, `digest`: of the rules; `answered`: day of the newest answers, or None.

    `stale`: those answers were given by other rules, so that a question may have changed since. `standing`: how they
    stand to the log (`answers_check`); where they were changed, they count as not given.
    """

    system: AISystem
    state: str
    rules: str
    digest: str
    today: date
    duties: tuple[Duty, ...]
    answered: str | None
    stale: bool = False
    standing: Standing = "none"


def rules_of(g: Greffier) -> Rules:
    """The rules that this installation goes by: those of the program, or with the file of `rules_file` in place of one.

    Raises SettingsError for a file that cannot be read, or is none.
    """
    if g.settings.rules_file is None:
        return shipped()
    path = g.home / g.settings.rules_file
    try:
        return with_file(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", field="rules_file") from None
    except FormatError as error:
        raise SettingsError(str(error), field="rules_file") from None


def of_system(g: Greffier, slug: str, *, evidence: bool = False, public: bool = False) -> SystemDuties:
    """Every duty of the rules for a system today. `evidence`: look for what shows that each is met, for staff only.

    `public`: as anyone may know it, by the part of the record that is public; what is withheld makes a duty unknown.
    Raises UnknownSystem.
    """
    rules, today = rules_of(g), g.clock().date()
    with g.reading() as conn:
        found = store.read_system(conn, slug)
        held = answers_check.held(conn, slug)
        answered, answers = held.newest, held.forbidding
        if public:
            # Answers stand in for facts that the record does not say, never for those that it withholds.
            answers = None if _withholds_use(found.system, today) else answers
            found = replace(found, system=public_system(found.system, today))
        known = evaluate(conn, found.system, answers, today, rules)
        if evidence:
            looked = duty_evidence.Looked(conn, found, answers, rules)
            known = tuple(_with_evidence(looked, duty) for duty in known)
    return SystemDuties(
        system=found.system,
        state=found.state,
        rules=rules.version,
        digest=rules.digest,
        today=today,
        duties=known,
        answered=answered.minute[:10] if answered else None,
        stale=answered is not None and answered.digest != rules.digest,
        standing=held.standing,
    )


def _withholds_use(system: AISystem, today: date) -> bool:
    return any(hidden.member == "use" for hidden in withheld(system, today))


def evaluate(
    conn: Connection, system: AISystem, answers: Answers | None, today: date, rules: Rules
) -> tuple[Duty, ...]:
    """The duties of a record as it is given, also before it is registered."""
    changed = _changed_significantly(conn, system.slug, today, rules)
    return pure.duties(system, answers, today, rules, changed=changed)


def _changed_significantly(conn: Connection, slug: str, today: date, rules: Rules) -> bool:
    """Whether a version that changes it substantially (3(23)) came after the date of 113: 111(2) ends with it."""
    begins = rules.dates.get(_CLASS_BEGINS)
    if begins is None or today < begins.day:
        return False
    for place in history_store.list_changes(conn, slug):
        entry = reading.entry_at(conn, *place)
        substantial = entry.kind == "modification/1" and entry.members["substantial"] == "yes"
        if substantial and entry.time[:10] >= begins.day.isoformat():
            return True
    return False


def reevaluate(g: Greffier, new: Rules) -> tuple[Affected, ...]:
    """The systems for which other rules than those in force change a duty today, and what changes. Retired ones are
    left out."""
    old, today = rules_of(g), g.clock().date()
    with g.reading() as conn:
        systems = [
            (found.system, answers_check.held(conn, found.system.slug).forbidding)
            for found in store.list_systems(conn)
            if found.state != "retired"
        ]
    return pure.reevaluate(systems, today, old, new)


def _with_evidence(looked: duty_evidence.Looked, duty: Duty) -> Duty:
    if duty.applies == "no":
        return duty
    return replace(duty, evidence=tuple(replace(item, found=looked.found(item.code)) for item in duty.evidence))


def duty_json(duty: Duty, *, evidence: bool) -> dict[str, Json]:
    """A duty for machines. `evidence`: with what was found, for staff."""
    return {
        "id": duty.id,
        "article": duty.article,
        "who": duty.who,
        "title": dict(duty.title),
        "text": dict(duty.text),
        "applies": duty.applies,
        "missing": list(duty.missing),
        "from": None if duty.begins is None else begins_json(duty.begins),
        "evidence": [
            {"code": item.code, "text": dict(item.text), **({"found": item.found} if evidence else {})}
            for item in duty.evidence
        ],
    }


def begins_json(begins: Begins) -> dict[str, Json]:
    """From when a duty applies, for machines."""
    return {
        "day": begins.day.isoformat() if begins.day else None,
        "basis": begins.basis,
        "contested": begins.contested,
        "note": None if begins.note is None else dict(begins.note),
    }


def as_json(found: SystemDuties, *, evidence: bool) -> dict[str, Json]:
    """The duties of a system for machines: rules with their digest, the day, and every duty."""
    return {
        "system": found.system.slug,
        "rules": found.rules,
        "digest": found.digest,
        "day": found.today.isoformat(),
        "answered": found.answered,
        "stale": found.stale,
        "answers": found.standing,
        "duties": [duty_json(duty, evidence=evidence) for duty in found.duties],
    }


def affected_json(found: Affected) -> dict[str, Json]:
    """What other rules change for a system, for machines."""
    return {
        "system": found.system,
        "changes": [
            {
                "duty": change.id,
                "article": change.article,
                "what": list(change.what),
                "before": None if change.before is None else _short(change.before),
                "after": None if change.after is None else _short(change.after),
            }
            for change in found.changes
        ],
    }


def _short(duty: Duty) -> dict[str, Json]:
    return {"applies": duty.applies, "from": None if duty.begins is None else begins_json(duty.begins)}
