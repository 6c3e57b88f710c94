"""The files of an evidence folder. All that is said to hold in them was checked before they are given.

The same records under the same checkpoint give the same bytes: no time of making, sorted members, names of random ids.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from app.actions import policy_file, reading, samples
from app.home import Greffier
from auditlog import receipt as receipts
from auditlog.audit import format_posix
from auditlog.canonical import Json, format_base64, format_canonical
from auditlog.checkpoint import open_checkpoint, parse_checkpoint
from auditlog.commitment import Opening
from auditlog.errors import NotPublished, VerifyError
from auditlog.export import make_verifier
from auditlog.keyring import format_key_ring
from auditlog.merkle import prove_inclusion
from auditlog.note import parse_note
from auditlog.policy import check_policy, cosigned_by, organisations
from auditlog.proof import LogProof
from auditlog.record import Entry, parse_time
from auditlog.sample import cosigned_at, seed_of
from auditlog.store import log as log_store
from auditlog.tree import SUMS, format_sums
from registry.manifest import format_manifest
from registry.store import systems as register_store
from reports.agency import LogStamp
from reports.evidence_page.context import EvidencePage, EvidenceRecord, EvidenceSample, State
from reports.evidence_page.layout import laid_out

if TYPE_CHECKING:
    from sqlalchemy import Connection

LANGUAGES: Final = ("en", "nl")
FORM: Final = "greffier-evidence/1"
INDEX: Final = "evidence.json"


@dataclass(slots=True)
class Pack:
    """The files by path; `log`: number of a log that is exported into the folder `log` besides, with that head."""

    files: dict[str, bytes] = field(default_factory=dict)
    log: int | None = None
    head: log_store.HeadName = "integrated"


Opened = tuple[reading.Found, tuple[Opening, ...]]
"""An entry and what is opened of it."""


@dataclass(slots=True)
class Item:
    """One decision: whether its content may be given, and then the openings of it, its reviews and its corrections."""

    found: reading.Found
    state: State = "open"
    openings: tuple[Opening, ...] = ()
    reviews: list[Opened] = field(default_factory=list)
    corrections: list[Opened] = field(default_factory=list)
    tombstone: reading.Found | None = None

    @property
    def id(self) -> str:
        """The id of the decision."""
        return self.found.entry.id


def make_pack(
    g: Greffier,
    reader: reading.Reader,
    name: str,
    items: list[Item],
    sample: samples.Sample | None = None,
    *,
    with_log: bool = False,
    technical: bool = False,
) -> Pack:
    """Everything about these decisions under the id `name`. Raises VerifyError where something does not hold."""
    pack, maker = Pack(), _Maker(g)
    with g.reading() as conn:
        drawn = None if sample is None else maker.entries_of(conn, sample)
        maker.choose_heads(conn, [*_places(items), *(drawn or ())])
        listed: list[Json] = [_add_item(pack, maker, conn, item) for item in items]
        told = None if sample is None or drawn is None else _add_sample(pack, maker, conn, sample, drawn)
        for entry in items:
            _add_manifest(pack, conn, entry.found.entry)
    if sample is not None and with_log:
        pack.log, pack.head = sample.log, maker.names[sample.log]
    text = policy_file.with_logs(policy_file.read_text(g), maker.ring, g.settings.base_url)
    pack.files |= {"policy": text.encode("utf-8", "surrogateescape"), "verify.pyz": make_verifier()}
    pack.files["log.vkey"] = format_key_ring(maker.ring).encode()
    index: Json = {"form": FORM, "reference": name, "role": reader.role, "records": listed, "sample": told}
    pack.files[INDEX] = format_canonical(index) + b"\n"
    page = maker.page(name, items, sample, with_log=pack.log is not None, technical=technical)
    variables = {one.name: getattr(page, one.name) for one in dataclasses.fields(page)}
    for lang in LANGUAGES:
        text = g.renderer.page("evidence_page/body.txt", lang, **variables)
        pack.files[f"evidence.{lang}.txt"] = laid_out(text).encode()
    pack.files[SUMS] = format_sums({path: sha256(data).hexdigest() for path, data in pack.files.items()})
    return pack


def _places(items: Iterable[Item]) -> Iterator[reading.Found]:
    for item in items:
        yield item.found
        yield from (found for found, _ in [*item.reviews, *item.corrections])
        if item.tombstone is not None:
            yield item.tombstone


class _Maker:
    """Makes receipts against one state of each log, and checks them as the one who gets them will."""

    def __init__(self, g: Greffier) -> None:
        self.g = g
        self.ring = g.keys
        self.policy = policy_file.read_policy(g)
        self.heads: dict[int, log_store.Head] = {}
        self.names: dict[int, log_store.HeadName] = {}

    def entries_of(self, conn: Connection, sample: samples.Sample) -> tuple[reading.Found, reading.Found]:
        """The two entries of a drawn sample."""
        if sample.drawn is None:
            raise VerifyError("was not drawn", field="sample")
        begun, drawn = (
            reading.Found(reading.entry_at(conn, sample.log, index), sample.log, index)
            for index in (sample.index, sample.drawn)
        )
        return begun, drawn

    def choose_heads(self, conn: Connection, places: Iterable[reading.Found]) -> None:
        """Of each log the public state where that covers all of its entries here, else the newest one."""
        highest: dict[int, int] = {}
        for place in places:
            highest[place.log] = max(place.index, highest.get(place.log, 0))
        for number, index in sorted(highest.items()):
            head, _ = reading.head(self.g, conn, log=number, covering=index)
            self.heads[number] = head
            public = log_store.read_head(conn, number, "published")
            self.names[number] = "published" if public == head else "integrated"

    def receipt(self, conn: Connection, found: reading.Found, openings: tuple[Opening, ...] = ()) -> bytes:
        """The receipt of an entry, which holds. Raises VerifyError where it does not."""
        head = self.heads[found.log]
        hashes = prove_inclusion(found.index, head.size, log_store.reader(conn, found.log, head.size))
        made = receipts.Receipt(found.entry.data, LogProof(found.index, hashes, head.note, None), openings)
        receipts.verify_receipt(made, self.ring, origin=self.g.settings.origin_of(found.log))
        return receipts.format_receipt(made)

    def page(
        self, name: str, items: list[Item], sample: samples.Sample | None, *, with_log: bool, technical: bool
    ) -> EvidencePage:
        """The page of text."""
        profile = self.g.profile
        cosigned = set[str]()
        for head in self.heads.values():
            cosigned |= organisations(self.policy, cosigned_by(self.policy, head.note))
        return EvidencePage(
            agency=profile.names if profile else {"en": self.g.settings.agency},
            reference=name,
            logs=tuple(_stamp(head) for _, head in sorted(self.heads.items())),
            cosigned=tuple(sorted(cosigned)),
            records=tuple(_record(item) for item in items),
            sample=None if sample is None else self._drawn(sample),
            technical=technical,
            with_log=with_log,
            trust="--policy policy" if self._published() else "--vkey log.vkey",
        )

    def _published(self) -> bool:
        """Whether the verifier will find the policy met."""
        try:
            return all(check_policy(self.policy, head.note) is not None for head in self.heads.values())
        except NotPublished:
            return False

    def _drawn(self, sample: samples.Sample) -> EvidenceSample:
        row, _ = samples.places(self.g, sample.id)
        note = row.note or b""
        times = cosigned_at(self.policy, cosigned_by(self.policy, note))
        return EvidenceSample(
            id=sample.id,
            system=sample.system,
            since=sample.since,
            last=sample.until - 1,
            population=sample.population,
            count=sample.count,
            begun=sample.index,
            drawn=sample.drawn or 0,
            witness=sample.witness,
            not_before=sample.not_before,
            cosigned=format_posix(times[sample.witness]),
            size=sample.checkpoint or 0,
        )


def _add_item(pack: Pack, maker: _Maker, conn: Connection, item: Item) -> Json:
    def add(name: str, found: reading.Found, openings: tuple[Opening, ...] = ()) -> str:
        path = f"records/{item.id}.{name}receipt.json"
        pack.files[path] = maker.receipt(conn, found, openings)
        return path

    tombstone: Json = None
    if item.tombstone is not None:
        members = item.tombstone.entry.members
        tombstone = {
            "id": item.tombstone.entry.id,
            "ground": members["ground"],
            "time": item.tombstone.entry.time,
            "receipt": add("erasure.", item.tombstone),
        }
    reviews: list[Json] = [add(f"review-{n}.", *one) for n, one in enumerate(item.reviews, 1)]
    corrections: list[Json] = [add(f"correction-{n}.", *one) for n, one in enumerate(item.corrections, 1)]
    return {
        "id": item.id,
        "log": item.found.log,
        "index": item.found.index,
        "state": item.state,
        "receipt": add("", item.found, item.openings),
        "opened": [opening.field for opening in item.openings],
        "reviews": reviews,
        "corrections": corrections,
        "tombstone": tombstone,
        "manifest": _manifest_path(item.found.entry),
    }


def _add_sample(
    pack: Pack,
    maker: _Maker,
    conn: Connection,
    sample: samples.Sample,
    entries: tuple[reading.Found, reading.Found],
) -> Json:
    """The entries of the draw, and the checkpoint that the witness cosigned; that it did is checked again."""
    begun, drawn = entries
    row, _ = samples.places(maker.g, sample.id)
    if row.note is None:
        raise VerifyError("is lost: the draw cannot be shown without it", field="checkpoint of the sample")
    origin = maker.g.settings.origin_of(sample.log)
    checkpoint = open_checkpoint(row.note, maker.ring, origin=origin).checkpoint
    times = cosigned_at(maker.policy, cosigned_by(maker.policy, row.note))
    if times.get(sample.witness, 0) < parse_time(sample.not_before).timestamp():
        raise VerifyError(f"names no key of {sample.witness} that cosigned it in time", field="policy")
    members: Any = drawn.entry.members
    if members["checkpoint"] != {"size": checkpoint.size, "root": checkpoint.root.hex()}:
        raise VerifyError("is not the one that the entry of the draw names", field="checkpoint of the sample")
    pack.files["sample/population.receipt.json"] = maker.receipt(conn, begun)
    pack.files["sample/draw.receipt.json"] = maker.receipt(conn, drawn)
    pack.files["sample/checkpoint"] = row.note
    return {
        "id": sample.id,
        "population": "sample/population.receipt.json",
        "draw": "sample/draw.receipt.json",
        "checkpoint": "sample/checkpoint",
        "seed": seed_of(bytes.fromhex(members["nonce"]), checkpoint.root).hex(),
    }


def _add_manifest(pack: Pack, conn: Connection, entry: Entry) -> None:
    path = _manifest_path(entry)
    if path in pack.files:
        return
    members: Any = entry.members
    data = format_manifest(register_store.read_version(conn, members["system"], members["version"]).manifest)
    if f"sha256:{sha256(data).hexdigest()}" != members["manifest"]:
        raise VerifyError("is not the one that the decision names: run `greffier log fsck`", field="manifest")
    pack.files[path] = data


def _manifest_path(entry: Entry) -> str:
    return f"manifests/{str(entry.members['manifest']).removeprefix('sha256:')}.json"


def _stamp(head: log_store.Head) -> LogStamp:
    checkpoint = parse_checkpoint(parse_note(head.note).text)
    return LogStamp(origin=checkpoint.origin, size=checkpoint.size, root=format_base64(checkpoint.root))


def _record(item: Item) -> EvidenceRecord:
    stone = item.tombstone
    return EvidenceRecord(
        id=item.id,
        index=item.found.index,
        state=item.state,
        corrected=bool(item.corrections),
        erased=None if stone is None else parse_time(stone.entry.time).date(),
        ground=None if stone is None else str(stone.entry.members["ground"]),
    )
