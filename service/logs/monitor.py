"""Following a log from outside, and its successors after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from auditlog.core.formats.policy import Policy
from auditlog.peers.fetch import HttpSource, check_url
from auditlog.peers.monitor import Monitor, Report
from auditlog.peers.monitor_state import read_state
from home.errors import UsageError, asked
from service.logs.mirror import cannot_write


@dataclass(frozen=True, slots=True)
class Followed:
    """What was found, log by log; `onward` is the address of a successor that nobody followed."""

    reports: tuple[Report, ...]
    onward: str | None

    @property
    def holds(self) -> bool:
        """Whether every log that was looked at keeps to what it signed."""
        return all(report.holds for report in self.reports)


def follow(
    url: str,
    policy: Policy,
    state: Path,
    *,
    now: int,
    max_age: int | None = None,
    entries: bool = False,
    successors: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Followed:
    """Look once at the log at `url`, and with `successors` at each log that it goes on as.

    Raises UsageError for what is no address and for a policy that names no log, Unreachable, Withheld,
    CannotRecord where the state cannot be kept.
    """
    with asked():
        url = check_url(url)
    if not policy.logs.keys:
        raise UsageError("names no log: add its log line", field="--policy")
    _demand_state(state)
    monitor = Monitor(folder=state, policy=policy, now=now, max_age=max_age, entries=entries)
    reports: list[Report] = []
    at: str | None = url
    expected: str | None = None
    seen: set[str] = set()
    while at is not None and at not in seen:
        if seen:
            tell(f"going on with {at}")
        seen.add(at)
        try:
            with HttpSource(at) as source:
                report = monitor.run(at, source.read, origin=expected)
        except OSError as error:
            raise cannot_write(error, "--state") from error
        reports.append(report)
        expected = report.successor if report.holds else None
        onward = None if expected is None else successor_url(policy, at, report.origin, expected)
        if not successors:
            return Followed(tuple(reports), onward)
        if expected is not None and onward is None:
            raise UsageError(f"names no address of {expected}: add it to that log's line", field="--policy")
        at = onward
    return Followed(tuple(reports), None)


def _demand_state(folder: Path) -> None:
    """The folder is there and holds nothing that is not ours: before a log is called wrong because of it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with asked():
            read_state(folder)
    except OSError as error:
        sentence = f"cannot be used as a folder ({error.strerror}): name another one"
        raise UsageError(sentence, field="--state") from None


def successor_url(policy: Policy, url: str, origin: str, successor: str) -> str | None:
    """Where the successor is served: the policy's address, or the one beside it for logs numbered as ours are."""
    for key in policy.logs.vkeys:
        if key.name == successor and key in policy.log_urls:
            return policy.log_urls[key].rstrip("/")
    name, _, number = origin.rpartition("/")
    next_name, _, next_number = successor.rpartition("/")
    if name == next_name and url.endswith(f"/{number}") and next_number.isdecimal():
        return f"{url.removesuffix(number)}{next_number}"
    return None
