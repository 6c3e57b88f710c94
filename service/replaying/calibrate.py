"""How far honest replays of a model lie from their records on this build and device: the bars of a tolerance.

The decisions must be ones that nobody doubts; that they are is for whoever runs this to know. Each reading is in the
log; no verdict is, since nothing is judged.
"""

from __future__ import annotations

from collections.abc import Callable

from auditlog.core.errors import Erased, KeptElsewhere
from home.errors import UsageError
from home.greffier import Greffier
from runtime.capture import Run
from runtime.errors import RuntimeFault
from runtime.replay import tolerance
from runtime.replay.tolerance import LEAST
from runtime.verdict import Replayed, ReplayOrder
from service.records import reading
from service.records.accesses import Reader
from service.replaying import order as replay_order
from service.replaying import sample
from service.replaying.order import How


def _kind(run: Run) -> tuple[str, ...]:
    """What all decisions of one calibration have in common."""
    return run.model, run.sampler, tolerance.lane(run), run.build, run.device


def calibrate(
    g: Greffier, reader: Reader, system: str, count: int = LEAST, told: Callable[[int], None] = lambda _: None
) -> bytes:
    """A calibration file from `count` decisions of a system, at least 50, in the order of a draw.

    They have the model, sampler, lane, build and device of the first one drawn; others are passed over. Raises
    UsageError where there are too few, RuntimeFault where one could not be compared to its end, and as `replay.replay`.
    """
    if count < LEAST:
        raise UsageError(f"must be {LEAST} or more", field="--sample")
    _, ids = sample.draw(g, count, system)
    wait, found = replay_order.patient(g), list[Replayed]()
    first: Run | None = None
    for id_ in ids:
        order = _order(g, reader, id_)
        if order is None:
            continue
        first = first or order.run
        if _kind(order.run) != _kind(first):
            continue
        try:
            one = replay_order.run(g, order, wait)
        except RuntimeFault:
            continue
        if one.verdict != "not_replayable":
            found.append(one)
            told(len(found))
        if len(found) == count:
            break
    if first is None or len(found) < count:
        fix = f"record at least {count} with one model, build and device"
        fix += f", or give a --sample of {LEAST} or more" if count > LEAST else ""
        raise UsageError(f"finds only {len(found)} that can be used: {fix}", field="--calibrate")
    return tolerance.format_calibration(tolerance.calibrate(found, first)).encode()


def _order(g: Greffier, reader: Reader, id_: str) -> ReplayOrder | None:
    entry = reading.find(g, id_).entry
    if entry.members["capture"] != "runtime":
        return None
    version = replay_order.version_of(g, entry)
    if version is None or version.model is None or reading.withheld(g, reader, replay_order.PURPOSE, [id_]):
        return None
    try:
        return replay_order.order_of(g, reading.open(g, reader, replay_order.PURPOSE, id_), version, How())
    except (Erased, KeptElsewhere):
        return None
