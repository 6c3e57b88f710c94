"""Where and what the benchmarks write: a database and a log of their own, filler entries, whole sealed decisions."""

from __future__ import annotations

import contextlib
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from auditlog.core.entries.record import Entry, make_entry
from auditlog.core.formats.canonical import Json
from auditlog.store import metadata
from auditlog.store.decisions import decision_rows
from auditlog.store.engine import open_engine, writing
from auditlog.store.insert import Row
from auditlog.vault.record_keys import RecordKeys
from auditlog.vault.seal import Vault
from auditlog.writing.guard import Guard
from auditlog.writing.keys import KeyFolder
from auditlog.writing.log import Log, Sequenced, Unit
from auditlog.writing.signing import SigningKeys

ORIGIN: Final = "bench.example/log/1"
_AGENCY: Final = "bench-agency"
_SYSTEM: Final = "bench-system"
_MANIFEST: Final = f"sha256:{'0' * 64}"
_USAGE: Final[dict[str, Json]] = {
    "prompt_tokens": 412,
    "output_tokens": 60,
    "queue_us": 310,
    "first_us": 41_200,
    "total_us": 902_000,
    "energy_uj": 14_300_000,
    "energy_method": "measured",
    "cost_millionths": 212,
    "currency": "EUR",
    "tariff_valid_from": "2026-01-01",
}
_RUN: Final[dict[str, Json]] = {"seed": 7, "threads": 2, "prompt_tokens": [*range(64)], "output_tokens": [*range(60)]}


@dataclass(frozen=True, slots=True)
class Scene:
    """One database in its folder. Each log opened on it goes on where the last one ended."""

    folder: Path
    url: str

    @contextlib.contextmanager
    def log(self, trace: Callable[[int], None], *, vault: Vault | None = None) -> Iterator[Log]:
        """The log, started; with a vault, its keys are synced in every group."""
        keys = KeyFolder(self.folder / "keys")
        signers = keys.check(ORIGIN) if keys.files() else keys.begin(ORIGIN)
        engine = open_engine(self.url)
        log = Log(
            engine,
            SigningKeys(signers, origin=ORIGIN),
            Guard(self.folder / "guard"),
            outage_entry=_outage,
            clock=_now,
            trace=trace,
            before_commit=_nothing if vault is None else vault.keys.sync,
        )
        try:
            log.start()
            yield log
        finally:
            log.close()
            engine.dispose()

    @contextlib.contextmanager
    def vault(self) -> Iterator[Vault]:
        """A vault over a key store in the folder."""
        path = self.folder / "record.keys"
        if not path.exists():
            RecordKeys.create(path)
        keys = RecordKeys(path)
        try:
            yield Vault(keys, ORIGIN, bytes(32))
        finally:
            keys.close()


@contextlib.contextmanager
def scene(folder: Path, url: str | None) -> Iterator[Scene]:
    """SQLite in the folder, or a schema of its own on PostgreSQL, which is dropped afterwards."""
    if url is None:
        url = f"sqlite:///{folder}/bench.db"
        engine = open_engine(url)
        metadata.create_all(engine)
        engine.dispose()
        yield Scene(folder, url)
        return
    with own_schema(url) as inside:
        engine = open_engine(inside)
        metadata.create_all(engine)
        engine.dispose()
        yield Scene(folder, inside)


@contextlib.contextmanager
def own_schema(url: str) -> Iterator[str]:
    """The URL of an empty schema of its own on PostgreSQL, which is dropped afterwards."""
    schema = f"greffier_bench_{uuid.uuid4().hex}"
    owner = open_engine(url)
    try:
        with writing(owner) as conn:
            conn.exec_driver_sql(f"CREATE SCHEMA {schema}")
        yield f"{url}{'&' if '?' in url else '?'}options={quote(f'-csearch_path={schema}', safe='')}"
    finally:
        with writing(owner) as conn:
            conn.exec_driver_sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        owner.dispose()


def filler(size: int) -> Entry:
    """An entry of `size` bytes, of a kind that no verifier knows."""
    id_ = _new_id()
    data = f'{{"id":"{id_}","kind":"bench/1","pad":"'.encode()
    return Entry("bench/1", id_, _AGENCY, "", {}, data + b"x" * (size - len(data) - 2) + b'"}')


def decision_values(n: int) -> dict[str, Json]:
    """What is committed of decision number `n`, but for the person: 14 values, 8 of them input fields."""
    return {
        **{f"in_field_{number}": f"what the field number {number} of case {n} says" for number in range(8)},
        "output": {"answer": "accept", "explanation": "three of three conditions are met"},
        "outcome": "accept",
        "parent": None,
        "usage": _USAGE,
        "run": _RUN,
        "times": dict.fromkeys(("received", "decided", "recorded"), "2026-11-24T08:15:00.000000Z"),
    }


def decision_subject(n: int) -> str:
    """The reference of the person whom decision number `n` concerns."""
    return f"WV-{n % 100_000:06}"


def decision(vault: Vault, n: int) -> Unit:
    """A decision of 8 input fields with output and replay facts of 60 tokens: committed, sealed, with its query row."""
    id_ = _new_id()
    now = _now()
    values = decision_values(n)
    prepared = vault.prepare(id_, values, [decision_subject(n)])
    entry = make_entry(
        "decision/1",
        id=id_,
        agency=_AGENCY,
        time=now,
        system=_SYSTEM,
        version=1,
        manifest=_MANIFEST,
        capture="runtime",
        mode="live",
        boot="00000000-0000-4000-8000-000000000000",
        source=None,
        n=n,
        opened=None,
        commitments=prepared.commitments,
    )

    def rows(sequenced: tuple[Sequenced, ...]) -> list[Row]:
        return [*prepared.rows(), *decision_rows(entry, values, sequenced[0].place)]

    return Unit((entry,), rows=rows)


def _new_id() -> str:
    # Not from the system's source: it lets go of the interpreter lock, which is not what is measured here.
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def _outage(cause: str, began: datetime, ended: datetime) -> Entry:
    return make_entry(
        "outage/1", id=_new_id(), agency=_AGENCY, time=ended, cause=cause, began=began, ended=ended, boot=None
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _nothing() -> None:
    """No vault, no keys to sync."""
