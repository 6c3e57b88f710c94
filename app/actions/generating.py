"""The part of a decision that makes the result. The version says where: in the runtime here, or through the gateway."""

from __future__ import annotations

from dataclasses import dataclass

from app.actions import boots, costs, programs
from app.actions.endings import refuse, unfinished
from app.errors import Unfinished
from app.home import Greffier
from auditlog.canonical import Json
from auditlog.errors import CannotRecord
from registry.lifecycle import Gate
from runtime.capture import Generation
from runtime.errors import Busy, CounterDamaged, DeadlineExceeded, RuntimeFault, WorkerLost
from runtime.program import Request


@dataclass(frozen=True, slots=True)
class Generated:
    """A result with what is recorded of it. `output`, `outcome`, `usage` and `run` are values that the record commits.

    `boot` and `n` are its number, `capture` where it was made (`runtime` or `gateway`), `reached` its output tokens:
    what an `unfinished` entry commits if the record cannot be written; None where they are not known.
    """

    id: str
    boot: str
    n: int
    capture: str
    output: Json
    outcome: str
    usage: dict[str, Json]
    run: dict[str, Json]
    reached: int | None


def generate(g: Greffier, gate: Gate, request: Request) -> Generated:
    """Make the result of a request. A fault before its number was taken is a refusal, after it an unfinished decision.

    Raises Refused, Unfinished (an entry exists for either; a deadline before the number has none), CannotRecord.
    """
    return of_runtime(gate, _run(g, gate, request))


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


def _run(g: Greffier, gate: Gate, request: Request) -> Generation:
    try:
        build = g.runtime.start().runtime
        if build not in gate.running.manifest.builds:
            raise refuse(g, gate, "build_not_accepted", "the version accepts other builds than the one here", "builds")
        return g.runtime.generate(request).result()
    except OSError as error:
        message = f"cannot be used ({error.strerror}): give the program its rights and space"
        raise CannotRecord(message, cause="unwritable", field="run") from error
    except CounterDamaged as fault:
        raise CannotRecord(str(fault), cause="unknown") from None
    except WorkerLost as lost:
        boots.lost(g, lost)
        if lost.n is not None:
            unfinished(g, gate, str(lost.boot), lost.n, reason="worker_lost")
        raise Unfinished("the runtime ended during the decision; try again", reason="worker_lost") from None
    except Busy:
        raise  # nothing was begun, no rule refused it, and nothing is recorded: ask again
    except RuntimeFault as fault:
        if fault.boot is not None and fault.n is not None:
            unfinished(g, gate, fault.boot, fault.n, reason=fault.reason or "output_invalid")
            raise Unfinished(str(fault), reason=fault.reason or "output_invalid") from None
        if isinstance(fault, DeadlineExceeded):
            # No number was taken and no rule refused it: there was no time, and nothing to record.
            raise Unfinished(str(fault), reason="deadline") from None
        raise refuse(g, gate, fault.reason or "build_not_accepted", str(fault), fault.field) from None
