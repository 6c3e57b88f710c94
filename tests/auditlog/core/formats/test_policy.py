"""Trust policies: the published cases, real witness files, our key sizes, quorums and ages."""

from __future__ import annotations

import base64
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.errors import AuditLogError, FormatError, NotPublished, SignatureError, VerifyError
from auditlog.core.formats.checkpoint import Checkpoint, format_checkpoint, open_checkpoint
from auditlog.core.formats.cosignature import parse_body
from auditlog.core.formats.keyring import KeyRing, LogKey, key_ring
from auditlog.core.formats.note import (
    COSIGNATURE,
    ED25519,
    ML_DSA_44,
    Note,
    Signature,
    Signer,
    format_note,
    format_vkey,
    parse_note,
    verifier_key,
)
from auditlog.core.formats.policy import (
    MAX_LINES,
    Group,
    Policy,
    Witness,
    check_policy,
    cosigned_by,
    format_policy,
    fresh_until,
    organisations,
    parse_policy,
)

SHARED = Path(__file__).parents[5] / "shared" / "vectors"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the published vectors (../shared/vectors) are not here")

ORIGIN = "register.example/1"
LOG = tuple(Signer.generate(ORIGIN, kind, bytes([kind]) * 32) for kind in (ED25519, ML_DSA_44))
COSIGNERS = {
    name: Signer.generate(f"{name}.example", kind, name.encode() * 32)
    for name, kind in (("a", COSIGNATURE), ("b", ML_DSA_44), ("c", COSIGNATURE), ("d", ML_DSA_44))
}
TEXT = format_checkpoint(Checkpoint(ORIGIN, 9, bytes(32)))
NOW = 1_800_000_000
POLICY = Policy(
    key_ring(signer.vkey for signer in LOG),
    witnesses=tuple(Witness(name, signer.vkey) for name, signer in COSIGNERS.items()),
    groups=(Group("two", 2, ("a", "b", "c")), Group("all", 2, ("two", "d"))),
    quorum="all",
)


def signed(times: dict[str, int], *more: Signature) -> bytes:
    lines = [signer.sign(TEXT) for signer in LOG]
    lines += [COSIGNERS[name].sign(TEXT, timestamp=time) for name, time in times.items()]
    return format_note(Note(TEXT, (*lines, *more)))


# --- published cases --------------------------------------------------------------------------------------------------


def cases(op: str) -> list[Any]:
    if not SHARED.is_dir():
        return []
    found = json.loads((SHARED / "tlog-json/tlog-policy.json").read_text("utf-8"))["cases"]
    return [pytest.param(case, id=case["name"]) for case in found if case["op"] == op]


@needs_shared
def test_the_published_file_has_the_cases_that_we_count_on() -> None:
    assert (len(cases("parse_policy")), len(cases("verify_checkpoint"))) == (42, 16)


@pytest.mark.parametrize("case", cases("parse_policy"))
def test_published_policies(case: dict[str, Any]) -> None:
    given_, expected = case["input"], case["expect"]
    octets = base64.b64decode(given_["policy_b64"]) if "policy_b64" in given_ else given_["policy"].encode()
    if not expected["ok"]:
        with pytest.raises(FormatError, match=r"^policy"):
            parse_policy(octets)
        return
    policy = parse_policy(octets)
    names = [witness.name for witness in policy.witnesses]
    found = {
        "ok": True,
        "logs": [format_vkey(key) for key in policy.logs.vkeys],
        "witnesses": names,
        "witness_names_b64": [base64.b64encode(name.encode("utf-8", "surrogateescape")).decode() for name in names],
        "groups": {group.name: [group.threshold, list(group.members)] for group in policy.groups},
        "quorum": policy.quorum or "none",
    }
    assert {name: found[name] for name in expected} == expected
    assert parse_policy(format_policy(policy)) == policy


@pytest.mark.parametrize("case", cases("verify_checkpoint"))
def test_published_checkpoints(case: dict[str, Any]) -> None:
    policy, note = parse_policy(case["input"]["policy"]), case["input"]["checkpoint"].encode()

    def check() -> None:
        open_checkpoint(note, policy.logs, origin=parse_body(parse_note(note).text).origin)
        check_policy(policy, note)

    if case["expect"]["ok"]:
        check()
        return
    with pytest.raises(NotPublished if case["expect"]["error"] == "quorum" else SignatureError):
        check()


@needs_shared
@pytest.mark.parametrize(("name", "witnesses"), [("geomys", 1), ("glasklar", 3), ("transparency-dev", 2)])
def test_real_witness_files_are_parts_of_a_policy(name: str, witnesses: int) -> None:
    octets = (SHARED / f"tlog-policy/{name}.txt").read_bytes()
    with pytest.raises(FormatError, match=r"^policy: must have exactly one quorum line"):
        parse_policy(octets)
    policy = parse_policy(octets + b"\nquorum none\n")
    assert len(policy.witnesses) == witnesses
    assert policy.groups


# --- our own ----------------------------------------------------------------------------------------------------------


def test_sizes_of_keys_stand_above_their_log_lines() -> None:
    old, new = (Signer.generate(ORIGIN, ED25519, bytes([seed]) * 32).vkey for seed in (7, 8))
    policy = Policy(KeyRing((LogKey(old, 0, 8), LogKey(new, 6))), {new: "https://register.example/log/1"}, quorum=None)
    text = (
        f"# valid from 0 until 8\nlog {format_vkey(old)}\n"
        f"# valid from 6\nlog {format_vkey(new)} https://register.example/log/1\nquorum none\n"
    )
    assert format_policy(policy) == text
    assert parse_policy(text) == policy
    assert parse_policy(text.replace("log ", "\tlog  \t")) == policy
    for line, bad in {
        3: text.replace("from 6", "from six"),
        5: text.replace("quorum", "# valid from 3\nquorum").replace("# valid from 6\n", ""),
        6: text + "# valid from 3\n",
    }.items():
        with pytest.raises(FormatError, match=rf"^policy line {line}: "):
            parse_policy(bad)


def test_an_organisation_counts_once_however_many_keys_it_has() -> None:
    keys = [Signer.generate("w.example", kind, bytes(32)).vkey for kind in (COSIGNATURE, ML_DSA_44)]
    policy = Policy(KeyRing(()), {}, (*map(Witness, ("one", "two"), keys), Witness("a", COSIGNERS["a"].vkey)))
    assert organisations(policy, {"one", "two"}) == {"w.example"}
    assert organisations(policy, {"two", "a", "unknown"}) == {"w.example", COSIGNERS["a"].vkey.name}


def test_a_log_is_not_its_own_witness() -> None:
    """Its key under another name, as a witness's: it would vouch for itself."""
    log = Signer.generate("register.example/1", ED25519, bytes(32))
    own = Signer.generate("friend.example/w", COSIGNATURE, bytes(32))
    text = f"log {format_vkey(log.vkey)}\nwitness friend {format_vkey(own.vkey)}\nquorum friend\n"
    with pytest.raises(FormatError, match="policy line 2: witness key: stands on another line already"):
        parse_policy(text)


def test_32_logs_witnesses_and_groups_and_more() -> None:
    logs = [Signer.generate(f"register.example/{n}", ED25519, bytes([n]) * 32).vkey for n in range(64)]
    cosigners = [Signer.generate(f"w{n}.example", COSIGNATURE, bytes([n, 200]) * 16).vkey for n in range(64)]
    names = [f"w{n}" for n in range(64)]
    groups = [Group("g0", 1, ("w0",))]
    groups += [Group(f"g{n}", 2, (f"g{n - 1}", f"w{n}")) for n in range(1, 64)]
    policy = Policy(
        key_ring(logs),
        dict.fromkeys(logs, "https://register.example/"),
        tuple(map(Witness, names, cosigners)),
        tuple(groups),
        "g63",
    )
    assert parse_policy(format_policy(policy)) == policy
    assert policy.met_by(names)
    assert not policy.met_by(names[1:])
    assert not policy.met_by(["g63", "g62", *names[1:]])  # names of groups are no witnesses


def test_what_is_wrong_is_named_with_its_line() -> None:
    key, other = (format_vkey(COSIGNERS[name].vkey) for name in ("a", "c"))
    lines = [f"witness a {key}", f"witness c {other}", "group g any a c", "quorum g"]
    same = format_vkey(verifier_key("same.example", COSIGNATURE, COSIGNERS["a"].vkey.public))
    for number, line, sentence in (
        (1, "witness a", "must read witness <name> <vkey>"),
        (1, f"witness none {key}", "'none'"),
        (2, f"witness b {same}", "stands on another line already"),
        (2, f"witness a {other}", "a: is the name of another"),
        (2, f"log {other}", "not a witness's"),
        (2, f"witness c {format_vkey(LOG[0].vkey)}", "must be a cosignature key"),
        (3, "group g any a d", "d: is no witness or group defined above"),
        (3, "group g 3 a c", "1 to 2"),
        (3, "group g 01 a c", "decimal"),
        (3, "group g any a c a", "a: is a member more than once"),
        (4, "quorum", "must read quorum <name>"),
        (4, "quorum h", "h: is no witness or group"),
        (4, "quorum none\nquorum none", None),
        (4, "Quorum none", "must begin with log"),
    ):
        text = "\n".join([*lines[: number - 1], line, *lines[number:]]) + "\n"
        place = rf"^policy line {number if sentence else number + 1}: .*{sentence or 'second quorum'}"
        with pytest.raises(FormatError, match=place):
            parse_policy(text)
    with pytest.raises(FormatError, match=r"policy line 2: ends as lines do on Windows"):
        parse_policy("quorum none\n# \r\n")
    with pytest.raises(FormatError, match=f"policy line {MAX_LINES + 2}: "):
        parse_policy("quorum none\n\n" + _many_witnesses(MAX_LINES))
    with pytest.raises(FormatError, match="at most"):
        parse_policy(b"#" * 1_000_001)


def _many_witnesses(count: int) -> str:
    keys = (verifier_key("w.example", COSIGNATURE, n.to_bytes(32, "big")) for n in range(count))
    return "".join(f"witness w{n} {format_vkey(key)}\n" for n, key in enumerate(keys))


@given(st.binary(max_size=80) | st.text(alphabet="logwitnesgrupqm ab#\n\t0129+/", max_size=80).map(str.encode))
def test_any_octets_are_a_policy_or_refused(octets: bytes) -> None:
    try:
        policy = parse_policy(octets + b"\nquorum none\n")
    except FormatError as error:
        assert str(error).startswith("policy")
    else:
        assert parse_policy(format_policy(policy)) == policy


def test_quorum_over_every_set_of_witnesses() -> None:
    for count in range(5):
        for names in combinations("abcd", count):
            met = "d" in names and len(set(names) - {"d"}) >= 2
            assert POLICY.met_by(names) is met
            note = signed(dict.fromkeys(names, NOW))
            assert cosigned_by(POLICY, note) == dict.fromkeys(names, NOW)
            if met:
                assert check_policy(POLICY, note) == dict.fromkeys(names, NOW)
            else:
                with pytest.raises(NotPublished, match=r"^policy: not yet published: .* demands all"):
                    check_policy(POLICY, note)


def test_strangers_are_ignored_and_a_known_witness_must_verify() -> None:
    stranger = Signer.generate("a.example", COSIGNATURE, bytes(32)).sign(TEXT, timestamp=NOW)
    assert cosigned_by(POLICY, signed({"a": NOW}, stranger)) == {"a": NOW}
    for name in "abcd":
        moved = COSIGNERS[name].sign(TEXT.replace("\n9\n", "\n8\n"), timestamp=NOW)
        with pytest.raises(SignatureError, match=rf"^policy: the cosignature of {name} does not belong"):
            cosigned_by(POLICY, signed({}, moved))
    with pytest.raises(FormatError):
        cosigned_by(POLICY, b"no note")


def test_a_signature_without_a_time_is_no_cosignature() -> None:
    assert cosigned_by(POLICY, signed({"b": 0, "a": 0, "c": NOW})) == {"c": NOW}


def test_the_first_of_two_lines_counts() -> None:
    again = COSIGNERS["a"].sign(TEXT, timestamp=NOW + 9)
    assert cosigned_by(POLICY, signed({"a": NOW}, again)) == {"a": NOW}


@pytest.mark.parametrize(
    ("times", "newest"),
    [
        ({"a": 10, "b": 20, "d": 30}, 10),
        ({"a": 10, "b": 20, "c": 30, "d": 40}, 20),
        ({"a": 30, "b": 20, "c": 30, "d": 5}, 5),
        ({"a": 30, "d": 5}, None),
    ],
)
def test_age_is_that_of_the_newest_quorum(times: dict[str, int], newest: int | None) -> None:
    assert fresh_until(POLICY, times) == newest
    if newest is None:
        return
    note = signed({name: NOW + time for name, time in times.items()})
    assert check_policy(POLICY, note, max_age=60, now=NOW + newest + 60)
    with pytest.raises(VerifyError, match=r"^policy: the checkpoint is 61 seconds old .* more than the 60 allowed"):
        check_policy(POLICY, note, max_age=60, now=NOW + newest + 61)


def test_times_in_the_future_prove_no_freshness() -> None:
    late = dict.fromkeys("abcd", NOW + 10**6)
    assert check_policy(POLICY, signed(late)) == late
    with pytest.raises(VerifyError, match="check this computer's"):
        check_policy(POLICY, signed(late), max_age=60, now=NOW)
    assert check_policy(POLICY, signed(dict.fromkeys("abcd", NOW + 200)), max_age=60, now=NOW)


def test_without_a_quorum_line_the_known_witnesses_still_tell_the_age() -> None:
    policy = Policy(POLICY.logs, {}, POLICY.witnesses)
    assert check_policy(policy, signed({})) == {}
    assert check_policy(policy, signed({"a": NOW}), max_age=60, now=NOW + 60) == {"a": NOW}
    with pytest.raises(VerifyError, match="no known witness"):
        check_policy(policy, signed({}), max_age=60, now=NOW)
    with pytest.raises(VerifyError, match="61 seconds old"):
        check_policy(policy, signed({"a": NOW}), max_age=60, now=NOW + 61)
    with pytest.raises(ValueError, match="needs now"):
        check_policy(policy, signed({}), max_age=60)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Witness("a b", COSIGNERS["a"].vkey),
        lambda: Witness("", COSIGNERS["a"].vkey),
        lambda: Witness("a", COSIGNERS["a"].vkey, "https://w.example/ x"),
        lambda: Group("g", 1, ()),
        lambda: Policy(POLICY.logs, quorum="a"),
        lambda: Policy(key_ring([COSIGNERS["a"].vkey])),
        lambda: Policy(POLICY.logs, {POLICY.logs.vkeys[0]: "a b"}),
    ],
)
def test_no_policy_can_be_made_that_could_not_be_read_back(make: Any) -> None:
    with pytest.raises(AuditLogError):
        make()
