"""What the entries of a log say in clear about a period, and a report held against it. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from auditlog.core.counting.figures import COUNTED_MODES
from auditlog.core.entries.record import Entry
from reports.errors import TwinError
from reports.transparency import uptime
from reports.transparency.context import TransparencyReport


@dataclass(slots=True)
class Found:
    """What the log has about the report."""

    tallies: dict[str, Entry] = field(default_factory=dict)
    before: dict[str, set[str]] = field(default_factory=dict)
    days: dict[str, set[str]] = field(default_factory=dict)
    clear: dict[tuple[str, str], int] = field(default_factory=dict)
    versions: dict[str, set[int]] = field(default_factory=dict)
    replays: dict[str, dict[str, int]] = field(default_factory=dict)
    begun: str | None = None
    minutes: set[str] = field(default_factory=set)
    told: list[tuple[str, Any]] = field(default_factory=list)
    earlier: list[tuple[str, str]] = field(default_factory=list)
    """Digest and day of each report of the same days that was published before, in order."""
    published: bool = False
    continues: bool = False


def read_log(report: TransparencyReport, digest: str, entries: Iterable[Entry]) -> Found:
    """One pass over the log, up to the publication."""
    found, first, last = Found(), report.since.isoformat(), report.until.isoformat()
    wanted, same_days = {tally.id for tally in report.tallies}, ("transparency", first, last)
    for place, entry in enumerate(entries):
        members: Any = entry.members
        day = entry.time[:10]
        _read_signs(found, entry, within=first <= day <= last)
        if place == 0 and entry.kind == "genesis/1":
            found.continues = members["predecessor"] is not None
        elif entry.kind == "publication/1" and members["digest"] == digest:
            found.published = (members["first"], members["last"]) == (first, last)
            break
        elif entry.kind == "publication/1" and (members["document"], members["first"], members["last"]) == same_days:
            found.earlier.append((members["digest"], day))
        elif entry.kind == "tally/1":
            _read_tally(found, entry, wanted, (first, last))
        elif entry.kind == "replay/1" and first <= day <= last:
            mine = found.replays.setdefault(members["system"], {})
            mine[members["verdict"]] = mine.get(members["verdict"], 0) + 1
        elif entry.kind == "refused/1" and first <= day <= last:
            for cell in ("refusals", f"refusals.{members['reason']}"):
                key = members["system"] or "", cell
                found.clear[key] = found.clear.get(key, 0) + 1
        elif entry.kind == "decision/1" and first <= day <= last and members["mode"] in COUNTED_MODES:
            key = members["system"], "decisions"
            found.clear[key] = found.clear.get(key, 0) + 1
            found.versions.setdefault(members["system"], set()).add(members["version"])
    return found


def _read_signs(found: Found, entry: Entry, *, within: bool) -> None:
    if entry.kind == "decision/1":
        return
    found.begun = entry.time if found.begun is None else min(found.begun, entry.time)
    if within:
        found.minutes.add(entry.time)
        if entry.kind in uptime.KINDS:
            found.told.append((entry.kind, entry.members))


def _read_tally(found: Found, entry: Entry, wanted: set[str], days: tuple[str, str]) -> None:
    members: Any = entry.members
    system = members["system"] or ""
    if entry.id in wanted:
        found.tallies[entry.id] = entry
        # Up to here: what was tallied later is no part of it.
        found.before[entry.id] = set(found.days.get(system, ()))
    in_days = days[0] <= members["first"] and members["last"] <= days[1]
    if members["level"] == "day" and in_days and members["mode"] in (None, *COUNTED_MODES):
        found.days.setdefault(system, set()).add(entry.id)


def check_correction(report: TransparencyReport, found: Found) -> None:
    """What is corrected is the report before, and what comes second says so; reports without marks are older."""
    told = report.correction
    if told is None:
        if found.earlier and report.marks:
            raise TwinError("these days were published before, and it says of no report that it corrects it")
        return
    before = found.earlier[-1] if found.earlier else None
    if before != (told.corrects, told.published.isoformat()) or told.edition != len(found.earlier) + 1:
        raise TwinError("correction: is not of the report of these days that the log has before it")


def check_versions(report: TransparencyReport, found: Found) -> None:
    for system in report.systems:
        if system.versions != tuple(sorted(found.versions.get(system.slug, ()))):
            raise TwinError(f"{system.slug}: gave results by other versions than those named")


def left_out(report: TransparencyReport, found: Found) -> set[str]:
    """Systems with tallies or replays of these days in the log that the report does not name."""
    named = {system.slug for system in report.systems} | {one.system for one in report.replays}
    return (found.days.keys() | found.replays.keys()) - named - {""}


def check_replays(report: TransparencyReport, found: Found) -> None:
    """The replays of each system. Those that are left out, as many as the report says, have none in it."""
    stated = {one.system: dict(one.counts) for one in report.replays}
    if len(stated) != len(report.replays):
        raise TwinError("shows the replays of one system twice")
    hidden = left_out(report, found)
    allowed = hidden if len(hidden) <= report.not_shown else set()
    for system in sorted(stated.keys() | found.replays.keys()):
        if stated.get(system) != found.replays.get(system) and (system in stated or system not in allowed):
            raise TwinError(f"{system}: the log has other replays of these days")


def check_running(report: TransparencyReport, found: Found) -> None:
    """Hours of silence, outages and starts. Reports from before they were told lack them."""
    if report.running is None:
        return
    made = uptime.running(report.since, report.until, found.minutes, found.told, begun=found.begun)
    if made is None:
        raise TwinError("running: the log began after these days")
    for one in dataclasses.fields(made):
        if getattr(made, one.name) != getattr(report.running, one.name):
            raise TwinError(f"running.{one.name}: is not what the entries of the log give")
