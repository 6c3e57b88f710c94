"""The JavaScript verifier: its own tests, and the same verdict as the Python one on made and on damaged receipts."""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditlog.core.checking.verifier import Trust, check_receipt
from auditlog.core.entries.receipt import Receipt, format_receipt
from auditlog.core.errors import AuditLogError, NotPublished
from auditlog.core.formats.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from auditlog.core.formats.commitment import commit_all, open_field
from auditlog.core.formats.keyring import KeyRing, LogKey, format_key_ring, key_ring, parse_key_ring
from auditlog.core.formats.merkle import leaf_hash, node_hash, prove_inclusion, root_hash
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
)
from auditlog.core.formats.policy import parse_policy
from auditlog.core.formats.proof import LogProof
from service.proving.receipt_page import SCRIPT

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "js"
VECTORS = json.loads((ROOT / "docs/conformance/vectors/receipts.json").read_text("utf-8"))
ROTATION = json.loads((ROOT / "docs/conformance/vectors/rotation.json").read_text("utf-8"))
DECISION = json.loads(VECTORS["entries"][-1])
ALL_KINDS = json.loads((ROOT / "docs/conformance/vectors/entries.json").read_text("utf-8"))["valid"]
OTHERS = [text.encode() for text in VECTORS["entries"]]
SPACES = [chr(code) for code in range(0x10000) if chr(code).isspace()] + [
    "\x00",
    "\x7f",
    "\x9f",
    "\ufeff",
    "\u200b",
    "\u180e",
    "+",
    "😀",
]
ORIGIN = "waterveen.example/log/1"
NOW = 1_800_000_000
SIGNERS = [Signer.generate(ORIGIN, kind, bytes([kind]) * 32) for kind in (ED25519, ML_DSA_44)]
WITNESSES = [
    Signer.generate("w1.example", COSIGNATURE, bytes([7]) * 32),
    Signer.generate("w2.example", ML_DSA_44, bytes([8]) * 32),
]
RING = key_ring(signer.vkey for signer in SIGNERS)
POLICY = "".join(f"witness wé{n} {format_vkey(one.vkey)}\n" for n, one in enumerate(WITNESSES, 1))
LOGS = "".join(f"log {format_vkey(vkey)}\n" for vkey in RING.vkeys)
QUORUMS = (None, "quorum none\n", "quorum wé1\n", "group g any wé1 wé2\nquorum g\n", "group g all wé1 wé2\nquorum g\n")


def test_its_own_tests_pass(node: str) -> None:
    """They run the vectors in tests/vectors, and the published ones where they are there."""
    files = sorted(str(path) for path in (CLIENT / "test").glob("*.test.mjs"))
    told = subprocess.run(
        [node, "--test", "--test-reporter=tap", *files], cwd=CLIENT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "# fail 0" in told.stdout


def test_its_table_of_kinds_is_the_one_of_the_log() -> None:
    spec = importlib.util.spec_from_file_location("make_kinds", CLIENT / "make_kinds.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (CLIENT / "kinds.mjs").read_text("utf-8") == module.build(), "run `python clients/js/make_kinds.py`"


def test_its_packages_are_exact_and_name_no_registry() -> None:
    lock = json.loads((CLIENT / "package-lock.json").read_text("utf-8"))
    assert all("resolved" not in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
    asked = json.loads((CLIENT / "package.json").read_text("utf-8"))
    for version in (*asked["dependencies"].values(), *asked["devDependencies"].values()):
        assert version.replace(".", "").isdigit(), version


def test_the_bundle_is_the_same_each_time(node: str, tmp_path: Path) -> None:
    made = []
    for name in ("one.js", "two.js"):
        subprocess.run([node, str(CLIENT / "build.mjs"), str(tmp_path / name)], check=True, capture_output=True)
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    assert SCRIPT.read_bytes() == made[0], "web/static/verify.js is out of date: run `make check-page`"
    assert made[0].isascii()
    assert b"</script" not in made[0].lower()
    assert b"MIT License" in made[0]


# --- the same verdict from both --------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def receipts(draw: st.DrawFn) -> Receipt:
    """A receipt that holds: invented values, a tree of up to 40 entries, some witnesses' lines."""
    chosen = {f"in_{name}": draw(values) for name in draw(st.sets(st.sampled_from("abcde"), max_size=3))}
    secret = draw(st.binary(min_size=32, max_size=32))
    fixed = dict.fromkeys(name for name in DECISION["commitments"] if not name.startswith("in_"))
    opened = {**chosen, "outcome": draw(texts)}
    entry = {**DECISION, "commitments": commit_all(secret, {**fixed, **opened})}
    data = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
    size = draw(st.integers(1, 40))
    index = draw(st.integers(0, size - 1))
    hashes = [leaf_hash(data if place == index else b"entry %d" % place) for place in range(size)]

    def nodes(wanted: Any) -> list[bytes]:
        return [root_hash(hashes[place << level : (place + 1) << level]) for level, place in wanted]

    note = parse_note(sign_checkpoint(Checkpoint(ORIGIN, size, root_hash(hashes)), SIGNERS))
    ages = {witness: draw(st.sampled_from([0, 1, NOW - 90, NOW, NOW + 301])) for witness in draw(st.sets(whos))}
    lines = [WITNESSES[witness].sign(note.text, timestamp=time) for witness, time in ages.items()]
    proof = LogProof(
        index, prove_inclusion(index, size, nodes), format_note(Note(note.text, (*note.signatures, *lines)))
    )
    return Receipt(data, proof, tuple(open_field(secret, name, value) for name, value in opened.items()))


whos = st.integers(0, len(WITNESSES) - 1)
# What a value can be written as; some of it is no JSON, some of it only looks like the same value.
SPELLINGS = (
    *(
        "0",
        "-0",
        "0.0",
        "-0.0",
        "1",
        "1.0",
        "1e0",
        "10E-1",
        "01",
        "+1",
        "1.",
        ".5",
        "-",
        "1e",
        "1e400",
        "-1e400",
        "5e-324",
    ),
    *("9007199254740991", "9007199254740992", "9007199254740993", "100000000000000000000", "1e20", "1E+20", "1e21"),
    *("1000000000000000000000", "123456789012345680000", "123456789012345678901", "NaN", "Infinity", "-Infinity"),
    *(
        "true",
        "True",
        "null",
        "nul",
        "nullx",
        "[]",
        "[1,]",
        "[,1]",
        "{}",
        '{"a":1,"a":1}',
        '{"b":1,"a":2}',
        '{"a" : 1}',
    ),
    *('""', '"a"', '"\\u0061"', '"\\/"', '"/"', '"\\ud83d\\ude00"', '"😀"', '"\\ud800"', '"\\ude00\\ud83d"', '"\\x"'),
    *(
        '"\\u00e9"',
        '"é"',
        '"e\u0301"',
        '"\t"',
        '"\\t"',
        '"\x7f"',
        '"\u2028"',
        '"\\u12"',
        '"\\u+123"',
        '"',
        "'a'",
        '"\ufeff"',
    ),
    *("[" * 62 + "]" * 62, "[" * 63 + "]" * 63, '{"__proto__":1}', '{"constructor":{"a":[]}}', '{"\ufb33":1,"😀":2}'),
)


@dataclass(frozen=True)
class Question:
    """A receipt's file, and whom to trust."""

    data: bytes
    ring: str | None = format_key_ring(RING)
    policy: str | None = None
    max_age: int | None = None

    def asked(self, ask: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        receipt = base64.b64encode(self.data).decode()
        return ask(receipt=receipt, ring=self.ring, policy=self.policy, max_age=self.max_age, now=NOW)

    def judged(self) -> dict[str, Any]:
        """The verdict of the Python verifier."""
        try:
            policy = None if self.policy is None else parse_policy(self.policy)
            ring = parse_key_ring(self.ring) if self.ring is not None else policy.logs if policy else KeyRing(())
        except AuditLogError:
            return {"trusted": False}
        try:
            facts, _ = check_receipt(self.data, Trust(ring, policy), max_age=self.max_age, now=NOW)
        except AuditLogError as error:
            return {
                "ok": False,
                "place": str(error).partition(": ")[0],
                "published": not isinstance(error, NotPublished),
            }
        return {"ok": True, **facts, "size": str(facts["size"]), "index": str(facts["index"])}


def compare(question: Question, ask: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    ours, theirs = question.judged(), question.asked(ask)
    assert theirs == ours
    return ours


many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@many
@given(receipt=receipts(), quorum=st.sampled_from(QUORUMS), age=st.none() | st.integers(0, 200), own=st.booleans())
def test_what_holds_for_one_holds_for_the_other(
    ask: Callable[..., dict[str, Any]], receipt: Receipt, quorum: str | None, age: int | None, own: bool
) -> None:
    if quorum is None:
        verdict = compare(Question(format_receipt(receipt)), ask)
        assert verdict["ok"]
    else:
        ring = None if own else format_key_ring(RING)  # the policy alone names the log, too
        verdict = compare(Question(format_receipt(receipt), ring, LOGS + POLICY + quorum, age), ask)
        assert verdict["ok"] or verdict["place"] == "policy"


@many
@given(receipt=receipts(), data=st.data())
def test_a_damaged_byte_is_judged_alike(
    ask: Callable[..., dict[str, Any]], receipt: Receipt, data: st.DataObject
) -> None:
    whole = format_receipt(receipt)
    place = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(place, min(len(whole), place + 3)))
    put = data.draw(st.binary(max_size=3) | st.sampled_from([b"\n", b" ", b"0", b"\\u0041", b"=", "—".encode(), b'"']))
    compare(Question(whole[:place] + put + whole[end:], policy=POLICY + "quorum none\n"), ask)


@many
@given(receipt=receipts(), data=st.data())
def test_changed_lines_of_a_proof_are_judged_alike(
    ask: Callable[..., dict[str, Any]], receipt: Receipt, data: st.DataObject
) -> None:
    value = json.loads(format_receipt(receipt))
    lines = value["proof"].split("\n")
    one, other = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    match data.draw(st.sampled_from(["drop", "swap", "repeat", "edit"])):
        case "drop":
            del lines[one]
        case "swap":
            lines[one], lines[other] = lines[other], lines[one]
        case "repeat":
            lines.insert(other, lines[one])
        case _:
            at = data.draw(st.integers(0, len(lines[one])))
            put = data.draw(
                st.sampled_from(["", "0", " ", "\u00a0", "\ufeff", "+", "=", "A", "\r", "\x00", "\u2028", "é"])
            )
            lines[one] = lines[one][:at] + put + lines[one][at + data.draw(st.integers(0, 1)) :]
    value["proof"] = "\n".join(lines)
    compare(Question(json.dumps(value).encode(), policy=POLICY + data.draw(st.sampled_from(QUORUMS[1:]))), ask)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_value_written_in_another_way_is_judged_alike(ask: Callable[..., dict[str, Any]], spelling: str) -> None:
    """The commitment is to the value, so some spellings hold; what is no value of JSON does not."""
    secret = bytes(32)
    meant: Any = None
    for read in (json.loads, float):
        try:
            meant = read(spelling)
            break
        except ValueError:
            continue
    for value in (meant, 1, 0, "a"):
        try:
            commitments = commit_all(secret, {**dict.fromkeys(fixed_fields()), "outcome": value})
        except AuditLogError:
            continue
        entry = json.dumps({**DECISION, "commitments": commitments}, sort_keys=True, separators=(",", ":"))
        note = sign_checkpoint(Checkpoint(ORIGIN, 1, leaf_hash(entry.encode())), SIGNERS)
        receipt = Receipt(entry.encode(), LogProof(0, (), note), (open_field(secret, "outcome", "@@@"),))
        data = format_receipt(receipt).decode().replace('"@@@"', spelling).encode()
        compare(Question(data), ask)


def fixed_fields() -> list[str]:
    return [name for name in DECISION["commitments"] if not name.startswith("in_")]


@many
@given(data=st.data())
def test_changed_entries_are_judged_alike(ask: Callable[..., dict[str, Any]], data: st.DataObject) -> None:
    """Signed as they are, so that only the reading of the entry decides."""
    value = json.loads(data.draw(st.sampled_from(ALL_KINDS)))
    name = data.draw(st.sampled_from(sorted(value)))
    put = data.draw(
        values | st.sampled_from(["2024-02-29T23:59Z", "2023-02-29T00:00Z", "0000-01-01T00:00Z", "a b", "é", "", [1]])
    )
    if isinstance(value[name], list):
        value[name] = data.draw(st.permutations(value[name] * 2)) if data.draw(st.booleans()) else put
    else:
        value[name] = put
    if data.draw(st.booleans()):
        value.pop(data.draw(st.sampled_from(sorted(value))))
    entry = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, leaf_hash(entry)), SIGNERS)
    compare(Question(format_receipt(Receipt(entry, LogProof(0, (), note), ()))), ask)


def test_keys_with_sizes_and_a_frozen_log_in_one_policy(ask: Callable[..., dict[str, Any]]) -> None:
    """Before a rotation, after it, and of the log before: one policy file serves."""
    old, new = SIGNERS[0], Signer.generate(ORIGIN, ED25519, bytes([9]) * 32)
    frozen = Signer.generate("waterveen.example/log/0", ED25519, bytes([10]) * 32)
    ring = KeyRing((LogKey(old.vkey, 0, 7), LogKey(SIGNERS[1].vkey), LogKey(new.vkey, 7), LogKey(frozen.vkey, 0, 6)))
    policy = (
        format_key_ring(ring)
        .replace(f"{ORIGIN}+", f"log {ORIGIN}+")
        .replace("waterveen.example/log/0", "log waterveen.example/log/0")
    )
    verdicts = {}
    for name, signers, size in (
        ("before", (old, SIGNERS[1]), 6),
        ("after", (new, SIGNERS[1]), 7),
        ("old key after", (old, SIGNERS[1]), 7),
        ("new key before", (new, SIGNERS[1]), 6),
        ("both after", (old, new, SIGNERS[1]), 7),
        ("frozen", (frozen,), 5),
        ("frozen, larger", (frozen,), 6),
    ):
        entry = OTHERS[-1]
        hashes = [leaf_hash(entry)] * size
        checkpoint = Checkpoint(signers[0].vkey.name, size, root_hash(hashes))
        path = prove_inclusion(
            0, size, lambda wanted, hashes=hashes: [root_hash(hashes[: 1 << level]) for level, _ in wanted]
        )
        receipt = Receipt(entry, LogProof(0, path, sign_checkpoint(checkpoint, signers)), ())
        question = Question(format_receipt(receipt), None, policy + "quorum none\n")
        verdicts[name] = compare(question, ask)["ok"]
    assert verdicts == {
        "before": True,
        "after": True,
        "old key after": False,
        "new key before": False,
        "both after": True,
        "frozen": True,
        "frozen, larger": False,
    }


# --- what only the holder of the keys could make --------------------------------------------------------------------
# Each is signed rightly, so that nothing but the rule in question can refuse it.


def signed(entry: bytes, **changes: Any) -> Receipt:
    """A receipt for the one entry of a log. `text`: the checkpoint; `lines`: its signatures; `hashes`: the proof."""
    text = changes.get("text") or format_checkpoint(Checkpoint(ORIGIN, 1, leaf_hash(entry)))
    lines = changes.get("lines") or [signer.sign(text) for signer in SIGNERS]
    note = format_note(Note(text, tuple(lines)))
    return Receipt(entry, LogProof(0, changes.get("hashes", ()), note), ())


def decision(**changes: Any) -> bytes:
    return json.dumps({**DECISION, **changes}, sort_keys=True, separators=(",", ":")).encode()


def canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


ED, ML = SIGNERS
ENTRY = decision()
TEXT = format_checkpoint(Checkpoint(ORIGIN, 1, leaf_hash(ENTRY)))
TALL = format_checkpoint(Checkpoint(ORIGIN, 1, node_hash(bytes(32), leaf_hash(ENTRY))))
REFUSED = json.loads(next(text for text in ALL_KINDS if '"refused/1"' in text))
BOOT = json.loads(next(text for text in ALL_KINDS if '"boot/1"' in text))
MANY = {f"in_{number:040d}": "ab" * 32 for number in range(600)}


def stranger(size: int) -> Signature:
    return Signature("stranger.example", b"1234", bytes(size))


ODD: dict[str, tuple[bool, Receipt]] = {
    "nothing odd": (True, signed(ENTRY)),
    "a time on the log's own signature": (False, signed(ENTRY, lines=[ED.sign(TEXT), ML.sign(TEXT, timestamp=5)])),
    "repeated, first without a time": (
        False,
        signed(ENTRY, lines=[ED.sign(TEXT), ML.sign(TEXT), ML.sign(TEXT, timestamp=5)]),
    ),
    "repeated, first with a time": (
        False,
        signed(ENTRY, lines=[ED.sign(TEXT), ML.sign(TEXT, timestamp=5), ML.sign(TEXT)]),
    ),
    "an extension line": (False, signed(ENTRY, text=f"{TEXT}more\n")),
    "a proof taller than the tree": (False, signed(ENTRY, text=TALL, hashes=(bytes(32),))),
    "a kind of later": (False, signed(canonical({**DECISION, "kind": "decision/2"}))),
    "an entry of 65,535 bytes and more": (
        False,
        signed(decision(commitments={**DECISION["commitments"], **MANY})),
    ),
    "neither boot nor source": (False, signed(decision(boot=None, source=None))),
    "boot and source": (False, signed(decision(source="case-system"))),
    "a boot without its number": (False, signed(canonical({**REFUSED, "boot": DECISION["boot"], "n": None}))),
    "neither boot nor number": (True, signed(canonical({**REFUSED, "boot": None, "n": None}))),
    "the year 0": (False, signed(decision(time="0000-02-01T00:00Z"))),
    "the year 1": (True, signed(decision(time="0001-02-01T00:00Z"))),
    "the 29th of February": (True, signed(decision(time="2028-02-29T00:00Z"))),
    "no 29th of February": (False, signed(decision(time="2100-02-29T00:00Z"))),
    "a list in order": (True, signed(canonical({**BOOT, "cpu": ["AVX", "AVX2"]}))),
    "a list with something twice": (False, signed(canonical({**BOOT, "cpu": ["AVX", "AVX"]}))),
    "a list out of order": (False, signed(canonical({**BOOT, "cpu": ["AVX2", "AVX"]}))),
    "a stranger's line of any length": (True, signed(ENTRY, lines=[ED.sign(TEXT), ML.sign(TEXT), stranger(9)])),
    "a note of more than a megabyte": (False, signed(ENTRY, lines=[ED.sign(TEXT), ML.sign(TEXT), stranger(10**6)])),
    "a hundred lines": (True, signed(ENTRY, lines=[ED.sign(TEXT), ML.sign(TEXT), *[stranger(9)] * 98])),
    "a hundred and one lines": (False, signed(ENTRY, lines=[ED.sign(TEXT), ML.sign(TEXT), *[stranger(9)] * 99])),
}
for one in (*SIGNERS, *WITNESSES):
    for length in (1, 7, 8, 9, 63, 65, 72, 2428):
        short = Signature(one.name, one.vkey.key_id, bytes(length))
        ODD[f"{length} bytes by {one.name}, {one.type}"] = (
            False,
            signed(ENTRY, lines=[ED.sign(TEXT), ML.sign(TEXT), short]),
        )


@pytest.mark.parametrize("name", ODD)
def test_what_only_a_signer_could_make_is_judged_alike(ask: Callable[..., dict[str, Any]], name: str) -> None:
    holds, receipt = ODD[name]
    verdict = compare(Question(format_receipt(receipt), policy=POLICY + "quorum none\n"), ask)
    assert verdict["ok"] is holds


def test_pad_bits_are_judged_alike(ask: Callable[..., dict[str, Any]]) -> None:
    """Of a stranger's line nothing is looked at but its form."""
    data = format_receipt(signed(ENTRY, lines=[ED.sign(TEXT), ML.sign(TEXT), stranger(9)])).decode()
    line = base64.b64encode(b"1234" + bytes(9)).decode()
    assert line.endswith("A==")
    for ending in ("A==", "B==", "A=", "A", "A== ", "A===", "-=="):
        verdict = compare(Question(data.replace(line, line[:-3] + ending).encode()), ask)
        assert verdict["ok"] is (ending == "A==")


def vkey_named(name: str) -> str:
    public = bytes([ED25519]) + ED.vkey.public
    key_id = sha256(name.encode() + b"\n" + public).hexdigest()[:8]
    return f"{name}+{key_id}+{base64.b64encode(public).decode()}"


@pytest.mark.parametrize("name", ["a", "a" * 255, "a" * 256, "é" * 127, "é" * 128, *(f"a{c}b" for c in SPACES)])
def test_names_of_keys_are_judged_alike(ask: Callable[..., dict[str, Any]], name: str) -> None:
    compare(Question(b"", ring=f"{vkey_named(name)}\n"), ask)


@pytest.mark.parametrize("lines", [998, 999])
def test_long_policies_are_judged_alike(ask: Callable[..., dict[str, Any]], lines: int) -> None:
    chain = "".join(f"group g{n} any {f'g{n - 1}' if n else 'wé1'}\n" for n in range(lines))
    question = Question(b"", policy=f"witness wé1 {format_vkey(WITNESSES[0].vkey)}\n{chain}quorum g{lines - 1}\n")
    assert compare(question, ask).get("trusted", True) is (lines == 998)


@pytest.mark.parametrize("size", [1_000_000, 1_000_001])
def test_large_policies_are_judged_alike(ask: Callable[..., dict[str, Any]], size: int) -> None:
    text = "quorum none\n"
    question = Question(b"", policy=f"#{'x' * (size - len(text) - 2)}\n{text}")
    assert compare(question, ask).get("trusted", True) is (size == 1_000_000)


# --- on the command line ---------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    receipt = VECTORS["receipt"]
    contents = {
        "good": receipt,
        "bad": receipt.replace('"refuse"', '"grant"'),
        "vkey": "".join(f"{vkey}\n" for vkey in VECTORS["vkeys"]),
        "none": "quorum none\n",
        "late": "".join(f"# valid from 9\nlog {vkey}\n" for vkey in VECTORS["vkeys"]) + "quorum none\n",
        "rotated": next(case["receipt"] for case in ROTATION["cases"] if case["expect"].get("index") == 12),
        "rotation": ROTATION["policies"]["all"],
        "quorum": POLICY + "quorum wé1\n",
        "whole": "".join(f"log {vkey}\n" for vkey in VECTORS["vkeys"]) + "quorum none\n",
    }
    for name, text in contents.items():
        (tmp_path / name).write_text(text, "utf-8")
    return {name: str(tmp_path / name) for name in (*contents, "absent")}


def run(command: list[str], words: list[str], files: dict[str, str]) -> tuple[int, str]:
    filled = [files.get(word, word) for word in words]
    told = subprocess.run([*command, *filled], cwd=ROOT, capture_output=True, text=True, check=False)
    return told.returncode, told.stdout


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["verify", "good", "--vkey", "vkey"], 0),
        (["verify", "good", "--vkey", "vkey", "--json"], 0),
        (["verify", "bad", "--vkey", "vkey", "--json"], 1),
        (["verify", "vkey", "--vkey", "vkey", "--json"], 1),
        (["verify", "absent", "--vkey", "vkey"], 2),
        (["verify", "good", "--vkey", "absent"], 2),
        (["verify", "good", "--vkey", "good"], 2),
        (["verify", "good"], 2),
        (["verify"], 2),
        (["verify", "good", "--vkey", "vkey", "--nonsense"], 2),
        (["verify", "good", "--vkey", "vkey", "--policy", "none", "--json"], 0),
        (["verify", "good", "--vkey", "vkey", "--policy", "quorum", "--json"], 1),
        (["verify", "good", "--vkey", "vkey", "--policy", "none", "--max-age", "60", "--json"], 1),
        (["verify", "good", "--vkey", "vkey", "--max-age", "60"], 2),
        (["verify", "good", "--vkey", "vkey", "--policy", "none", "--max-age", "-1"], 2),
        (["verify", "good", "--policy", "whole"], 0),
        (["verify", "good", "--policy", "none"], 2),
        (["verify", "good", "--policy", "vkey"], 2),
        (["verify", "good", "--vkey", "vkey", "--policy", "whole", "--json"], 0),
        (["verify", "good", "--vkey", "vkey", "--policy", "late"], 2),
        (["verify", "rotated", "--policy", "rotation"], 0),
        (["verify", "rotated", "--policy", "rotation", "--json"], 0),
        ([], 2),
    ],
)
def test_the_command_line_answers_as_the_python_one(
    node: str, files: dict[str, str], words: list[str], status: int
) -> None:
    theirs = run([node, str(CLIENT / "verify.mjs")], words, files)
    ours = run([sys.executable, "-m", "auditlog"], words, files)
    assert theirs[0] == ours[0] == status
    if "--json" in words:
        left, right = json.loads(theirs[1]), json.loads(ours[1])
        left.pop("error", None)
        right.pop("error", None)
        assert left == right
    elif status == 0:
        assert theirs[1] == ours[1]
