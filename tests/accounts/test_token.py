from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from accounts.token import KeyRejected, issue_key, parse_prefix, verify_token
from home.errors import UsageError

NOW = datetime(2026, 11, 24, 8, 10, tzinfo=UTC)


def random(count: int) -> bytes:
    return bytes(range(count))


def test_a_key_holds_the_digest_of_its_secret_and_never_the_secret() -> None:
    issued = issue_key("client", now=NOW, random=random)
    assert issued.secret.startswith("grf_000102030405_")
    assert issued.key.digest == hashlib.sha256(issued.secret.encode()).digest()
    assert issued.secret.split("_", 2)[2] not in repr(issued.key)


def test_the_secret_opens_its_own_key_only() -> None:
    issued = issue_key("client", now=NOW, random=random)
    assert verify_token(issued.secret, issued.key) is issued.key
    other = issue_key("client", now=NOW, random=bytes)
    with pytest.raises(KeyRejected):
        verify_token(other.secret, issued.key)


def test_unknown_wrong_and_withdrawn_keys_read_the_same() -> None:
    issued = issue_key("client", now=NOW, random=random)
    wrong = issued.secret[:-2] + "AA"
    said = set()
    for secret, key in (
        (issued.secret, None),
        (wrong, issued.key),
        (issued.secret, replace(issued.key, revoked=NOW)),
    ):
        with pytest.raises(KeyRejected) as caught:
            verify_token(secret, key)
        said.add(str(caught.value))
    assert len(said) == 1


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "grf_",
        "Bearer x",
        "grf_000102030405_short",
        "grf_00010203040G_" + "A" * 43,
        "grf_000102030405_" + "A" * 43 + "\n",
    ],
)
def test_a_malformed_secret_is_rejected_without_being_quoted(secret: str) -> None:
    with pytest.raises(KeyRejected) as caught:
        parse_prefix(secret)
    assert len(secret) < 5 or secret not in str(caught.value)


def test_a_scope_reaches_its_systems_and_no_others() -> None:
    scoped = issue_key("client", systems=["tax-reply", "aid", "aid"], now=NOW, random=random).key
    assert scoped.systems == ("aid", "tax-reply")
    assert scoped.reaches("aid")
    assert not scoped.reaches("loan")
    assert issue_key("client", now=NOW, random=random).key.reaches("loan")


@pytest.mark.parametrize("systems", [[], ["Tax Reply"], ["a" * 65]])
def test_a_scope_that_names_no_system_is_refused(systems: list[str]) -> None:
    with pytest.raises(UsageError, match="systems"):
        issue_key("client", systems=systems, now=NOW, random=random)
