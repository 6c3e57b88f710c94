"""Sessions: 32 random bytes in a cookie, kept as SHA-256 digest, over after a while without use and after a day's work.

A session is made at sign-in and at no other moment, so that nobody can have put it into the browser before. The token
of its forms follows from the secret in the cookie, by a hash of its own: another site knows neither.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from accounts import session_table as store
from accounts.account import Account
from accounts.caller import Known
from accounts.session_table import SessionRow, Stage
from accounts.token import NotSignedIn
from accounts.transactions import changing
from auditlog.core.errors import CannotRecord
from home.greffier import Greffier

if TYPE_CHECKING:
    from sqlalchemy import Connection

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_SEEN_EVERY: Final = timedelta(minutes=1)
"""How exactly the last use is known: a page does not cost a write each time."""
_FORM: Final = b"greffier/1/form\0"


def new_token() -> str:
    """A secret for a cookie."""
    return base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode("ascii")


def form_token(token: str) -> str:
    """What a form must carry whose page was given to whoever has this cookie."""
    digest = hashlib.sha256(_FORM + token.encode("utf-8", "replace")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def begin(g: Greffier, conn: Connection, account: Account, stage: Stage) -> str:
    """A new session; its token. What is over is forgotten on the way."""
    token, now = new_token(), g.clock()
    store.delete_old_sessions(conn, now - _idle(g), now - _longest(g))
    store.insert_session(conn, digest(token), account.id, stage, now)
    return token


def known(g: Greffier, token: str) -> Known:
    """Who has signed in with this token. Raises NotSignedIn: no such session, over, or the account is not in use."""
    row = _good(g, token)
    if row.stage != "full":
        raise NotSignedIn("choose a password and a second factor first")
    account = row.account
    return Known(account.role, account.id, account.systems, "session", account.name, form_token(token))


def first(g: Greffier, token: str) -> Account:
    """Whose first sign-in goes on with this token. Raises NotSignedIn."""
    row = _good(g, token)
    if row.stage != "first":
        raise NotSignedIn("begin with the code from your administrator")
    return row.account


def end(g: Greffier, token: str) -> None:
    """Sign out."""
    with changing(g) as conn:
        store.delete_session(conn, digest(token))


def end_others(g: Greffier, caller: Known, token: str) -> int:
    """End every other session of the caller's account; returns how many there were."""
    with changing(g) as conn:
        return store.delete_sessions_of(conn, caller.account, but=digest(token))


def digest(token: str) -> bytes:
    """As the row has it. A plain digest is enough: nobody can guess 256 random bits."""
    return hashlib.sha256(token.encode("ascii", "replace")).digest()


def _good(g: Greffier, token: str) -> SessionRow:
    over = NotSignedIn("your session is over: sign in again")
    if not _TOKEN.match(token):
        raise over
    with g.reading() as conn:
        row = store.find_session(conn, digest(token))
    now = g.clock()
    if row is None or not row.account.in_use(now):
        raise over
    if now - row.seen >= _idle(g) or now - row.created >= _longest(g):
        raise over
    if now - row.seen >= _SEEN_EVERY:
        # Where nothing can be written the session ends sooner, and until then its pages say what is wrong.
        with contextlib.suppress(CannotRecord), changing(g) as conn:
            store.see_session(conn, digest(token), now)
    return row


def _idle(g: Greffier) -> timedelta:
    return timedelta(minutes=g.settings.session_idle_min)


def _longest(g: Greffier) -> timedelta:
    return timedelta(hours=g.settings.session_hours)
