"""What the runtime is handed to run a recorded decision again, and how its answer is waited for."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, cast

from auditlog.core.entries.record import Entry
from auditlog.core.entries.vocabulary import Purpose
from auditlog.core.errors import CannotRecord, Erased
from auditlog.core.formats.canonical import Json
from home.errors import Unfinished, UsageError
from home.greffier import Greffier
from registry.errors import UnknownSystem, UnknownVersion
from registry.manifest import SystemVersion
from registry.store import systems as register_store
from runtime.capture import parse_run
from runtime.errors import (
    CounterDamaged,
    InputInvalid,
    InputUndeclared,
    ModelAltered,
    ModelMissing,
    ModelUnusable,
    ProgramInvalid,
    PromptTooLong,
    RuntimeFault,
    WorkerLost,
)
from runtime.verdict import PASSES, Replayed, ReplayOrder
from runtime.worker.supervisor import BootFacts
from service.deciding import boots, chat, programs
from service.records import reading
from service.replaying import calibrations

T = TypeVar("T")

PURPOSE: Final[Purpose] = "replay"
_OF_THE_ORDER: Final = (
    ModelMissing, ModelAltered, ModelUnusable, ProgramInvalid, InputInvalid, InputUndeclared, PromptTooLong,
)  # fmt: skip

Wait = Callable[[Future[Replayed]], Replayed]
"""How long a replay is waited for: it runs while no request needs the device. Raises Unfinished at the end of it."""


@dataclass(frozen=True, slots=True)
class How:
    """`passes`: over prompt and output in one pass, or generated anew `alone`. `threads` overrides the version's."""

    passes: str = "one_pass"
    threads: int | None = None
    cause: str = "request"

    def __post_init__(self) -> None:
        if self.passes not in PASSES:
            raise UsageError(f"must be one of {', '.join(PASSES)}", field="passes")
        if self.threads is not None and not 1 <= self.threads <= 512:
            raise UsageError("must be 1 to 512", field="threads")


def order_of(g: Greffier, record: reading.Record, version: SystemVersion, how: How) -> ReplayOrder | None:
    """What the runtime is handed, of a decision of a version that runs here. None where its run was not recorded."""
    values: Any = record.values
    try:
        run = parse_run(values["run"])
    except (KeyError, TypeError, ValueError):
        return None
    if not run.prompt_tokens:
        return None
    return ReplayOrder(
        id=str(uuid.uuid4()),
        program=programs.program(version.manifest),
        fields=cast("Any", inputs_of(g, record)),
        run=run,
        output=values["output"],
        outcome=values["outcome"],
        passes=how.passes,
        threads=how.threads,
    )


def inputs_of(g: Greffier, record: reading.Record) -> dict[str, Json]:
    """The declared fields of a decision as its version was given them: of a conversation, with the turns before.

    Raises Erased where one of those was erased.
    """
    try:
        return chat.whole_input(g, record)
    except UsageError:
        raise Erased("an earlier turn of its conversation was erased", field="id") from None


def version_of(g: Greffier, entry: Entry) -> SystemVersion | None:
    """The version that decided, bound by the digest in its entry; None where the register has another, or none."""
    members = entry.members
    with g.reading() as conn:
        try:
            version = register_store.read_version(conn, str(members["system"]), cast("int", members["version"]))
        except (UnknownSystem, UnknownVersion):
            return None
    return version if version.digest == members["manifest"] else None


def patient(g: Greffier, *, times: int = 1) -> Callable[[Future[T]], T]:
    """Waits as long as so many requests may take."""

    def wait(future: Future[T]) -> T:
        try:
            return future.result(timeout=g.settings.deadline_s * times)
        except TimeoutError:
            raise Unfinished("the device was busy all the time; try again later", reason="deadline") from None

    return wait


def run(g: Greffier, order: ReplayOrder, wait: Wait) -> Replayed:
    """Hand an order to the runtime; nothing is recorded of it. Raises as `waited` and `bars`."""
    barred = bars(g, order)
    return waited(g, order.id, lambda facts: g.runtime.replay(barred(facts)), wait)


def bars(g: Greffier, order: ReplayOrder) -> Callable[[BootFacts], ReplayOrder]:
    """Gives the order for a boot, with the home's own calibration of its model where there is one.

    Raises RuntimeFault for a calibration that is none.
    """
    home = calibrations.read_all(g)
    return lambda facts: replace(order, bars=calibrations.bars_of(home, order.run, facts))


def waited(g: Greffier, id_: str, ask: Callable[[BootFacts], Future[T]], wait: Callable[[Future[T]], T]) -> T:
    """What the runtime answers to an order about a recorded decision, once it runs.

    Raises CannotRecord where the worker cannot start, Unfinished where it ends or has no time, and the faults that say
    something of the order.
    """
    try:
        future = ask(g.runtime.start())
        try:
            return wait(future)
        except Unfinished:  # nobody waits for it any more
            g.runtime.cancel(id_)
            raise
    except OSError as error:
        message = f"cannot be used ({error.strerror}): give the program its rights and space"
        raise CannotRecord(message, cause="unwritable", field="run") from error
    except CounterDamaged as fault:
        raise CannotRecord(str(fault), cause="unknown") from None
    except WorkerLost as lost:
        boots.lost(g, lost)
        raise Unfinished("the runtime ended meanwhile; try again", reason="worker_lost") from None
    except _OF_THE_ORDER:
        raise
    except RuntimeFault as fault:
        raise Unfinished(str(fault), reason=fault.reason or "stopped") from None
