"""Whether the log of an installation records, and whether its runtime is there: without touching either."""

from __future__ import annotations

from dataclasses import dataclass

from home.greffier import Greffier


@dataclass(frozen=True, slots=True)
class Health:
    """Whether decisions can be recorded. `cause` is an outage cause code, `since` UTC to the minute."""

    recording: bool
    cause: str | None
    since: str | None
    size: int
    runtime: str


def health(g: Greffier) -> Health:
    """State of the log and of the runtime, without touching either."""
    state = g.log.state()
    runtime = "running" if g.runtime.boot is not None else "not started"
    if g.problem is not None:
        return Health(False, g.problem.cause, None, state.size, runtime)
    since = state.since.strftime("%Y-%m-%dT%H:%MZ") if state.since else None
    return Health(state.recording, state.cause, since, state.size, runtime)
