"""The part of a decision that makes the result. The version says where: in the runtime here, or through the gateway."""

from __future__ import annotations

from collections.abc import Callable

from auditlog.core.errors import CannotRecord
from auditlog.core.formats.canonical import Json
from auditlog.vault.references import Refs
from home.errors import Unfinished
from home.greffier import Greffier
from registry.lifecycle import Gate
from runtime.capture import Generation, Piece
from runtime.errors import Busy, CounterDamaged, DeadlineExceeded, RuntimeFault, Stopped, WorkerLost
from runtime.program import Request
from runtime.worker.stream import Began
from service.deciding import boots, costs, programs, remote_models
from service.deciding.result import Generated
from service.deciding.unanswered import refuse, unfinished


def generate(g: Greffier, gate: Gate, request: Request, told: Callable[[Piece], None] | None = None) -> Generated:
    """Make the result of a request. A fault before its number was taken is a refusal, after it an unfinished decision.

    `told` hears of the answer as it grows.

    Raises Refused, Unfinished (an entry exists for either; a deadline before the number has none), CannotRecord.
    """
    if gate.running.manifest.remote is not None:
        return remote_models.generate(g, gate, request)
    return of_runtime(gate, _run(g, gate, request, told))


def of_runtime(gate: Gate, generation: Generation) -> Generated:
    """What the runtime here has made, as the record has it."""
    return Generated(
        id=generation.id,
        boot=generation.boot,
        n=generation.n,
        capture="runtime",
        output=programs.to_json(generation.output),
        outcome=generation.outcome,
        usage=costs.usage(gate.record, generation.usage),
        run=programs.run_facts(generation),
        reached=generation.usage.output_tokens,
    )


def _run(g: Greffier, gate: Gate, request: Request, told: Callable[[Piece], None] | None) -> Generation:
    try:
        demand_build(g, gate)
        if told is None:
            return g.runtime.generate(request).result()
        return _followed(g, request, told)
    except (OSError, RuntimeFault) as error:
        raise failed(g, gate, error) from error


def demand_build(g: Greffier, gate: Gate) -> None:
    """Start the runtime, if it does not run. Raises Refused where the version does not accept this one."""
    build = g.runtime.start().runtime
    if build not in gate.running.manifest.builds:
        raise refuse(g, gate, "build_not_accepted", "the version accepts other builds than the one here", "builds")


def failed(
    g: Greffier,
    gate: Gate,
    error: Exception,
    *,
    reason: str | None = None,
    reached: Json = None,
    opened: str | None = None,
    refs: Refs | None = None,
) -> Exception:
    """What to raise for a fault of a run, once it is recorded: `unfinished` with its number, else a refusal.

    `reason` is the code of the former where it is known better. Raises CannotRecord.
    """
    if isinstance(error, OSError):
        message = f"cannot be used ({error.strerror}): give the program its rights and space"
        return CannotRecord(message, cause="unwritable", field="run")
    if not isinstance(error, RuntimeFault) or isinstance(error, Busy):
        return error  # of the latter nothing was begun, no rule refused it, and nothing is recorded: ask again
    if isinstance(error, CounterDamaged):
        return CannotRecord(str(error), cause="unknown")
    lost = isinstance(error, WorkerLost)
    if isinstance(error, WorkerLost):
        boots.lost(g, error)
    code = reason or error.reason or "output_invalid"
    if error.boot is not None and error.n is not None:
        unfinished(g, gate, error.boot, error.n, reason=code, reached=reached, opened=opened, refs=refs)
    elif isinstance(error, DeadlineExceeded | Stopped):
        # No number was taken and no rule refused it: there was no time, and nothing to record.
        code = "deadline" if isinstance(error, DeadlineExceeded) else "stopped"
    elif not lost:
        return refuse(g, gate, error.reason or "build_not_accepted", str(error), error.field)
    return Unfinished("the runtime ended during the decision; try again" if lost else str(error), reason=code)


def _followed(g: Greffier, request: Request, told: Callable[[Piece], None]) -> Generation:
    for event in g.runtime.stream(request):
        if isinstance(event, Piece):
            told(event)
        elif not isinstance(event, Began):
            return event
    raise AssertionError("a stream ends with its generation")
