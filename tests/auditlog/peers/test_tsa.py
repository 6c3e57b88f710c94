"""Tokens of time-stamping authorities: `openssl ts` is the authority, and judges every token beside us."""

from __future__ import annotations

import json
import random
import re
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from auditlog.core.errors import FormatError
from auditlog.peers.cms import names_certificate, with_ordered_certificates
from auditlog.peers.tsa import (
    MAX_TOKEN,
    NoToken,
    TokenError,
    check_imprint,
    describe_token,
    read_certificates,
    request_token,
    verify_token,
)

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "rfc3161"
NOTE = b"register.example/audit/1\n7\nAAAA\n\n\xe2\x80\x94 register.example/audit/1 AAAA\n"
OTHER = NOTE.replace(b"7", b"8")


@pytest.fixture(scope="module")
def house(time_authority, tmp_path_factory):
    """An authority that every test of this file uses; options are put back after each."""
    return time_authority.Authority(tmp_path_factory.mktemp("tsa") / "house")


@pytest.fixture
def authority(house):
    yield house
    house.configure(digests="sha256, sha384, sha512", precision=0, ess="sha256")


@pytest.fixture(scope="module")
def token(house):
    return house.stamp(NOTE)


@pytest.fixture(scope="module")
def roots(house):
    return read_certificates(house.ca.read_bytes())[0]


def given(house, *names):
    """Certificates as a reader has them: a root and what lies beside it."""
    return read_certificates(b"".join((house.folder / f"{name}.pem").read_bytes() for name in ("ca", *names)))


def refused(token, roots, message, *, note=NOTE, intermediates=(), error=TokenError):
    with pytest.raises(error, match=message):
        verify_token(token, note, roots=roots, intermediates=intermediates)
    return True


# --- verified by us and by openssl ------------------------------------------------------------------------------------


def test_a_good_token_gives_its_time_and_says_what_it_is(authority, token, roots):
    moment = verify_token(token, NOTE, roots=roots)
    assert authority.accepts(token, NOTE)
    assert moment.tzinfo is UTC
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=5)
    facts = describe_token(token)
    assert (facts.time, facts.policy, facts.authority) == (moment, "1.2.3.4.1", "CN=TSA tsa")
    assert (facts.algorithm, facts.digest) == ("sha256", sha256(NOTE).hexdigest())
    check_imprint(token, NOTE)


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_every_digest_of_sha2_verifies(authority, roots, digest):
    made = authority.stamp(NOTE, digest=digest)
    assert authority.accepts(made, NOTE)
    assert verify_token(made, NOTE, roots=roots)
    assert describe_token(made).algorithm == digest


def test_sha1_is_refused_though_openssl_takes_it(authority, roots):
    authority.configure(digests="sha1")
    made = authority.stamp(NOTE, digest="sha1")
    assert authority.accepts(made, NOTE)
    assert refused(made, roots, "digest that is not SHA-2")


@pytest.mark.parametrize("options", [{"ess": "sha1"}, {"ess": "sha384"}, {"ess": "sha512"}, {"precision": 6}])
def test_other_ways_to_name_the_certificate_and_the_time_verify(authority, roots, options):
    authority.configure(**options)
    made = authority.stamp(NOTE)
    assert authority.accepts(made, NOTE)
    assert verify_token(made, NOTE, roots=roots)


def test_a_token_without_certificates_needs_the_authoritys_own_beside_the_root(authority, roots):
    made = authority.stamp(NOTE, certificate=False)
    assert refused(made, roots, "comes without its authority's certificate: put that into the CA file")
    assert describe_token(made).authority is None
    found, others = given(authority, "tsa")
    assert authority.accepts(made, NOTE, untrusted=authority.folder / "tsa.pem")
    assert verify_token(made, NOTE, roots=found, intermediates=others)


def test_a_token_outlives_its_authoritys_certificate(authority, token, roots):
    authority.issue("old", start="20200101000000Z", end="20210101000000Z")
    info = with_time(authority.token_info(token), "20200601120000Z")
    made = authority.sign(info, signer="old")
    # The CA is younger than this token: it cannot have signed then.
    assert refused(made, roots, "does not hold, or its certificates do not lead there")
    authority.issue("past", start="20200101000000Z", end="20360101000000Z")
    assert verify_token(authority.sign(authority.token_info(token), signer="past"), NOTE, roots=roots)


def with_time(info, text):
    """TSTInfo with another genTime of the same length."""
    changed, count = re.subn(rb"\x18\x0f\d{14}Z", b"\x18\x0f" + text.encode(), info)
    assert count == 1
    return changed


# --- refused by us and by openssl -------------------------------------------------------------------------------------


def test_another_ca_is_refused(authority, token, time_authority, tmp_path):
    other = time_authority.Authority(tmp_path / "other")
    assert not authority.accepts(token, NOTE, ca=other.ca)
    assert refused(token, read_certificates(other.ca.read_bytes())[0], "not signed by an authority under the given CA")


def test_a_ca_of_the_same_name_with_another_key_is_refused(token, time_authority, tmp_path):
    other = time_authority.Authority(tmp_path / "house")
    roots = read_certificates(other.ca.read_bytes())[0]
    assert roots[0].subject.rfc4514_string() == "CN=CA house"
    assert refused(token, roots, "not signed by an authority under the given CA")


def test_another_note_is_refused(authority, token, roots):
    assert not authority.accepts(token, OTHER)
    assert refused(token, roots, "was made over other bytes than this checkpoint's", note=OTHER)
    with pytest.raises(TokenError, match="other bytes"):
        check_imprint(token, OTHER)


def test_a_token_moved_to_another_note_by_its_imprint_is_refused(authority, token, roots):
    moved = token.replace(sha256(NOTE).digest(), sha256(OTHER).digest())
    check_imprint(moved, OTHER)
    assert not authority.accepts(moved, OTHER)
    assert refused(moved, roots, "its signature does not hold", note=OTHER)


def test_a_token_with_another_time_is_refused(authority, token, roots):
    moved = with_time(token, "20261231000000Z")
    assert describe_token(moved).time == datetime(2026, 12, 31, tzinfo=UTC)
    assert not authority.accepts(moved, NOTE)
    assert refused(moved, roots, "its signature does not hold")


def test_no_changed_byte_gives_another_answer(authority, roots):
    """Each byte in turn: refused, or (a few that nobody signs, such as a version number) the same time."""
    token = authority.stamp(NOTE, chain=False)
    moment = verify_token(token, NOTE, roots=roots)
    accepted = 0
    for at in range(len(token)):
        changed = token[:at] + bytes([token[at] ^ 1]) + token[at + 1 :]
        try:
            assert verify_token(changed, NOTE, roots=roots) == moment
            accepted += 1
        except (TokenError, FormatError):
            continue
    assert accepted < 20


@pytest.mark.parametrize("kind", ["plain", "mail", "stamping_not_critical", "stamping_and_more"])
def test_a_certificate_that_is_not_for_time_stamping_alone_is_refused(authority, token, roots, kind):
    authority.issue(kind, kind=kind)
    made = authority.sign(authority.token_info(token), signer=kind)
    assert not authority.accepts(made, NOTE)
    assert refused(made, roots, "signed with a certificate that is not for time-stamping")


@pytest.mark.parametrize(
    ("name", "start", "end"), [("expired", "20200101", "20210101"), ("unborn", "20400101", "20410101")]
)
def test_a_certificate_that_was_not_valid_then_is_refused(authority, roots, name, start, end):
    authority.issue(name, start=f"{start}000000Z", end=f"{end}000000Z")
    made = authority.stamp(NOTE, signer=name)
    assert not authority.accepts(made, NOTE)
    assert refused(made, roots, rf"when its authority's certificate was not valid \({start[:4]}-01-01 to {end[:4]}")


def test_a_certificate_of_one_who_is_no_ca_is_refused(authority, token):
    authority.issue("rogue", issuer="tsa", start="20200101000000Z")
    made = authority.sign(authority.token_info(token), signer="rogue")
    found, others = given(authority, "tsa")
    assert not authority.accepts(made, NOTE, untrusted=authority.folder / "tsa.pem")
    assert refused(made, found, "its certificates do not lead there", intermediates=others)


def test_a_root_that_was_not_given_as_one_is_not_trusted(authority, token, time_authority, tmp_path):
    other = time_authority.Authority(tmp_path / "other")
    roots, own = read_certificates(other.ca.read_bytes())[0], read_certificates(authority.ca.read_bytes())[0]
    assert refused(token, roots, "do not lead there", intermediates=own)
    assert refused(token, (), "needs the certificate of a CA")


def test_a_token_must_name_its_certificate_under_its_signature(authority, token, roots):
    info = authority.token_info(token)
    with_name, without = (authority.sign(info, signer="tsa", ess=ess) for ess in (True, False))
    assert authority.accepts(with_name, NOTE)
    assert verify_token(with_name, NOTE, roots=roots)
    assert not authority.accepts(without, NOTE)
    assert refused(without, roots, "does not name the certificate that it was signed with")


def test_a_second_certificate_of_the_same_key_cannot_take_the_place_of_the_first(authority, token, roots):
    """One key, two certificates: the signature names the first, and the token is made to point at the second."""
    authority.issue("renewed", key="tsa", start="20200101000000Z")
    first, second = (given(authority, name)[1][0] for name in ("tsa", "renewed"))
    made = authority.stamp(NOTE, certificate=False)
    assert verify_token(made, NOTE, roots=roots, intermediates=[first])
    old, new = (b"\x02\x02" + certificate.serial_number.to_bytes(2, "big") for certificate in (first, second))
    assert made.count(old) == 1
    moved = made.replace(old, new)
    assert not authority.accepts(moved, NOTE, untrusted=authority.folder / "renewed.pem")
    assert refused(moved, roots, "does not name the certificate that it was signed with", intermediates=[second])


# --- what is no token -------------------------------------------------------------------------------------------------


def test_a_refusal_is_no_token(authority, roots):
    authority.configure(digests="sha512")
    answer = authority.stamp(NOTE)
    assert len(answer) < 100
    for check in (lambda: check_imprint(answer, NOTE), lambda: describe_token(answer)):
        with pytest.raises(TokenError, match=r"is a refusal by the authority \(status 2\)"):
            check()
    assert refused(answer, roots, "is a refusal")


@pytest.mark.parametrize("data", [b"", b"\0", b"0\x80", b"0\x84\xff\xff\xff\xff", b"<html>", b"0" * (MAX_TOKEN + 1)])
def test_garbage_is_no_token(roots, data):
    for check in (lambda: verify_token(data, NOTE, roots=roots), lambda: describe_token(data)):
        with pytest.raises(FormatError, match=r"^token: "):
            check()


def test_a_token_that_is_cut_or_longer_is_no_token(token, roots):
    for data in (*(token[:size] for size in range(0, len(token), 7)), token + b"\0", token + token):
        assert refused(data, roots, "^token: ", error=(FormatError, TokenError))


def test_certificates_in_the_order_of_the_chain_are_read_too(authority, token, roots):
    """The authority sends its chain as it comes; whatever the order, both readings verify."""
    ordered = with_ordered_certificates(token)
    assert sorted(ordered) == sorted(token)
    for data in (token, ordered):
        assert authority.accepts(data, NOTE)
        assert verify_token(data, NOTE, roots=roots)


def test_hostile_bytes_raise_nothing_but_our_errors(token, roots):
    rng = random.Random(3161)
    for _ in range(3_000):
        data = bytearray(token)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        for check in (with_ordered_certificates, lambda d: names_certificate(d, b"x"), describe_token):
            try:
                check(bytes(data))
            except (FormatError, TokenError):
                continue


@pytest.mark.parametrize("data", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\x30\x00"])
def test_a_ca_file_without_certificates_is_refused(data):
    with pytest.raises(FormatError, match="CA: must hold certificates, PEM or DER"):
        read_certificates(data)


def test_a_ca_file_needs_a_root_and_may_be_der(authority, time_authority, tmp_path):
    with pytest.raises(FormatError, match="CA: must hold the CA's root certificate"):
        read_certificates((authority.folder / "tsa.pem").read_bytes())
    time_authority.openssl("x509", "-in", authority.ca, "-outform", "DER", "-out", tmp_path / "ca.der")
    assert read_certificates((tmp_path / "ca.der").read_bytes()) == read_certificates(authority.ca.read_bytes())


# --- asking -----------------------------------------------------------------------------------------------------------


@pytest.mark.enable_socket
def test_a_token_is_asked_for_and_verifies_here_and_with_openssl(authority, roots):
    with authority.served() as url:
        first, second = (request_token(url, NOTE, timeout=10) for _ in range(2))
    for made in (first, second):
        assert authority.accepts(made, NOTE)
        assert verify_token(made, NOTE, roots=roots)
    requests = authority.requests[-2:]
    assert all(sha256(NOTE).digest() in request for request in requests)
    assert requests[0] != requests[1], "each request has a nonce of its own"


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("refusing", r"is a refusal by the authority \(status 2\): try again later"),
        ("forgetful", "was made over other bytes"),
        ("replaying", "answers another request than ours"),
        ("garbage", "is no time-stamp response"),
        ("empty", "is no time-stamp response"),
        ("large", f"answers with more than {MAX_TOKEN} bytes"),
        ("failing", "answers with status 503: try again later"),
        ("moved", "answers with status 307"),
        ("silent", r"cannot be reached \(ReadTimeout\): try again later"),
        ("dripping", "takes too long: try again later"),
    ],
)
def test_an_authority_that_gives_no_token_is_asked_again_later(authority, answer, message):
    began = time.monotonic()
    with authority.served(answer) as url:
        with pytest.raises(NoToken, match=rf"^time-stamping authority 127\.0\.0\.1: {message}") as told:
            request_token(f"{url}?key=secret", NOTE, timeout=1)
        assert time.monotonic() - began < 20
    assert "secret" not in str(told.value)


@pytest.mark.enable_socket
def test_an_authority_that_is_not_there_is_named(authority):
    with authority.served() as url:
        pass
    with pytest.raises(NoToken, match=r"cannot be reached \(ConnectError\): try again later"):
        request_token(url, NOTE, timeout=1)


@pytest.mark.parametrize("url", ["", "ftp://example.org/", "example.org", "http://", "http://[::1", "file:///etc/x"])
def test_an_address_that_is_none_is_the_settings_fault(url):
    with pytest.raises(FormatError, match="timestamp_url: must be http"):
        request_token(url, NOTE, timeout=1)


# --- published samples ------------------------------------------------------------------------------------------------


def cases():
    path = VECTORS / "cases.json"
    return json.loads(path.read_text())["cases"] if path.exists() else []


def test_the_published_samples_are_at_hand():
    if not cases():
        pytest.skip("shared/vectors/rfc3161 is not beside this checkout")
    assert len(cases()) >= 13


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_a_published_sample_gives_the_verdict_that_is_stated(case):
    given, expect = case["input"], case["expect"]
    data = (VECTORS / given["response"]).read_bytes()
    note = given["message"].encode() if "message" in given else (VECTORS / given["message_file"]).read_bytes()
    roots, others = read_certificates((VECTORS / given["chain"]).read_bytes())
    if case["name"].endswith("none-given"):
        others = []
    facts = describe_token(data)
    assert facts.digest == expect["imprint_hex"]
    assert (facts.time.isoformat(), str(facts.serial), facts.policy) == (
        expect["gen_time"],
        expect["serial"],
        expect["policy"],
    )
    if expect["ok"]:
        assert verify_token(data, note, roots=roots, intermediates=others).isoformat() == expect["gen_time"]
    else:
        assert refused(data, roots, "^token: ", note=note, intermediates=others)
