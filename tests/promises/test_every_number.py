"""A number that was taken and could not be recorded is stated as soon as the log can: none of a boot is left out."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.errors import CannotRecord
from auditlog.store import log as log_store
from home.greffier import Greffier
from runtime.errors import RuntimeFault
from service.deciding import boots, decide, unanswered
from service.keeping import fsck
from service.logs import gaps
from service.wiring import open_home

LOAN = "social-loan-check"


def unfinished(g: Greffier) -> list[tuple[Any, Any]]:
    with g.reading() as conn:
        entries = [entry for _, entry in log_store.entries_of_kinds(conn, g.log.number, ("unfinished/1",))]
    return [(entry.members["reason"], entry.members["n"]) for entry in entries]


class Away:
    """The guard's file is away from the moment at which the model has answered."""

    def __init__(self, g: Greffier, home: Path, monkeypatch: pytest.MonkeyPatch, reason: str | None = None) -> None:
        self.guard = home / "guard" / "log-1.guard"
        self.away = self.guard.with_suffix(".away")
        generate = g.runtime.generate

        def answer(*given: Any, **named: Any) -> Any:
            future = generate(*given, **named)
            made = future.result()
            self.guard.rename(self.away)
            if reason is None:
                return future
            failed: Future[Any] = Future()
            failed.set_exception(RuntimeFault("went wrong", reason=reason, boot=made.boot, n=made.n))
            return failed

        monkeypatch.setattr(g.runtime, "generate", answer)

    def back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away.rename(self.guard)
        monkeypatch.undo()


@pytest.mark.parametrize("by", ["the next decision", "a pulse", "the end"])
def test_a_result_that_the_log_could_not_take_is_unfinished(
    loan_home: Path, loan_input: dict[str, Any], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    with open_home(loan_home) as g:
        decide.decide(g, LOAN, loan_input)
        away = Away(g, loan_home, monkeypatch)
        with pytest.raises(CannotRecord):
            decide.decide(g, LOAN, loan_input)
        with pytest.raises(CannotRecord):
            unanswered.settle(g)
        assert len(g.owed.all()) == 1
        away.back(monkeypatch)
        if by == "the next decision":
            decide.decide(g, LOAN, loan_input)
        elif by == "a pulse":
            boots.pulse(g)
    with open_home(loan_home) as g:
        (boot,) = gaps.read_gaps(g).boots
        assert (boot.ended, boot.missing) == ("closed", ())
        # What the failed append had written is found, and nothing is said twice.
        assert boot.recorded == boot.reached
        assert unfinished(g) in ([], [("not_recorded", 2)])
        assert fsck.check_all(g) == []


def test_an_unfinished_entry_that_could_not_be_written_keeps_its_reason(
    loan_home: Path, loan_input: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_home(loan_home) as g:
        decide.decide(g, LOAN, loan_input)
        away = Away(g, loan_home, monkeypatch, "output_invalid")
        with pytest.raises(CannotRecord):
            decide.decide(g, LOAN, loan_input)
        away.back(monkeypatch)
        decide.decide(g, LOAN, loan_input)
        assert not g.owed
        assert unfinished(g) == [("output_invalid", 2)]
        assert gaps.read_gaps(g).boots[0].missing == ()


def test_what_is_owed_when_the_process_is_killed_is_stated_by_the_next_start(
    loan_home: Path, loan_input: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_home(loan_home) as g:
        away = Away(g, loan_home, monkeypatch)
        with pytest.raises(CannotRecord):
            decide.decide(g, LOAN, loan_input)
        # The log cannot write at the end, either: no `close`, and the counter's file stays.
    away.back(monkeypatch)
    with open_home(loan_home) as g:
        decide.decide(g, LOAN, loan_input)
        first, second = gaps.read_gaps(g).boots
        assert (first.ended, first.reached) == ("unclosed", 1)
        assert second.missing == ()
        assert fsck.check_all(g) == []
