"""What another version would have said about past decisions: for change control, before it is put to work.

It runs in a worker of its own, on recorded inputs, for staff. Nothing of it is a decision: no number of a boot is
taken, nothing is recorded but the readings, and what comes out is counted and thrown away.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from auditlog.core.errors import Erased, KeptElsewhere
from auditlog.core.formats.canonical import Json
from home.errors import Refused, Unfinished
from home.greffier import Greffier
from registry.manifest import Manifest
from registry.store import systems as register_store
from runtime.errors import InputInvalid, PromptTooLong, RuntimeFault
from runtime.program import Request
from runtime.worker.supervisor import Supervisor
from service.deciding import programs, trial_worker
from service.records import reading
from service.records.accesses import STAFF, Reader
from service.records.blind_review import is_due
from service.replaying import order, sample
from service.replaying.sample import SamplingFrame


@dataclass(frozen=True, slots=True)
class Pair:
    """How many decisions had outcome `before` and would have `after`; None: the version does not take its input."""

    before: str
    after: str | None
    count: int


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A version held against past decisions. `same` and `changed` count outcomes, `same_output` the whole output.

    `refused`: inputs that it does not take. `left_out`: recorded fields that it does not declare; `not_stated`: fields
    that it declares and that were not recorded, which count as not stated. `skipped`: erased, restricted, or not here.
    """

    system: str
    version: int
    drawn: SamplingFrame
    compared: int
    same: int
    changed: int
    same_output: int
    refused: int
    skipped: int
    left_out: tuple[str, ...]
    not_stated: tuple[str, ...]
    pairs: tuple[Pair, ...]


def what_if(
    g: Greffier,
    reader: Reader,
    system: str,
    version: int,
    count: int,
    *,
    told: Callable[[int], None] = lambda _: None,
) -> WhatIf:
    """Run `version` on the recorded inputs of `count` drawn decisions of the system, whatever version they had.

    Each reading is in the log first, with the purpose of a replay. Raises UnknownSystem, UnknownVersion, Refused (the
    role is no staff; the version runs elsewhere or does not accept this build), UsageError where there is nothing to
    draw from, Unfinished where the runtime fails.
    """
    manifest = _runnable(g, reader, system, version)
    drawn, ids = sample.draw(g, count, system)
    tally = _Tally(manifest)
    with trial_worker.worker(g) as worker:
        trial_worker.demand_build(worker, manifest, "--what-if")
        for id_ in ids:
            if tally.compared + tally.refused == count:
                break
            recorded = _open(g, reader, id_)
            if recorded is None:
                tally.skipped += 1
            else:
                record, fields = recorded
                tally.add(record, fields, *_run(worker, manifest, fields, record))
                told(tally.compared)
    return tally.result(system, version, drawn)


class _Tally:
    """What was counted so far."""

    def __init__(self, manifest: Manifest) -> None:
        self._declared = {field.id for field in manifest.fields}
        self._pairs: Counter[tuple[str, str | None]] = Counter()
        self._left_out: set[str] = set()
        self._not_stated: set[str] = set()
        self.same_output = self.skipped = 0

    @property
    def refused(self) -> int:
        return sum(number for (_, after), number in self._pairs.items() if after is None)

    @property
    def compared(self) -> int:
        return self._pairs.total() - self.refused

    def add(
        self,
        record: reading.Record,
        fields: Mapping[str, Json],
        outcome: str | None,
        output: Mapping[str, Any] | None,
    ) -> None:
        names = set(fields)
        self._left_out |= names - self._declared
        self._not_stated |= self._declared - names
        self._pairs[str(record.values["outcome"]), outcome] += 1
        self.same_output += output is not None and programs.to_json(output) == record.values["output"]

    def result(self, system: str, version: int, drawn: SamplingFrame) -> WhatIf:
        same = sum(number for (before, after), number in self._pairs.items() if before == after)
        ordered = sorted(self._pairs.items(), key=lambda item: (item[0][0], item[0][1] or ""))
        return WhatIf(
            system=system,
            version=version,
            drawn=drawn,
            compared=self.compared,
            same=same,
            changed=self.compared - same,
            same_output=self.same_output,
            refused=self.refused,
            skipped=self.skipped,
            left_out=tuple(sorted(self._left_out)),
            not_stated=tuple(sorted(self._not_stated)),
            pairs=tuple(Pair(before, after, number) for (before, after), number in ordered),
        )


def _runnable(g: Greffier, reader: Reader, system: str, version: int) -> Manifest:
    if reader.role not in STAFF:
        raise Refused("what a version would have said is shown to staff only", reason="role", field="role")
    with g.reading() as conn:
        register_store.read_system(conn, system)
        found = register_store.read_version(conn, system, version)
        if found.model is None:
            message = "is run by somebody else: asking there would hand over what was recorded here"
            raise Refused(message, reason="remote", field="--what-if")
    trial_worker.demand_model(g, found.model, "--what-if")
    return found.manifest


def _open(g: Greffier, reader: Reader, id_: str) -> tuple[reading.Record, dict[str, Json]] | None:
    """A record and its input as its version read it; None for one that is gone, restricted or not here, and
    for one that is to be judged first."""
    try:
        if reading.withheld(g, reader, order.PURPOSE, [id_]) or is_due(g, reader, id_):
            return None
        record = reading.open(g, reader, order.PURPOSE, id_)
        return record, order.inputs_of(g, record)
    except (Erased, KeptElsewhere):
        return None


def _run(
    worker: Supervisor, manifest: Manifest, recorded: Mapping[str, Json], record: reading.Record
) -> tuple[str | None, Mapping[str, Any] | None]:
    """Outcome and output; (None, None) for an input that the version does not take."""
    try:
        fields = programs.inputs(manifest, {field.id: recorded.get(field.id) for field in manifest.fields})
        request = Request(
            id=str(uuid.uuid4()),
            program=programs.program(manifest),
            fields=cast("Any", fields),
            seed=_seed(manifest, record),
        )
        made = worker.generate(request).result()
    except (InputInvalid, PromptTooLong):
        return None, None
    except RuntimeFault as fault:
        raise Unfinished(str(fault), reason=fault.reason or "stopped") from None
    return made.outcome, made.output


def _seed(manifest: Manifest, record: reading.Record) -> str | None:
    """The record's own seed where it had one, so that a draw is compared under the same noise."""
    if programs.seed(manifest) is None:
        return None
    run = record.values.get("run")
    recorded = run.get("seed") if isinstance(run, dict) else None
    return recorded if isinstance(recorded, str) else hashlib.sha256(record.entry.id.encode()).hexdigest()[:32]
