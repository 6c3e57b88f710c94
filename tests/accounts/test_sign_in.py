"""Who gets in, who does not, and that nobody learns why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from accounts import administration, password, second_factor, session, sign_in, sign_in_attempts
from accounts.token import NotSignedIn, SignInRefused
from home.errors import TooMany, UsageError

FIRST = "the first password of all"


def test_login_password_and_code_begin_a_session_of_the_account(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld", "officer", systems=("loan",))
    begun = desk.sign_in(ada)
    known = session.known(desk.g, begun.token)
    assert (known.role, known.account, known.systems, known.via) == ("officer", ada.id, ("loan",), "session")
    assert known.reaches("loan")
    assert not known.reaches("tax")


def test_every_reason_reads_the_same(desk: Any) -> None:
    ada, bo = desk.person("ada.voorbeeld"), desk.person("bo.voorbeeld")
    never = administration.add(desk.g, login="cas.voorbeeld", name="Cas Voorbeeld", role="auditor", by=None).account
    administration.end(desk.g, bo.login, by=None)
    said = []
    for login, secret, code in (
        (ada.login, "not the right password", desk.code(ada)),
        (ada.login, None, "000000"),
        (ada.login, None, ""),
        (ada.login, None, "x" * 40),
        (bo.login, None, desk.code(bo)),
        (never.login, None, "000000"),
        ("nobody.voorbeeld", None, "000000"),
        ("'; DROP TABLE access_account; --", None, "000000"),
        (ada.id, None, desk.code(ada)),
    ):
        with pytest.raises(SignInRefused) as caught:
            given = "vier losse woorden samen" if secret is None else secret
            sign_in.sign_in(desk.g, login, given, code, address="")
        said.append(str(caught.value))
        if login == ada.login:
            sign_in_attempts.succeeded(desk.g, second_factor.read_keys(desk.g.home), login)
    assert len(set(said)) == 1
    assert "voorbeeld" not in said[0]


def test_a_password_is_checked_also_for_nobody(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = password._hasher()
    checked: list[str] = []
    real = type(hasher).verify

    def watched(self: Any, kept: str, given: str) -> Any:
        checked.append(kept)
        return real(self, kept, given)

    monkeypatch.setattr(type(hasher), "verify", watched)
    for login in ("nobody.voorbeeld", desk.person("ada.voorbeeld").login):
        with pytest.raises(SignInRefused):
            sign_in.sign_in(desk.g, login, "x", "000000", address="")
    assert len(checked) == 2
    # The same algorithm at the same cost; salt and hash differ.
    assert checked[0].rsplit("$", 2)[0] == checked[1].rsplit("$", 2)[0]


def test_a_code_counts_once_and_so_does_the_one_before_it(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld")
    before = desk.code(ada)
    code = desk.code(ada)
    desk.sign_in(ada, code=code)
    for again in (code, before):
        with pytest.raises(SignInRefused):
            desk.sign_in(ada, code=again)
    desk.sign_in(ada)


def test_of_many_at_once_with_one_code_one_gets_in(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld")
    code = desk.code(ada)

    def try_it(_: int) -> bool:
        try:
            desk.sign_in(ada, code=code)
        except (SignInRefused, TooMany):
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(try_it, range(4))) == 1


def test_a_code_is_not_used_up_by_who_has_not_the_password(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld")
    code = desk.code(ada)
    with pytest.raises(SignInRefused):
        desk.sign_in(ada, "not the right password", code)
    assert desk.sign_in(ada, code=code).token


@pytest.mark.parametrize(("late_s", "good"), [(-60, False), (-59, True), (0, True), (30, True), (31, False)])
def test_an_apps_clock_may_be_half_a_minute_off(desk: Any, late_s: int, good: bool) -> None:
    ada = desk.person("ada.voorbeeld")
    desk.wait(minutes=5)
    code = second_factor.code_at(ada.secret, desk.g.clock() - timedelta(seconds=late_s))
    if good:
        desk.sign_in(ada, code=code)
    else:
        with pytest.raises(SignInRefused):
            desk.sign_in(ada, code=code)


@pytest.mark.parametrize("code", ["٠٠٠٠٠٠", "１２３４５６", "000000\0", "é" * 6, "\u202e123456", "0" * 40])
def test_digits_of_other_scripts_are_no_code_and_no_fault(desk: Any, code: str) -> None:
    ada = desk.person("ada.voorbeeld")
    with pytest.raises(SignInRefused):
        desk.sign_in(ada, code=code)


def test_a_recovery_code_counts_once(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld")
    assert len(set(ada.codes)) == second_factor.RECOVERY_CODES
    assert desk.sign_in(ada, code=ada.codes[0].upper().replace("-", " ")).token
    with pytest.raises(SignInRefused):
        desk.sign_in(ada, code=ada.codes[0])
    bo = desk.person("bo.voorbeeld")
    with pytest.raises(SignInRefused):
        desk.sign_in(bo, code=ada.codes[1])
    assert administration.condition(desk.g, ada.login).codes == second_factor.RECOVERY_CODES - 1


def test_the_login_closes_after_some_tries_whether_it_is_one_or_not(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld")
    ends = []
    for login in (ada.login, "nobody.voorbeeld"):
        for _ in range(sign_in_attempts.TRIES):
            with pytest.raises(SignInRefused):
                sign_in.sign_in(desk.g, login, "wrong", "000000", address="")
        with pytest.raises(TooMany) as caught:
            sign_in.sign_in(desk.g, login, "wrong", "000000", address="")
        ends.append((str(caught.value), caught.value.retry_after_s))
    assert ends[0] == ends[1]
    # The right password does not open it either, or a closed login would tell who is right.
    with pytest.raises(TooMany):
        desk.sign_in(ada)
    desk.wait(minutes=15)
    assert desk.sign_in(ada).token


def test_who_gets_in_has_all_tries_again(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld")
    for _ in range(3):
        for _ in range(sign_in_attempts.TRIES - 1):
            with pytest.raises(SignInRefused):
                desk.sign_in(ada, "wrong", "000000")
        desk.sign_in(ada)


def test_many_at_once_have_no_more_tries(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld")

    def try_it(_: int) -> str:
        try:
            sign_in.sign_in(desk.g, ada.login, "wrong", "000000", address="")
        except SignInRefused:
            return "looked at"
        except TooMany:
            return "closed"
        return "in"

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(try_it, range(12))).count("looked at") == sign_in_attempts.TRIES


def test_an_address_has_its_tries_and_this_machine_is_none(desk: Any) -> None:
    def try_from(address: str, number: int) -> None:
        sign_in.sign_in(desk.g, f"nobody{number}.x", "wrong", "000000", address=address)

    for number in range(sign_in_attempts.TRIES_FROM):
        with pytest.raises(SignInRefused):
            try_from(f"2001:db8:1:2::{number:x}", number)
    with pytest.raises(TooMany):
        try_from("2001:db8:1:2:ffff::1", 998)
    for address in ("2001:db8:1:3::1", "127.0.0.1", "::1", "not an address"):
        with pytest.raises(SignInRefused):
            try_from(address, 999)


def test_the_tries_table_names_nobody(desk: Any, tmp_path: Any) -> None:
    with pytest.raises(SignInRefused):
        sign_in.sign_in(desk.g, "a password typed here", "x", "x", address="203.0.113.9")
    for file in (tmp_path / "home").glob("greffier.db*"):
        assert b"password typed" not in file.read_bytes()
        assert b"203.0.113.9" not in file.read_bytes()


def test_the_database_holds_nothing_that_opens(desk: Any, tmp_path: Any) -> None:
    ada = desk.person("ada.voorbeeld")
    issued = administration.add(desk.g, login="bo.voorbeeld", name="Bo Voorbeeld", role="approver", by=None)
    secrets = [b"vier losse woorden", ada.secret, ada.token.encode(), issued.code.encode(), *map(str.encode, ada.codes)]
    secrets += [second_factor.as_typed(ada.secret).replace(" ", "").encode(), issued.code.replace("-", "").encode()]
    kept = b"".join(file.read_bytes() for file in (tmp_path / "home").glob("greffier.db*"))
    assert b"ada.voorbeeld" in kept
    assert not [one for one in secrets if one in kept]


def test_a_sealed_second_factor_opens_for_its_own_account_alone(desk: Any) -> None:
    from auditlog.core.errors import VaultError

    ada, bo = desk.person("ada.voorbeeld"), desk.person("bo.voorbeeld")
    keys = second_factor.read_keys(desk.g.home)
    assert second_factor.unseal(keys, ada.id, desk.sealed(ada.id)) == ada.secret
    with pytest.raises(VaultError):
        second_factor.unseal(keys, bo.id, desk.sealed(ada.id))


# --- the first time ---------------------------------------------------------------------------------------------------


def test_a_first_session_can_do_nothing_else(desk: Any) -> None:
    issued = administration.add(desk.g, login="ada.voorbeeld", name="Ada Voorbeeld", role="officer", by=None)
    begun = sign_in.begin_first(desk.g, "ada.voorbeeld", issued.code, address="")
    with pytest.raises(NotSignedIn):
        session.known(desk.g, begun.token)
    with pytest.raises(SignInRefused):
        sign_in.sign_in(desk.g, "ada.voorbeeld", "", "000000", address="")
    full = desk.person("bo.voorbeeld")
    with pytest.raises(NotSignedIn):
        session.first(desk.g, full.token)


def test_the_code_of_the_administrator_is_good_for_one_account_three_days_and_once(desk: Any) -> None:
    issued = administration.add(desk.g, login="ada.voorbeeld", name="Ada Voorbeeld", role="officer", by=None)
    other = administration.add(desk.g, login="bo.voorbeeld", name="Bo Voorbeeld", role="officer", by=None)
    for login, code in (("ada.voorbeeld", other.code), ("bo.voorbeeld", issued.code), ("nobody.x", issued.code)):
        with pytest.raises(SignInRefused):
            sign_in.begin_first(desk.g, login, code, address="")
    begun = sign_in.begin_first(desk.g, "ada.voorbeeld", issued.code, address="")
    secret = second_factor.unseal(second_factor.read_keys(desk.g.home), begun.account.id, desk.sealed(begun.account.id))
    with pytest.raises(UsageError, match="code"):
        sign_in.finish_first(desk.g, begun.token, FIRST, "000000")
    with pytest.raises(UsageError, match="password"):
        sign_in.finish_first(desk.g, begun.token, "short", second_factor.code_at(secret, desk.g.clock()))
    done = sign_in.finish_first(desk.g, begun.token, FIRST, second_factor.code_at(secret, desk.g.clock()))
    assert session.known(desk.g, done.token).account == begun.account.id
    with pytest.raises(NotSignedIn):
        session.first(desk.g, begun.token)
    with pytest.raises(SignInRefused):
        sign_in.begin_first(desk.g, "ada.voorbeeld", issued.code, address="")
    desk.wait(hours=72)
    with pytest.raises(SignInRefused):
        sign_in.begin_first(desk.g, "bo.voorbeeld", other.code, address="")


@pytest.mark.parametrize(
    "text", ["", "elevenchars", "x" * 129, "aaaaaaaaaaaaaaaa", "my ada.voorbeeld words", "abababababababab"]
)
def test_a_password_that_will_not_do_is_refused_without_being_quoted(text: str) -> None:
    from accounts.account import demand_password

    with pytest.raises(UsageError, match="password") as caught:
        demand_password(text, "ada.voorbeeld")
    assert not text or text not in str(caught.value)


def test_a_password_is_the_same_from_another_keyboard(desk: Any) -> None:
    composed, apart = "caf\u00e9 met vier woorden", "cafe\u0301 met vier woorden"
    ada = desk.person("ada.voorbeeld")
    desk_account = administration.find(desk.g, ada.id)
    sign_in.change_password(
        desk.g, desk_account, "vier losse woorden samen", apart, code=desk.code(ada), token=ada.token
    )
    assert desk.sign_in(ada, composed).token


def test_a_changed_password_ends_every_session_and_takes_a_code(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld")
    elsewhere = desk.sign_in(ada).token
    account = administration.find(desk.g, ada.id)
    for old, code in (("wrong", desk.code(ada)), ("vier losse woorden samen", "000000")):
        with pytest.raises(SignInRefused):
            sign_in.change_password(desk.g, account, old, FIRST, code=code, token=ada.token)
    begun = sign_in.change_password(
        desk.g, account, "vier losse woorden samen", FIRST, code=desk.code(ada), token=ada.token
    )
    for token in (elsewhere, ada.token):
        with pytest.raises(NotSignedIn):
            session.known(desk.g, token)
    assert session.known(desk.g, begun.token).account == ada.id
    with pytest.raises(SignInRefused):
        desk.sign_in(ada)
    assert desk.sign_in(ada, FIRST).token


def test_new_recovery_codes_take_the_old_ones_away(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld")
    account = administration.find(desk.g, ada.id)
    codes = sign_in.renew_codes(desk.g, account, "vier losse woorden samen", desk.code(ada))
    with pytest.raises(SignInRefused):
        desk.sign_in(ada, code=ada.codes[0])
    assert desk.sign_in(ada, code=codes[0]).token
