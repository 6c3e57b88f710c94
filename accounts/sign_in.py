"""Signing in: login, password and a code of the second factor, checked together and refused with one answer.

Whoever has no account, the wrong password, a code that was used, or an account that has ended is told the same, after
the same work.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from accounts import account_table, second_factor, secret_table, session, session_table, sign_in_attempts
from accounts.account import Account, demand_password, normal_login
from accounts.password import hash_password, is_password
from accounts.second_factor import Keys, read_keys
from accounts.secret_table import NONE, Secret
from accounts.token import SignInRefused
from accounts.transactions import changing, note
from home.errors import UsageError
from home.greffier import Greffier

if TYPE_CHECKING:
    from sqlalchemy import Connection

_REFUSED: Final = "login, password or code is wrong, or the account is not in use"
_NO_SECRET: Final = bytes(20)


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that succeeded: the token of the new session. `recovery_codes` are shown once, after a first one."""

    account: Account
    token: str = field(repr=False)
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Offered:
    """A new shared secret: as an app reads it from a square, and as one types it."""

    address: str = field(repr=False)
    typed: str = field(repr=False)


def sign_in(g: Greffier, login: str, password: str, code: str, *, address: str, before: str = "") -> Begun:
    """Begin a session; the one of the token `before`, if any, ends. `code`: of the app, or a recovery code.

    Raises SignInRefused, TooMany, CannotRecord.
    """
    keys, login = read_keys(g.home), normal_login(login)
    sign_in_attempts.count(g, keys, login, address)
    account, secret = _read(g, login)
    right = is_password(secret.password, password)
    step = second_factor.matching_step(_shared(keys, account, secret), code, g.clock())
    if account is None or not right or not account.in_use(g.clock()):
        raise SignInRefused(_REFUSED)
    with changing(g) as conn:
        if not _use_code(conn, keys, account, secret, step=step, code=code):
            raise SignInRefused(_REFUSED)
        begun = _begin(g, conn, account, before)
        note(g, conn, account.id, "signed_in", account.id)
    sign_in_attempts.succeeded(g, keys, login)
    return begun


def begin_first(g: Greffier, login: str, code: str, *, address: str, before: str = "") -> Begun:
    """Begin the first sign-in, by the code from the administrator. Its session can do nothing but go on with it.

    Raises SignInRefused, TooMany, CannotRecord.
    """
    keys, login = read_keys(g.home), normal_login(login)
    sign_in_attempts.count(g, keys, login, address)
    account, secret = _read(g, login)
    given = keys.digest("setup", account.id if account else "", second_factor.normal_code(code))
    same = hmac.compare_digest(given, secret.setup or bytes(32))
    late = secret.setup_until is None or secret.setup_until <= g.clock()
    if account is None or secret.setup is None or not same or late or not account.in_use(g.clock()):
        raise SignInRefused(_REFUSED)
    with changing(g) as conn:
        shared = second_factor.new_secret(os.urandom)
        secret_table.change(conn, account.id, totp=second_factor.seal(keys, account.id, shared), totp_step=0)
        session_table.delete_sessions_of(conn, account.id)
        session_table.delete_session(conn, session.digest(before))
        token = session.begin(g, conn, account, "first")
    return Begun(account, token)


def offered(g: Greffier, account: Account) -> Offered:
    """The shared secret of a first sign-in that goes on, to be put into an app. Raises SignInRefused."""
    shared = _pending(g, read_keys(g.home), account)
    issuer = g.profile.name(g.settings.languages[0]) if g.profile is not None else g.settings.agency
    return Offered(second_factor.address(shared, account.login, issuer), second_factor.as_typed(shared))


def finish_first(g: Greffier, token: str, password: str, code: str) -> Begun:
    """Set the password and the second factor, and begin a session. The set-up code is used up.

    Raises NotSignedIn, UsageError (a password that will not do, a code that is not the app's), CannotRecord.
    """
    account, keys = session.first(g, token), read_keys(g.home)
    password = demand_password(password, account.login)
    sign_in_attempts.count(g, keys, account.login, "")
    step = second_factor.matching_step(_pending(g, keys, account), code, g.clock())
    if step is None:
        raise UsageError("is not the code that the app shows now: wait for the next one", field="code")
    hashed, codes = hash_password(password), second_factor.new_recovery_codes(os.urandom)
    with changing(g) as conn:
        if not secret_table.use_step(conn, account.id, step):
            raise UsageError("was used before: wait for the next one", field="code")
        secret_table.change(conn, account.id, password=hashed, setup=None, setup_until=None)
        secret_table.replace_recovery(conn, account.id, second_factor.recovery_digests(keys, account.id, codes))
        begun = _begin(g, conn, account, token)
        note(g, conn, account.id, "set_up", account.id)
    sign_in_attempts.succeeded(g, keys, account.login)
    return Begun(account, begun.token, codes)


def change_password(g: Greffier, account: Account, old: str, new: str, *, code: str, token: str) -> Begun:
    """Replace the password; every session of the account ends, and a new one begins. Raises SignInRefused, TooMany,
    UsageError."""
    keys = read_keys(g.home)
    new = demand_password(new, account.login)
    _prove(g, keys, account, old, code)
    hashed = hash_password(new)
    with changing(g) as conn:
        secret_table.change(conn, account.id, password=hashed)
        session_table.delete_sessions_of(conn, account.id)
        begun = _begin(g, conn, account, token)
        note(g, conn, account.id, "password_changed", account.id)
    return begun


def renew_codes(g: Greffier, account: Account, password: str, code: str) -> tuple[str, ...]:
    """A new set of recovery codes, shown once; the old ones are gone. Raises SignInRefused, TooMany."""
    keys = read_keys(g.home)
    _prove(g, keys, account, password, code)
    codes = second_factor.new_recovery_codes(os.urandom)
    with changing(g) as conn:
        secret_table.replace_recovery(conn, account.id, second_factor.recovery_digests(keys, account.id, codes))
        note(g, conn, account.id, "codes_renewed", account.id)
    return codes


def _prove(g: Greffier, keys: Keys, account: Account, password: str, code: str) -> None:
    """The person at the screen is the account's. It counts as a try."""
    sign_in_attempts.count(g, keys, account.login, "")
    _, secret = _read(g, account.login)
    right = is_password(secret.password, password)
    step = second_factor.matching_step(_shared(keys, account, secret), code, g.clock())
    if not right:
        raise SignInRefused(_REFUSED)
    with changing(g) as conn:
        if not _use_code(conn, keys, account, secret, step=step, code=code):
            raise SignInRefused(_REFUSED)
    sign_in_attempts.succeeded(g, keys, account.login)


def _read(g: Greffier, login: str) -> tuple[Account | None, Secret]:
    with g.reading() as conn:
        account = account_table.find_account(conn, login)
        if account is None or account.login != login:
            return None, NONE
        return account, secret_table.read_secret(conn, account.id)


def _shared(keys: Keys, account: Account | None, secret: Secret) -> bytes:
    """The shared secret, or one that nobody has: the work is the same."""
    if account is None or secret.totp is None:
        return _NO_SECRET
    return second_factor.unseal(keys, account.id, secret.totp)


def _pending(g: Greffier, keys: Keys, account: Account) -> bytes:
    _, secret = _read(g, account.login)
    if secret.totp is None or secret.password is not None:
        raise SignInRefused(_REFUSED)
    return second_factor.unseal(keys, account.id, secret.totp)


def _use_code(conn: Connection, keys: Keys, account: Account, secret: Secret, *, step: int | None, code: str) -> bool:
    """Use the code up. In the transaction of what it allows, so that two at once are one."""
    if step is not None and secret.totp is not None:
        return secret_table.use_step(conn, account.id, step)
    (digest,) = second_factor.recovery_digests(keys, account.id, [code])
    return secret_table.use_recovery(conn, account.id, digest)


def _begin(g: Greffier, conn: Connection, account: Account, before: str) -> Begun:
    session_table.delete_session(conn, session.digest(before))
    return Begun(account, session.begin(g, conn, account, "full"))
