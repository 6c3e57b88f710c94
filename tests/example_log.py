"""An invented log for tests: several kinds, real keys, the same bytes for the same seed; in memory or in a database."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Engine

from auditlog.core.entries.kinds import KINDS
from auditlog.core.entries.receipt import Receipt
from auditlog.core.entries.record import Entry, make_entry, parse_entry
from auditlog.core.formats.canonical import format_canonical
from auditlog.core.formats.checkpoint import Checkpoint, sign_checkpoint
from auditlog.core.formats.commitment import Opening, commit_all, open_field
from auditlog.core.formats.keyring import ALWAYS, KeyRing, LogKey, Sizes, format_key_ring, key_digest
from auditlog.core.formats.merkle import leaf_hash, prove_inclusion, root_hash
from auditlog.core.formats.note import ED25519, ML_DSA_44, Note, Signer, VerifierKey, format_note, parse_note
from auditlog.core.formats.proof import LogProof
from auditlog.core.formats.tiles import (
    entry_bundles_of_size,
    format_entries_path,
    format_entry_bundle,
    format_tile_path,
    grow,
    nodes_reader,
    tiles_of_size,
)
from auditlog.store import metadata
from auditlog.store.log import open_engine
from auditlog.writing.guard import Guard
from auditlog.writing.log import Log, Unit
from auditlog.writing.signing import SigningKeys

ORIGIN = "register.example/1"
BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
AGENCY = "example-agency"


def make_signers(origin: str = ORIGIN, seed: int = 1) -> tuple[Signer, ...]:
    """Both keys of a log; test keys only, since the seed is known."""
    rng = Random(seed)
    return tuple(Signer.generate(origin, type_, rng.randbytes(32)) for type_ in (ED25519, ML_DSA_44))


@dataclass
class ExampleLog:
    """Entries as canonical bytes, and what is needed to sign, pack and open them."""

    signers: tuple[Signer, ...]
    origin: str = ORIGIN
    rng: Random = field(default_factory=lambda: Random(7))
    entries: list[bytes] = field(default_factory=list)
    made: dict[int, Entry] = field(default_factory=dict)
    secrets: dict[str, tuple[bytes, dict[str, Any]]] = field(default_factory=dict)
    sizes: dict[VerifierKey, Sizes] = field(default_factory=dict)

    @property
    def keys(self) -> KeyRing:
        return KeyRing(tuple(LogKey(signer.vkey, *self.sizes.get(signer.vkey, ALWAYS)) for signer in self.signers))

    def signing(self, size: int) -> tuple[Signer, ...]:
        """The signers whose keys are valid at this size."""
        valid = self.keys.at(self.origin, size)
        return tuple(signer for signer in self.signers if signer.vkey in valid)

    def rotate(self, *, add: Sequence[Signer] = (), retire: Sequence[Signer] = ()) -> Entry:
        """Append a rotation; checkpoints that cover it bear the added keys and no longer the retired ones."""
        size = len(self.entries) + 1
        for signer in add:
            self.sizes[signer.vkey] = (size, None)
        for signer in retire:
            self.sizes[signer.vkey] = (self.sizes.get(signer.vkey, ALWAYS)[0], size)
        self.signers = (*self.signers, *add)
        added, retired = ([key_digest(signer.vkey) for signer in signers] for signers in (add, retire))
        return self.add("rotation/1", added=added, retired=retired)

    def succeed(self, origin: str, *, seed: int, reason: str = "year", lost: int | None = None) -> ExampleLog:
        """The log that continues this one, which is frozen unless something of it was lost."""
        if lost is None:
            self.add("freeze/1", reason=reason, successor=origin)
        head = {"origin": self.origin, "size": len(self.entries), "root": self.root().hex()}
        log = ExampleLog(make_signers(origin, seed), origin, Random(seed))
        log.add("genesis/1", origin=origin, log=2, software="greffier 0.1.0", predecessor=head, lost=lost)
        return log

    @property
    def vkey(self) -> str:
        return format_key_ring(self.keys)

    def id(self) -> str:
        return str(uuid.UUID(bytes=self.rng.randbytes(16), version=4))

    def digest(self) -> str:
        return "sha256:" + self.rng.randbytes(32).hex()

    def add(self, kind: str, *, minute: int | None = None, **members: Any) -> Entry:
        """Append one entry; without `minute`, time goes on by a minute every four entries."""
        index = len(self.entries)
        time = BEGIN + timedelta(minutes=index // 4 if minute is None else minute)
        members.setdefault("id", self.id())
        members.setdefault("agency", AGENCY)
        entry = make_entry(kind, time=time, **members)
        self.entries.append(entry.data)
        self.made[index] = entry
        return entry

    def add_opaque(self, kind: str = "tally/9") -> str:
        """An entry of a kind that nobody defined yet."""
        name = self.id()
        value = {"agency": AGENCY, "id": name, "kind": kind, "note": "later", "time": "2026-03-02T09:00Z"}
        self.entries.append(format_canonical(value))
        return name

    def commitments(self, kind: str, name: str, values: dict[str, Any]) -> dict[str, str]:
        secret = self.rng.randbytes(32)
        all_values = {**dict.fromkeys(KINDS[kind].commits), **values}
        self.secrets[name] = (secret, all_values)
        return commit_all(secret, all_values)

    def decide(self, version: dict[str, Any], *, n: int, boot: str | None, **changes: Any) -> Entry:
        name = self.id()
        values = {"in_income": 2100, "in_purpose": "a bicycle for work", "output": {"text": "yes"}, "outcome": "grant"}
        members = {
            **version,
            "id": name,
            "capture": "runtime" if boot else "external",
            "mode": "live",
            "boot": boot,
            "source": None if boot else "case-system",
            "n": n,
            "opened": None,
            "commitments": self.commitments("decision/1", name, values),
            **changes,
        }
        return self.add("decision/1", **members)

    def pack(self, entries: Sequence[bytes] | None = None, *, size: int | None = None) -> dict[str, bytes]:
        """The log's files: signed checkpoint, tiles and entry bundles of its first `size` entries."""
        chosen = list(self.entries if entries is None else entries)[:size]
        files = pack_tiles(chosen)
        files["checkpoint"] = self.checkpoint(chosen)
        return files

    def root(self, size: int | None = None) -> bytes:
        return root_hash([leaf_hash(entry) for entry in self.entries[:size]])

    def checkpoint(self, entries: Sequence[bytes], signers: Sequence[Signer] | None = None) -> bytes:
        root = root_hash([leaf_hash(entry) for entry in entries])
        chosen = self.signing(len(entries)) if signers is None else signers
        return sign_checkpoint(Checkpoint(self.origin, len(entries), root), chosen)

    def receipt(self, index: int, *, size: int | None = None, signers: Sequence[Signer] | None = None) -> Receipt:
        """A receipt of a decision under the checkpoint of `size` entries, with every field opened."""
        entries = self.entries[:size]
        files, size = pack_tiles(entries), len(entries)
        read = nodes_reader(lambda tile: files[format_tile_path(tile)], size)
        proof = LogProof(index, tuple(prove_inclusion(index, size, read)), self.checkpoint(entries, signers), None)
        secret, values = self.secrets[self.made[index].id]
        openings: tuple[Opening, ...] = tuple(open_field(secret, name, value) for name, value in values.items())
        return Receipt(self.entries[index], proof, openings)


def cosign(note: bytes, witnesses: Sequence[Signer], time: int) -> bytes:
    """The checkpoint with cosignatures of that time (POSIX seconds) behind its own signatures."""
    opened = parse_note(note)
    lines = tuple(witness.sign(opened.text, timestamp=time) for witness in witnesses)
    return format_note(Note(opened.text, (*opened.signatures, *lines)))


def pack_tiles(entries: Sequence[bytes]) -> dict[str, bytes]:
    """Tiles and entry bundles, unsigned."""
    growth = grow(0, {}, [leaf_hash(entry) for entry in entries])
    contents = {(level, index): content for level, index, content in growth.tiles}
    files = {format_tile_path(tile): contents[tile.level, tile.index] for tile in tiles_of_size(len(entries))}
    for index, width in entry_bundles_of_size(len(entries)):
        start = index * 256
        files[format_entries_path(index, width)] = format_entry_bundle(entries[start : start + width])
    return files


def start_log(*, seed: int = 1, origin: str = ORIGIN) -> tuple[ExampleLog, dict[str, Any], str]:
    """A log with one active system and one boot: (log, members that name the version, boot id)."""
    log = ExampleLog(make_signers(origin, seed), origin, Random(seed))
    log.add("genesis/1", origin=origin, log=1, software="greffier 0.1.0", predecessor=None, lost=None)
    version = register(log, "credit-score", to="active")
    return log, version, boot(log)


def register(log: ExampleLog, slug: str, *, to: str) -> dict[str, Any]:
    """Register a system with its first version and put it into state `to`."""
    version = {"system": slug, "version": 1, "manifest": log.digest()}
    model = log.digest()
    log.add("model/1", model=model, size=80_000_000, format="gguf", derived_from=None, quantization="Q4_1")
    log.add("system/1", system=slug, record=log.digest(), action="registered")
    log.add("version/1", **version, model=model)
    change = {"reason": "approved", "role": "approver"}
    log.add("state/1", system=slug, version=None, manifest=None, **{"from": "draft"}, to="in_review", **change)
    log.add("state/1", system=slug, version=None, manifest=None, **{"from": "in_review"}, to="approved", **change)
    log.add("state/1", **version, **{"from": "approved"}, to=to, reason="started", role="operator")
    return version


def boot(log: ExampleLog, *, unclosed: Sequence[dict[str, Any]] = ()) -> str:
    name = log.id()
    log.add(
        "boot/1",
        boot=name,
        runtime="llama-cpp-python 0.3.36",
        build=log.digest(),
        cpu=["AVX2", "FMA"],
        threads=2,
        determinism="not_measured",
        unclosed=list(unclosed),
    )
    return name


def build_log(size: int = 600, *, seed: int = 1, origin: str = ORIGIN) -> ExampleLog:
    """A log of `size` entries (at least 40): every kind of this version, two systems, two boots, one unknown kind."""
    log, version, first = start_log(seed=seed, origin=origin)
    pilot = register(log, "service-reply", to="pilot")
    decided = log.decide(version, n=1, boot=first)
    log.decide(pilot, n=2, boot=first, mode="pilot")
    log.decide(version, n=1, boot=None)
    log.add("refused/1", system=None, version=None, reason="unknown_system", boot=None, n=None)
    log.add("refused/1", system="credit-score", version=1, reason="stopped_meanwhile", boot=first, n=3)
    opened = log.add("opened/1", **version, capture="runtime", mode="live", boot=first, n=4)
    log.decide(version, n=4, boot=first, opened=opened.id)
    lost = log.id()
    log.add(
        "unfinished/1",
        **version,
        id=lost,
        boot=first,
        n=6,
        reason="worker_lost",
        opened=None,
        commitments=log.commitments("unfinished/1", lost, {"reached": 12}),
    )
    review = log.id()
    log.add(
        "review/1",
        id=review,
        commitments=log.commitments("review/1", review, {"reference": decided.id, "action": "confirm"}),
    )
    log.add("erasure/1", record=decided.id, ground="not_needed", role="privacy_officer")
    log.add("pulse/1", boots=[{"boot": first, "n": 6}], recording="ok")
    log.add("outage/1", cause="disk_full", began=BEGIN, ended=BEGIN, boot=None)
    second = boot(log, unclosed=[{"boot": first, "n": 8}])
    log.add_opaque()
    n = 0
    while len(log.entries) < size - 1:
        n += 1
        log.decide(version, n=n, boot=second)
    log.add("close/1", boot=second, n=n)
    return log


def record(log: ExampleLog, url: str, guard: Guard, *, group: int = 50) -> Engine:
    """Write the log's entries into an empty database through the real writer, `group` entries a unit."""
    engine = open_engine(url)
    metadata.create_all(engine)
    writer = start_writer(log, engine, guard)
    entries = [parse_entry(data) for data in log.entries]
    for start in range(0, len(entries), group):
        writer.append(Unit(tuple(entries[start : start + group]))).result(60)
    writer.close()
    return engine


def start_writer(log: ExampleLog, engine: Engine, guard: Guard) -> Log:
    def no_outage(cause: str, began: datetime, ended: datetime) -> Entry:
        raise AssertionError(f"the log could not record: {cause}")

    writer = Log(
        engine, SigningKeys(log.signers, origin=log.origin), guard, outage_entry=no_outage, clock=lambda: BEGIN
    )
    writer.start()
    return writer


def change_byte(path: Path, position: int, *, flip: int = 1) -> None:
    """Change one byte of a file in place."""
    data = bytearray(path.read_bytes())
    data[position] ^= flip
    path.write_bytes(data)
