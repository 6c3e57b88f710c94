"""Who a case or a request can be given to."""

from __future__ import annotations

from accounts import administration
from home.errors import UsageError
from home.greffier import Greffier


def demand(g: Greffier, id_: str, system: str | None) -> None:
    """Raise UsageError unless an officer's account opens what is given to it: else it would wait where nobody sees it.

    `system` None: what names no system is for those who reach all.
    """
    account = administration.names(g).get(id_)
    if account is None or account.role != "officer" or not account.in_use(g.clock()):
        message = "must be the id of an officer's account that is in use: `greffier account list` shows them"
        raise UsageError(message, field="to")
    if account.systems is not None and (system is None or not account.reaches(system)):
        message = "does not reach the system that this is about: choose another officer, or change the scope"
        raise UsageError(message, field="to")
