"""The files of an evidence folder. All that is said to hold in them was checked before they are given.

The same records under the same checkpoint give the same bytes: no time of making, sorted members, names of random ids.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from auditlog.core.checking.sample import cosigned_at, seed_of
from auditlog.core.checking.tree import SUMS, format_sums
from auditlog.core.entries.record import Entry, parse_time
from auditlog.core.errors import VerifyError
from auditlog.core.formats.canonical import Json, format_canonical
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.commitment import Opening
from auditlog.core.formats.keyring import format_key_ring
from auditlog.core.formats.policy import cosigned_by
from auditlog.recovery.export import make_verifier
from home import policy_file
from home.greffier import Greffier
from registry.manifest import format_manifest
from registry.store import systems as register_store
from reports.layout import laid_out
from service.proving import samples
from service.proving.item import Item, Pack, Period
from service.proving.maker import Maker
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

LANGUAGES: Final = ("en", "nl")
FORM: Final = "greffier-evidence/1"
INDEX: Final = "evidence.json"


def make_pack(
    g: Greffier,
    reader: reading.Reader,
    name: str,
    items: list[Item],
    *,
    sample: samples.Sample | None = None,
    period: Period | None = None,
    with_log: bool = False,
    technical: bool = False,
) -> Pack:
    """Everything about these decisions under the id `name`. Raises VerifyError where something does not hold."""
    pack, maker = Pack(), Maker(g)
    with g.reading() as conn:
        drawn = None if sample is None else maker.entries_of(conn, sample)
        told = () if period is None else period.told
        maker.choose_heads(conn, [*_places(items), *(drawn or ()), *told])
        listed: list[Json] = [_add_item(pack, maker, conn, item) for item in items]
        draw = None if sample is None or drawn is None else _add_sample(pack, maker, conn, sample, drawn)
        of_system = None if period is None else _add_period(pack, maker, conn, period)
        for entry in items:
            _add_manifest(pack, conn, entry.found.entry)
    if with_log and (sample is not None or period is not None):
        pack.log = max(maker.names) if sample is None else sample.log
        pack.head = maker.names[pack.log]
    text = policy_file.with_logs(policy_file.read_text(g), maker.ring, g.settings.base_url)
    pack.files |= {"policy": text.encode("utf-8", "surrogateescape"), "verify.pyz": make_verifier()}
    pack.files["log.vkey"] = format_key_ring(maker.ring).encode()
    index: dict[str, Json] = {"form": FORM, "reference": name, "role": reader.role, "records": listed, "sample": draw}
    if of_system is not None:
        index["period"] = of_system
    pack.files[INDEX] = format_canonical(index) + b"\n"
    page = maker.page(name, items, sample, period, with_log=pack.log is not None, technical=technical)
    variables = {one.name: getattr(page, one.name) for one in dataclasses.fields(page)}
    for lang in LANGUAGES:
        text = g.renderer.page("evidence_page/body.txt", lang, **variables)
        pack.files[f"evidence.{lang}.txt"] = laid_out(text).encode()
    pack.files[SUMS] = format_sums({path: sha256(data).hexdigest() for path, data in pack.files.items()})
    return pack


def _places(items: Iterable[Item]) -> Iterator[reading.Found]:
    for item in items:
        yield item.found
        yield from (found for opened in item.about.values() for found, _ in opened)
        if item.tombstone is not None:
            yield item.tombstone


def _add_item(pack: Pack, maker: Maker, conn: Connection, item: Item) -> Json:
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
    about: dict[str, Json] = {
        f"{name}s": [add(f"{name}-{n}.", *one) for n, one in enumerate(opened, 1)]
        for name, opened in item.about.items()
    }
    return {
        "id": item.id,
        "log": item.found.log,
        "index": item.found.index,
        "state": item.state,
        "receipt": add("", item.found, item.openings),
        "opened": [opening.field for opening in item.openings],
        **about,
        "tombstone": tombstone,
        "manifest": _manifest_path(item.found.entry),
    }


def _add_sample(
    pack: Pack,
    maker: Maker,
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


def _add_period(pack: Pack, maker: Maker, conn: Connection, period: Period) -> Json:
    """What the log says of the system, each entry with its proof, and the documents behind it."""
    pack.files |= period.files
    entries: list[Json] = []
    for number, found in enumerate(period.told, 1):
        path = f"register/{number:04}.{found.entry.kind.partition('/')[0]}.receipt.json"
        pack.files[path] = maker.receipt(conn, found)
        entries.append(path)
    days = {"first": period.first.isoformat(), "last": period.last.isoformat()}
    documents: list[Json] = [*sorted(period.files)]
    return {"system": period.system, **days, "entries": entries, "documents": documents}


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
