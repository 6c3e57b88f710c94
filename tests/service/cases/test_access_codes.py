"""Access codes and tracking codes: what is wrong, unknown, withdrawn or erased opens nothing, and all look the same."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from auditlog.core.errors import Erased
from auditlog.store.log import iterate_entries
from casework.errors import CodeRejected
from casework.secret import ALPHABET
from casework.store import secrets
from home.errors import Refused, TooMany, UnknownRecord
from service.cases import access_codes, code_attempts, public_requests
from service.erasing import erase
from service.keeping import fsck
from service.records.reading import CLI

NOWHERE = "00000000-0000-4000-8000-000000000000"
MINE = access_codes.address_bucket("192.0.2.7")
ASKED = {"right": "explain", "channel": "web", "lang": "nl", "text": "Waarom?"}


def wrong(code: str) -> str:
    """A code that differs in one character."""
    return ("1" if code[0] != "1" else "2") + code[1:]


def refused(ask: Any) -> str:
    with pytest.raises(CodeRejected) as error:
        ask()
    return str(error.value)


def test_wrong_unknown_and_erased_get_one_answer(office: Any) -> None:
    with office.opened() as g:
        record, bare, gone = (office.decide(g, "TEST-1") for _ in range(3))
        code, lost = access_codes.issue_code(g, record), access_codes.issue_code(g, gone)
        erase.erase(g, gone, ground="objection")
        said = {
            refused(lambda: access_codes.check_code(g, id_, tried))
            for id_, tried in (
                (record, wrong(code)),
                (record, lost),
                (record, ""),
                (record, "not a code"),
                (record, code + "2"),
                (record, "é" * 12),
                (record, "2" * 10_000_000),
                (bare, code),
                (gone, lost),
                (NOWHERE, code),
                ("", code),
                ("../" * 1000, code),
            )
        }
        assert len(said) == 1, said
        assert code not in said.pop()
        assert access_codes.check_code(g, record, code) == record


def test_a_code_is_read_however_it_is_typed(small_office: Any) -> None:
    with small_office.opened() as g:
        record = small_office.decide(g, "TEST-1")
        code = access_codes.issue_code(g, record)
        assert len(code.replace("-", "")) == 12
        assert set(code) <= {*ALPHABET, "-"}
        typed = code.lower().replace("-", " ").replace("1", "l").replace("0", "o")
        assert access_codes.check_code(g, f" {record.upper()} ", typed) == record


def test_a_new_code_takes_the_place_of_the_old_one(office: Any) -> None:
    with office.opened() as g:
        record = office.decide(g, "TEST-1")
        old, new = access_codes.issue_code(g, record), access_codes.issue_code(g, record)
        refused(lambda: access_codes.check_code(g, record, old))
        access_codes.check_code(g, record, new)


def test_only_a_decision_that_is_there_has_a_code(office: Any) -> None:
    with office.opened() as g:
        record = office.decide(g, "TEST-1")
        opened = public_requests.open_request(g, **ASKED)
        with pytest.raises(Refused, match="only a decision"):
            access_codes.issue_code(g, opened.request.id)
        with pytest.raises(UnknownRecord):
            access_codes.issue_code(g, NOWHERE)
        erase.erase(g, record, ground="objection")
        with pytest.raises(Erased):
            access_codes.issue_code(g, record)


def test_tries_at_a_record_are_limited_and_the_right_code_waits_too(office: Any) -> None:
    with office.opened() as g:
        record, other = office.decide(g, "TEST-1"), office.decide(g, "TEST-2")
        code, free = access_codes.issue_code(g, record), access_codes.issue_code(g, other)
        for _ in range(code_attempts.PER_RECORD):
            refused(lambda: access_codes.check_code(g, record, wrong(code)))
        with pytest.raises(TooMany) as error:
            access_codes.check_code(g, record, code)
        assert 0 < error.value.retry_after_s <= code_attempts.WINDOW_S
        access_codes.check_code(g, other, free)
        office.clock.on(seconds=code_attempts.WINDOW_S + 1)
        access_codes.check_code(g, record, code)


def test_a_record_that_is_not_there_is_limited_as_one_that_is(small_office: Any) -> None:
    with small_office.opened() as g:
        for _ in range(code_attempts.PER_RECORD):
            refused(lambda: access_codes.check_code(g, NOWHERE, "2" * 12))
        with pytest.raises(TooMany):
            access_codes.check_code(g, NOWHERE, "2" * 12)


def test_right_codes_are_no_tries(small_office: Any) -> None:
    with small_office.opened() as g:
        record = small_office.decide(g, "TEST-1")
        code = access_codes.issue_code(g, record)
        for _ in range(2 * code_attempts.PER_RECORD):
            access_codes.check_code(g, record, code, bucket=MINE)


def test_tries_from_an_address_are_limited_for_tracking_codes_as_well(office: Any) -> None:
    with office.opened() as g:
        tracking = public_requests.open_request(g, **ASKED).tracking_code
        for _ in range(code_attempts.PER_ADDRESS):
            refused(lambda: public_requests.status(g, wrong(tracking), bucket=MINE))
        with pytest.raises(TooMany):
            public_requests.status(g, tracking, bucket=MINE)
        assert public_requests.status(g, tracking, bucket=access_codes.address_bucket("192.0.2.8")).state == "open"


def test_many_tries_at_once_are_counted_as_many(office: Any) -> None:
    with office.opened() as g:
        record = office.decide(g, "TEST-1")
        code = access_codes.issue_code(g, record)
        told: list[type[Exception]] = []

        def guess() -> None:
            try:
                access_codes.check_code(g, record, wrong(code))
            except (CodeRejected, TooMany) as error:
                told.append(type(error))

        threads = [threading.Thread(target=guess) for _ in range(3 * code_attempts.PER_RECORD)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert told.count(CodeRejected) == code_attempts.PER_RECORD
        assert told.count(TooMany) == 2 * code_attempts.PER_RECORD


def test_requests_without_a_code_are_limited_by_address(small_office: Any) -> None:
    with small_office.opened() as g:
        for _ in range(code_attempts.REQUESTS):
            public_requests.open_request(g, **ASKED, bucket=MINE)
        with pytest.raises(TooMany):
            public_requests.open_request(g, **ASKED, bucket=MINE)
        public_requests.open_request(g, **ASKED)


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/56"),
        ("2001:db8:1:2::1%eth0", "2001:db8:1::/56"),
        ("testclient", "other"),
        ("", "other"),
    ],
)
def test_an_address_is_counted_by_household(address: str, bucket: str) -> None:
    assert access_codes.address_bucket(address) == bucket


def test_nothing_of_codes_and_addresses_is_kept_in_clear(small_office: Any) -> None:
    with small_office.opened() as g:
        record = small_office.decide(g, "TEST-1")
        code = access_codes.issue_code(g, record)
        opened = public_requests.open_request(g, **ASKED, reference=record, code=code, bucket="192.0.2.7")
        refused(lambda: public_requests.status(g, wrong(opened.tracking_code), bucket="192.0.2.7"))
        with g.reading() as conn:
            assert secrets.find_code(conn, record) != g.vault.key_tag("access code", code)
            entries = b"".join(data for _, data in iterate_entries(conn, 1, 0, g.log.state().size))
    stored = b"".join(path.read_bytes() for path in small_office.home.glob("greffier.db*"))
    for secret in (code, opened.tracking_code, "192.0.2.7", "Waarom?"):
        for text in {secret, secret.replace("-", "")}:
            assert text.encode() not in stored
            assert text.encode() not in entries


def test_erasing_takes_the_codes_along(office: Any) -> None:
    with office.opened() as g:
        record = office.decide(g, "TEST-1")
        code = access_codes.issue_code(g, record)
        opened = public_requests.open_request(g, **ASKED, reference=record, code=code)
        erase.erase(g, record, ground="objection")
        refused(lambda: access_codes.open_receipt(g, record, code))
        refused(lambda: public_requests.open_request(g, **ASKED, reference=record, code=code))
        status = public_requests.status(g, opened.tracking_code)
        assert (status.erased, status.state) == (True, "open")
        erase.erase(g, opened.request.id, ground="objection")
        refused(lambda: public_requests.status(g, opened.tracking_code))
        with g.writing() as conn:
            assert secrets.records_with_code(conn) == []
            assert secrets.drop_without_request(conn) == 0
        assert fsck.check_all(g) == []


def test_all_of_a_person_goes_with_what_they_asked(office: Any) -> None:
    with office.opened() as g:
        record, other = office.decide(g, "TEST-1"), office.decide(g, "TEST-2")
        by_code = public_requests.open_request(g, **ASKED, reference=record, code=access_codes.issue_code(g, record))
        by_name = public_requests.open_request(g, **ASKED, subject="test 1")
        kept = public_requests.open_request(g, **ASKED, reference=other, code=access_codes.issue_code(g, other))
        plan = erase.plan_person(g, "TEST-1", ground="objection", reader=CLI)
        assert set(plan.records) == {record, by_code.request.id, by_name.request.id}
        erase.confirm(g, plan, plan.code)
        for gone in (by_code, by_name):
            refused(lambda gone=gone: public_requests.status(g, gone.tracking_code))
        assert public_requests.status(g, kept.tracking_code).state == "open"
        assert fsck.check_all(g) == []
