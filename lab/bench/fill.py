"""A log of any size for the benchmark of questions, loaded in bulk: valid, a year long, the same content each time.

Entries, tiles, signed head and guard hold for any verifier. Query rows, roll-up, events, tags and reviews are those of
the entries. Only the records of some persons (`REAL`) are truly sealed, so that they can be erased as any other. The
commitments and ciphertexts of the rest are random bytes of the right length, since to make them would take hours:
`log fsck` would say so.
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import numpy as np
from sqlalchemy import Connection

from auditlog.core.entries.record import Entry, make_entry
from auditlog.core.formats.canonical import Json
from auditlog.core.formats.tiles import Growth, grow
from auditlog.store.decisions import decision_table, review_table
from auditlog.store.log import entry_table, write_tiles
from auditlog.store.rollup import EVENT_CODES, event_table, rollup_table
from auditlog.store.vault import sealed_table, subject_table
from auditlog.vault.seal import Vault
from lab.bench.bulk import insert_columns
from lab.bench.content import (
    ACTIONS,
    AGENCY,
    COMMITTED,
    DAYS,
    DECISION,
    FIRST,
    MODES,
    NUMBERS,
    OUTCOMES,
    REAL,
    REASONS,
    REVIEW,
    REVIEWED,
    SEALED_BYTES,
    SYSTEMS,
    Columns,
    Key,
    boot_of,
    cells_of_day,
    digest_of,
    draw,
    normalise_of,
    reference_of,
    uuids,
    values_of,
)
from lab.bench.scene import ORIGIN


@dataclass(frozen=True, slots=True)
class _Review:
    """One that is due: of which decision, in what way, and of which person (its number)."""

    decision: str
    action: str
    minute: str
    person: int


@dataclass(slots=True)
class Filler:
    """Writes day after day into one transaction. `slot` counts the slots of keys that are given out."""

    conn: Connection
    vault: Vault
    index_key: bytes
    decisions: int
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    growth: Growth = field(default_factory=lambda: grow(0, {}, []))
    slot: int = 0
    due: dict[int, list[_Review]] = field(default_factory=lambda: defaultdict(list))
    cells: dict[Key, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def persons(self) -> int:
        """How many there are: about twenty records each."""
        return max(REAL + 1, self.decisions // 20)

    def run(self, report: Callable[[str], None]) -> None:
        """Everything, from the genesis entry to the last day."""
        self._append(self._begin())
        for day in range(DAYS):
            self._day(day)
            if day % 30 == 29:
                report(f"{self.decisions * (day + 1) // DAYS:,} of {self.decisions:,} decisions")
        keys = zip(*[(1, *key, number) for key, number in sorted(self.cells.items())], strict=True)
        names = ("log", "system", "version", "mode", "day", "cell", "number")
        insert_columns(self.conn, rollup_table, dict(zip(names, map(list, keys), strict=True)))

    # --- entries that are few -------------------------------------------------------------------------------------

    def _make(self, kind: str, minute: datetime, **members: Any) -> Entry:
        return make_entry(kind, id=self._ids(1)[0], agency=AGENCY, time=minute, **members)

    def _begin(self) -> list[Entry]:
        made = [
            self._make("genesis/1", FIRST, origin=ORIGIN, log=1, software="greffier bench", predecessor=None, lost=None)
        ]
        for number, slug in enumerate(SYSTEMS):
            made.append(self._make("system/1", FIRST, system=slug, record=digest_of(slug), action="registered"))
            made += [
                self._make("version/1", FIRST, system=slug, version=v, manifest=digest_of(f"{slug} {v}"), model=None)
                for v in (1, 2)
            ]
            to = "pilot" if MODES[number] == "pilot" else "active"
            made.append(self._state(slug, FIRST, "draft", to, 1))
        return made

    def _state(self, slug: str, minute: datetime, before: str, after: str, version: int) -> Entry:
        members = {"from": before, "to": after, "version": version, "manifest": digest_of(f"{slug} {version}")}
        return self._make("state/1", minute, system=slug, reason="new_version", role="operator", **members)

    def _morning(self, day: int, begin: datetime) -> list[Entry]:
        """In the middle of the year, the second version of each system; each day a worker process of its own."""
        made = []
        if day == DAYS // 2:
            for slug, mode in zip(SYSTEMS, MODES, strict=True):
                state = "pilot" if mode == "pilot" else "active"
                made.append(self._state(slug, begin, state, state, 2))
        facts = {"runtime": "none", "build": digest_of("build"), "cpu": [], "threads": 1}
        return [*made, self._make("boot/1", begin, boot=boot_of(day), determinism="not_measured", unclosed=[], **facts)]

    def _append(self, entries: list[Entry]) -> None:
        ids = [entry.id for entry in entries]
        indices = self._store(ids, [entry.data for entry in entries])
        codes = [entry.members.get(EVENT_CODES.get(entry.kind, "")) for entry in entries]
        said = {"kind": [entry.kind for entry in entries], "minute": [entry.time for entry in entries], "code": codes}
        said |= {"system": [entry.members.get("system") for entry in entries], "id": ids}
        insert_columns(self.conn, event_table, {**said, "log": 1, "idx": indices})

    def _store(self, ids: list[str], data: list[bytes]) -> range:
        """Entries and tree; returns their indices."""
        start = self.growth.size
        hashes = [sha256(b"\0" + one).digest() for one in data]
        self.growth = grow(start, self.growth.edge, hashes, self.growth.rows)
        write_tiles(self.conn, 1, self.growth.tiles)
        indices = range(start, self.growth.size)
        insert_columns(self.conn, entry_table, {"log": 1, "idx": indices, "id": ids, "data": data})
        return indices

    def _ids(self, count: int) -> list[str]:
        return uuids(self.rng.bytes(16 * count))

    # --- one day --------------------------------------------------------------------------------------------------

    def _day(self, day: int) -> None:
        begin = FIRST + timedelta(days=day)
        count = self.decisions * (day + 1) // DAYS - self.decisions * day // DAYS
        self._append(self._morning(day, begin))
        if count:
            self._decide(day, begin, count)
        self._refuse(day, begin, count)
        if self.due.get(day):
            self._review(self.due.pop(day))
        self._append([self._make("close/1", begin + timedelta(hours=23, minutes=59), boot=boot_of(day), n=count)])

    def _decide(self, day: int, begin: datetime, count: int) -> None:
        drawn = draw(self.rng, begin, count)
        ids, persons = self._ids(count), self.rng.integers(0, self.persons, count).tolist()
        reviews = self._plan_reviews(day, ids, persons, drawn["minute"])
        sealed = self._seal(ids, persons, drawn)
        version = 1 if day < DAYS // 2 else 2
        hexed, boot = self.rng.bytes(32 * len(COMMITTED) * count).hex(), boot_of(day)
        manifests = [digest_of(f"{slug} {version}") for slug in SYSTEMS]
        width = 64 * len(COMMITTED)
        data = []
        for n, (id_, system, minute) in enumerate(zip(ids, drawn["system"], drawn["minute"], strict=True)):
            at = n * width
            commitments = sealed.get(n) or [hexed[start : start + 64] for start in range(at, at + width, 64)]
            place = (id_, manifests[system], MODES[system], n + 1, SYSTEMS[system], minute, version)
            data.append((DECISION % (boot, *commitments, *place)).encode())
        indices = self._store(ids, data)
        columns = {name: drawn[name] for name in NUMBERS} | reviews
        insert_columns(
            self.conn,
            decision_table,
            columns
            | {"id": ids, "log": 1, "idx": indices, "version": version, "minute": drawn["minute"], "capture": "runtime"}
            | {"system": [SYSTEMS[one] for one in drawn["system"]], "mode": [MODES[one] for one in drawn["system"]]}
            | {"outcome": [OUTCOMES[one] for one in drawn["outcome"]], "energy_method": "measured", "currency": "EUR"}
            | {"boot": boot, "source": None, "n": range(1, count + 1), "content": "held"},
        )
        for key, number in cells_of_day(day, version, drawn, reviews).items():
            self.cells[key] += number

    def _plan_reviews(self, day: int, ids: list[str], persons: list[int], minutes: list[str]) -> Columns:
        """One in seven results is reviewed, some of them days later; the columns of their rows."""
        count, begin = len(ids), FIRST + timedelta(days=day)
        columns: Columns = {name: [None] * count for name in ("review", "reviewed", "waited")}
        chosen = np.flatnonzero(self.rng.random(count) < 0.15)
        delays = self.rng.choice((0, 1, 3, 9, 40), len(chosen), p=(0.7, 0.15, 0.1, 0.04, 0.01)).tolist()
        actions = self.rng.choice(len(ACTIONS), len(chosen), p=(0.8, 0.1, 0.05, 0.05)).tolist()
        for n, delay, action in zip(chosen.tolist(), delays, actions, strict=True):
            if day + delay < DAYS:
                minute = f"{begin + timedelta(days=delay):%Y-%m-%d}T23:30Z"
                self.due[day + delay].append(_Review(ids[n], ACTIONS[action], minute, persons[n]))
                at = minutes[n]
                waited = delay * 1440 + 23 * 60 + 30 - int(at[11:13]) * 60 - int(at[14:16])
                columns["review"][n], columns["reviewed"][n], columns["waited"][n] = ACTIONS[action], minute, waited
        return columns

    def _seal(self, ids: list[str], persons: list[int], drawn: Columns) -> dict[int, list[str]]:
        """Tags and sealed rows of all; commitments of the real ones, by their place in the day."""
        tags = [hmac.digest(self.index_key, normalise_of(person).encode(), "sha256") for person in persons]
        real: dict[int, list[str]] = {}
        for n, person in enumerate(persons):
            if person < REAL:
                prepared = self.vault.prepare(ids[n], values_of(n, drawn), [reference_of(person)])
                prepared.insert(self.conn)
                real[n] = [prepared.commitments[name] for name in COMMITTED]
        others = [n for n in range(len(ids)) if n not in real] if real else range(len(ids))
        kept = [ids[n] for n in others]
        self._seal_at_random(kept)
        rows = {"tag": [tags[n] for n in others], "id": kept, "kind": "subject"}
        insert_columns(self.conn, subject_table, rows)
        return real

    def _seal_at_random(self, ids: list[str]) -> None:
        count = len(ids)
        pool = self.rng.bytes(284 * count)
        ciphertexts = [b"\x01" + pool[at : at + SEALED_BYTES - 1] for at in range(0, 272 * count, 272)]
        nonces = [pool[at : at + 12] for at in range(272 * count, 284 * count, 12)]
        slots = range(self.slot, self.slot + count)
        self.slot += count
        insert_columns(self.conn, sealed_table, {"id": ids, "slot": slots, "nonce": nonces, "ciphertext": ciphertexts})

    def _review(self, due: list[_Review]) -> None:
        ids, hexed, width = self._ids(len(due)), self.rng.bytes(32 * 7 * len(due)).hex(), 64 * 7
        data, fake = [], []
        for n, (id_, one) in enumerate(zip(ids, due, strict=True)):
            commitments = [hexed[at : at + 64] for at in range(n * width, (n + 1) * width, 64)]
            if one.person < REAL:
                values: dict[str, Json] = dict.fromkeys(REVIEWED, "as it is")
                prepared = self.vault.prepare(id_, values | {"reference": one.decision, "action": one.action})
                prepared.insert(self.conn)
                commitments = [prepared.commitments[name] for name in REVIEWED]
            else:
                fake.append(id_)
            data.append((REVIEW % (*commitments, id_, one.minute)).encode())
        self._seal_at_random(fake)
        indices, minutes = self._store(ids, data), [one.minute for one in due]
        common = {"id": ids, "log": 1, "idx": indices, "minute": minutes}
        decided = {"decision_id": [one.decision for one in due], "action": [one.action for one in due]}
        insert_columns(self.conn, review_table, common | decided)
        insert_columns(self.conn, event_table, common | {"kind": "review/1", "system": None, "code": None})

    def _refuse(self, day: int, begin: datetime, count: int) -> None:
        made = []
        for n in range((count + day % 50) // 50):
            slug, reason = SYSTEMS[(day + n) % len(SYSTEMS)], REASONS[n % len(REASONS)]
            version = 1 if day < DAYS // 2 else 2
            members = {"system": slug, "version": version, "reason": reason, "boot": None, "n": None}
            made.append(self._make("refused/1", begin + timedelta(hours=23), **members))
            for cell in ("refusals", f"refusals.{reason}"):
                self.cells[slug, version, "", f"{begin:%Y-%m-%d}", cell] += 1
        self._append(made)
