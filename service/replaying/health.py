"""How exactly results can be repeated, and how the replays of late ended: for register, report, `/health` and doctor.

All of it stands in clear in `selftest/1` and `replay/1`; nobody's content is opened.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from auditlog.core.entries.vocabulary import VERDICTS
from auditlog.store.replays import SELFTEST, count_verdicts, newest_entries
from home.greffier import Greffier
from registry.manifest import SystemVersion
from registry.store import systems as register_store
from runtime.verdict import context_digest
from service.deciding import programs

HEALTH_DAYS: Final = 365
# A replay that came out otherwise is an alarm for so long: it does not become right by waiting, but it is read by then.
ALARM_DAYS: Final = 30
_SELFTESTS: Final = 500


@dataclass(frozen=True, slots=True)
class Tested:
    """The newest self-test of a version's model with its context: class, minute, device, digest of the build."""

    determinism: str
    measured: str
    device: str
    build: str


@dataclass(frozen=True, slots=True)
class SystemHealth:
    """A system: its running version (or newest), what its self-test found, and its replays by verdict since a day.

    `determinism`: `not_measured` where there was no self-test; `provider` where somebody else runs the model; None
    where no version is registered.
    """

    system: str
    version: int | None
    determinism: str | None
    measured: str | None
    device: str | None
    build: str | None
    since: str
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def replays(self) -> int:
        """How many there were."""
        return sum(self.counts.values())


def all_systems(g: Greffier) -> list[SystemHealth]:
    """Every system of the register."""
    return list(of_systems(g).values())


def of_systems(
    g: Greffier, until: date | None = None, *, slugs: Collection[str] | None = None
) -> dict[str, SystemHealth]:
    """Slug → how it is, of replays in the last year; of all systems, or of `slugs`."""
    last = g.clock().date() if until is None else until
    since = (last - timedelta(days=HEALTH_DAYS)).isoformat()
    with g.reading() as conn:
        tested = _tested(conn)
        counts = count_verdicts(conn, since, _after(last))
        every = register_store.list_systems(conn) if slugs is None else _named(conn, slugs)
        systems = [(one, register_store.list_versions(conn, one.system.slug)) for one in every]
    found = {}
    for one, versions in systems:
        slug = one.system.slug
        shown = one.version or (versions[-1] if versions else None)
        mine = _class_of(shown, tested)
        found[slug] = SystemHealth(
            system=slug,
            version=None if shown is None else shown.version,
            determinism=mine if isinstance(mine, str) or mine is None else mine.determinism,
            measured=mine.measured if isinstance(mine, Tested) else None,
            device=mine.device if isinstance(mine, Tested) else None,
            build=mine.build if isinstance(mine, Tested) else None,
            since=since,
            counts=in_order(counts.get(slug, {})),
        )
    return found


def _named(conn: Any, slugs: Collection[str]) -> list[register_store.Registered]:
    return [register_store.read_system(conn, slug) for slug in slugs]


def of_period(g: Greffier, first: date, last: date) -> dict[str, dict[str, int]]:
    """Slug → verdict → number, of replays of these days, both included (UTC); verdicts in order, none of them zero."""
    with g.reading() as conn:
        counts = count_verdicts(conn, first.isoformat(), _after(last))
    return {slug: in_order(mine) for slug, mine in sorted(counts.items())}


def alarms(g: Greffier) -> dict[str, int]:
    """Slug → how many replays of the last 30 days came out otherwise than their records say."""
    today = g.clock().date()
    with g.reading() as conn:
        counts = count_verdicts(conn, (today - timedelta(days=ALARM_DAYS)).isoformat(), _after(today))
    return {slug: mine["mismatch"] for slug, mine in sorted(counts.items()) if mine.get("mismatch")}


def warnings(g: Greffier) -> list[str]:
    """The alarms in words, for `/health` and doctor."""
    return [
        f"{number} of the decisions of {slug} that were run again in the last {ALARM_DAYS} days came out otherwise: "
        "`greffier replay --health`, and GET /api/replays?verdict=mismatch says which"
        for slug, number in alarms(g).items()
    ]


def in_order(counts: Mapping[str, int]) -> dict[str, int]:
    """The strongest verdict first. Pure."""
    return {verdict: counts[verdict] for verdict in VERDICTS if counts.get(verdict)}


def _after(day: date) -> str:
    return (day + timedelta(days=1)).isoformat()


def _tested(conn: Any) -> dict[tuple[str, str], Tested]:
    """(model, context) as in the entries → the newest self-test of them."""
    found: dict[tuple[str, str], Tested] = {}
    for _, entry in newest_entries(conn, SELFTEST, _SELFTESTS):
        of: Any = entry.members
        test = Tested(of["determinism"], of["measured"], of["device"], of["build"])
        found.setdefault((of["model"], of["context"]), test)
    return found


def _class_of(version: SystemVersion | None, tested: Mapping[tuple[str, str], Tested]) -> Tested | str | None:
    if version is None:
        return None
    if version.model is None:
        return "provider" if version.manifest.remote is not None else None
    context = context_digest(programs.program(version.manifest).context)
    return tested.get((f"sha256:{version.model}", context), "not_measured")
