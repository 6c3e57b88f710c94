"""Attacks on what is recorded: the operator patches the program or its files before anything reaches the log."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from auditlog.core.counting.cells import counted
from auditlog.core.entries.record import parse_entry
from auditlog.store.decisions import decision_rows
from auditlog.store.sources import source_row
from auditlog.writing.log import Sequenced, Unit
from lab.attack.attacks import RECORDS, attack
from lab.attack.databases import PULSE
from lab.attack.forgery import edited
from lab.attack.scene import HOUR, SYSTEM, Scene, advance, append, decide_one, pulse
from lab.attack.scripted_runtime import Clerk
from registry.store import systems as register_store
from runtime.program import Request
from runtime.worker.counter import counter_path
from service.deciding import programs
from service.records import reading

if TYPE_CHECKING:
    from auditlog.store.insert import Row
    from home.greffier import Greffier


def _clerk(g: Greffier) -> Clerk:
    return cast("Clerk", g.runtime)


def _request(g: Greffier) -> Request:
    with g.reading() as conn:
        manifest = register_store.gate(conn, SYSTEM).running.manifest
    return Request(str(uuid.uuid4()), programs.program(manifest), cast("Any", {}), None, None)


def _compute(s: Scene, g: Greffier, *, letter: bool = True) -> None:
    """The patched program: the runtime computes, a letter leaves, nothing is recorded."""
    made = _clerk(g).generate(_request(g)).result()
    s.left_out.append(made.id)
    if letter:
        s.letters[made.id] = b""


@attack(RECORDS, "a decision computed and left out of the log; the next one is recorded")
def decision_left_out(s: Scene) -> None:
    with s.opened() as g:
        decide_one(s, g)
        _compute(s, g, letter=False)
        decide_one(s, g)


@attack(RECORDS, "a decision left out, and it was the boot's last: the program closes in order")
def last_decision_left_out(s: Scene) -> None:
    with s.opened() as g:
        decide_one(s, g)
        _compute(s, g, letter=False)


@attack(RECORDS, "a decision left out, the program killed, and the counter file patched down before the next start")
def counter_patched(s: Scene) -> None:
    _patch_counter(s, pulsed=False)


@attack(RECORDS, "the same, after a pulse had stated the number that the counter had reached")
def counter_patched_after_pulse(s: Scene) -> None:
    _patch_counter(s, pulsed=True)


def _patch_counter(s: Scene, *, pulsed: bool) -> None:
    with s.opened() as g:
        decide_one(s, g)
        _compute(s, g, letter=False)
        if pulsed:
            pulse(g)
        boot, n = _clerk(g).reached() or ("", 0)
        _clerk(g).kill()
    counter_path(s.home / "run", boot).write_bytes((n - 1).to_bytes(8, "little"))
    with s.opened() as g:
        decide_one(s, g)


@attack(RECORDS, "the program patched: it computes without raising the counter and records nothing; no letter leaves")
def counter_not_raised(s: Scene) -> None:
    with s.opened() as g:
        decide_one(s, g)
        s.left_out.append(_clerk(g).generate_secretly(_request(g)).id)
        decide_one(s, g)


@attack(RECORDS, "the same, and a letter with a reference leaves")
def counter_not_raised_but_letter(s: Scene) -> None:
    with s.opened() as g:
        decide_one(s, g)
        s.left_out.append(_clerk(g).generate_secretly(_request(g)).id)
        s.letters[s.left_out[0]] = b""


@attack(RECORDS, "the program killed between computing and recording")
def killed_between(s: Scene) -> None:
    with s.opened() as g:
        decide_one(s, g)
        _compute(s, g)
        _clerk(g).kill()
    with s.opened() as g:
        decide_one(s, g)


@attack(RECORDS, "another output recorded than the letter tells; a receipt was given, too")
def other_output_recorded(s: Scene) -> None:
    with s.opened() as g:
        s.texts[decide_one(s, g)] = "contact"


@attack(RECORDS, "the same, and no receipt is given")
def other_output_without_receipt(s: Scene) -> None:
    with s.opened() as g:
        id_ = decide_one(s, g)
    s.texts[id_], s.letters[id_] = "contact", b""


def _forge(s: Scene, **changes: Any) -> None:
    """A decision of the operator's making, with content and rows, through the real writer."""
    with s.opened() as g:
        (like,) = reading.recount(g, [decide_one(s, g)])
        id_ = str(uuid.uuid4())
        values = {name: value for name, value in like.values.items() if name != "subjects"}
        prepared = g.vault.prepare(id_, values, ("P-1",))
        boot, n = _clerk(g).reached() or ("", 0)
        number = n if "n" in changes else _clerk(g).skip()
        members = {"boot": boot, "n": number, "commitments": prepared.commitments, "time": s.clock(), **changes}
        entry: Any = parse_entry(edited(like.entry.data, id=id_, **members))

        def rows(sequenced: tuple[Sequenced, ...]) -> list[Row]:
            place = sequenced[0].place
            numbered = [source_row(entry, place)] if entry.members["capture"] == "external" else []
            return [*prepared.rows(), *decision_rows(entry, values, place), *numbered]

        g.log.append(Unit((entry,), rows=rows, counts=lambda _: counted(entry, values))).result()
        advance(g)


@attack(RECORDS, "a decision of a system that is not registered")
def system_not_registered(s: Scene) -> None:
    _forge(s, system="nobody-registered-this")


@attack(RECORDS, "a decision under another manifest than the registered one")
def other_manifest(s: Scene) -> None:
    _forge(s, manifest=f"sha256:{'7' * 64}")


@attack(RECORDS, "a counter number used twice")
def number_used_twice(s: Scene) -> None:
    _forge(s, n=1)


@attack(RECORDS, "an entry dated five hours back")
def dated_back(s: Scene) -> None:
    _dated(s, 5 * HOUR)


@attack(RECORDS, "an entry dated half an hour back")
def dated_back_a_little(s: Scene) -> None:
    _dated(s, HOUR / 2)


@attack(RECORDS, "the clock set back to before the log began")
def dated_before_the_log(s: Scene) -> None:
    _dated(s, timedelta(days=30))


@attack(RECORDS, "an entry dated a day ahead")
def dated_ahead(s: Scene) -> None:
    _dated(s, -timedelta(days=1))


def _dated(s: Scene, back: timedelta) -> None:
    s.clock.back = back
    with s.opened() as g:
        decide_one(s, g)
    s.clock.back = timedelta()


@attack(RECORDS, "five hours of entries kept out, or the program stopped: no pulse, no decision")
def hours_kept_out(s: Scene) -> None:
    s.clock.now += 5 * HOUR
    with s.opened() as g:
        append(g, PULSE)


@attack(RECORDS, "fifty minutes of entries kept out, or the program stopped for so long")
def minutes_kept_out(s: Scene) -> None:
    s.clock.now += timedelta(minutes=50)
    with s.opened() as g:
        append(g, PULSE)


def _external(s: Scene, *numbers: int) -> None:
    for n in numbers:
        _forge(s, capture="external", boot=None, source="case-system", n=n)


@attack(RECORDS, "a decision of another program left out, between two that were sent to the log")
def source_left_out(s: Scene) -> None:
    _external(s, 1, 3)


@attack(RECORDS, "the newest decisions of another program left out")
def newest_of_source_left_out(s: Scene) -> None:
    _external(s, 1, 2)


@attack(RECORDS, "a thief with the keys adds well-formed entries to the only history")
def thief_adds(s: Scene) -> None:
    _forge(s, time=s.clock())
