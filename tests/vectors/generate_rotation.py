"""Writes rotation.json: receipts of a log whose keys changed, of its successor, and what a verifier says with a policy.

Run `python tests/vectors/generate_rotation.py` after a deliberate change of a format; a test compares. The Python and
the JavaScript verifier run the same file. ML-DSA-44 signatures are randomised, so those in the file are kept for as
long as they verify. The seeds are test keys: never use them for a log.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from auditlog.core.entries.receipt import Receipt, fields_for_person, format_receipt
from auditlog.core.errors import AuditLogError
from auditlog.core.formats.checkpoint import Checkpoint, format_checkpoint
from auditlog.core.formats.keyring import KeyRing, LogKey, key_ring
from auditlog.core.formats.note import COSIGNATURE, ED25519, ML_DSA_44, Note, Signature, Signer, format_note, parse_note
from auditlog.core.formats.policy import Group, Policy, Witness, format_policy

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "conformance" / "vectors" / "rotation.json"
FIRST, SECOND = "register.example/rotation/1", "register.example/rotation/2"
SEEN = 1_800_000_000  # when the witnesses saw each checkpoint, POSIX seconds
Kept = dict[tuple[str, bytes], list[Signature]]


def _example() -> ModuleType:
    name = "greffier_tests_example_log"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "tests/example_log.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def _signer(name: str, kind: int, seed: int) -> Signer:
    return Signer.generate(name, kind, Random(seed).randbytes(32))


WITNESSES = {
    "archive": _signer("archive.example/witness", COSIGNATURE, 101),
    "court": _signer("court.example/witness", ML_DSA_44, 102),
    "city": _signer("city.example/witness", COSIGNATURE, 103),
}
STRANGER = _signer("stranger.example/witness", COSIGNATURE, 104)
NEW_ED, NEW_ML = _signer(FIRST, ED25519, 105), _signer(FIRST, ML_DSA_44, 106)


@dataclass
class Logs:
    """The first log: sizes at which its keys changed, its decisions by index; and the second one."""

    first: Any
    second: Any
    old: tuple[Signer, ...]
    overlap: int
    after: int
    decisions: dict[str, int]


def make_logs() -> Logs:
    """Entries: 8 that begin the log, a decision, the new keys, a decision, the old keys' end, a decision, the end."""
    first, version, boot = _example().start_log(seed=41, origin=FIRST)
    old = first.signers
    decisions = {}

    def decide(log: Any, name: str, n: int) -> None:
        decisions[name] = len(log.entries)
        log.decide(version, n=n, boot=boot)

    decide(first, "before", 1)
    first.rotate(add=(NEW_ED, NEW_ML))
    overlap = len(first.entries)
    decide(first, "overlap", 2)
    first.rotate(retire=old)
    after = len(first.entries)
    decide(first, "after", 3)
    second = first.succeed(SECOND, seed=42)
    decide(second, "successor", 4)
    return Logs(first, second, old, overlap, after, decisions)


def make_policies(logs: Logs) -> dict[str, str]:
    """By name: the one file for everything, and others that go wrong."""
    both = KeyRing((*logs.first.keys.keys, *logs.second.keys.keys))
    witnesses = tuple(Witness(name, signer.vkey) for name, signer in WITNESSES.items())
    groups = (Group("outside", 1, ("archive", "court")), Group("enough", 2, ("outside", "city")))
    whole = Policy(both, {}, witnesses, groups, "enough")
    return {
        "all": format_policy(whole),
        "no witness demanded": format_policy(replace(whole, quorum=None)),
        "one witness": format_policy(replace(whole, groups=(), quorum="court")),
        "keys of before the rotation": format_policy(replace(whole, logs=key_ring(s.vkey for s in logs.old))),
        "sizes left out": format_policy(replace(whole, logs=key_ring(both.vkeys))),
        "retired too early": format_policy(
            replace(whole, logs=KeyRing(tuple(_until(one, logs.overlap) for one in both.keys)))
        ),
    }


def _until(key: LogKey, size: int) -> LogKey:
    return key if key.valid_until is None else replace(key, valid_until=size)


class Writer:
    """Receipts and cases; signatures that the file has are used again."""

    def __init__(self, logs: Logs, kept: Kept) -> None:
        self._logs = logs
        self._kept = kept
        self.cases: list[dict[str, Any]] = []

    def receipt(
        self,
        name: str,
        size: int | None = None,
        *,
        signers: Sequence[Signer] | None = None,
        witnesses: Mapping[str, int] | None = None,
        more: Callable[[str], Iterable[Signature]] = lambda _: (),
    ) -> Receipt:
        """Of the decision of that name, under the checkpoint of `size` entries (all of its log)."""
        log = self._logs.second if name == "successor" else self._logs.first
        size = len(log.entries) if size is None else size
        made = log.receipt(self._logs.decisions[name], size=size)
        text = format_checkpoint(Checkpoint(log.origin, size, log.root(size)))
        lines = [self._sign(signer, text, 0) for signer in (log.signing(size) if signers is None else signers)]
        times = dict.fromkeys(("archive", "city"), SEEN) if witnesses is None else witnesses
        lines += [self._sign(WITNESSES[witness], text, time) for witness, time in times.items()]
        note = format_note(Note(text, (*lines, *more(text))))
        opened = tuple(one for one in made.openings if one.field in fields_for_person(log.made[made.proof.index]))
        return replace(made, proof=replace(made.proof, checkpoint=note), openings=opened)

    def _sign(self, signer: Signer, text: str, time: int) -> Signature:
        known = self._kept.setdefault((text, signer.vkey.key_id), [])
        for signature in known:
            try:
                if (signer.vkey.verify(text, signature.blob) or 0) == time:
                    return signature
            except AuditLogError:
                continue
        known.append(signer.sign(text, timestamp=time))
        return known[-1]

    def holds(self, name: str, receipt: Receipt, *, policy: str = "all", **options: Any) -> None:
        """A receipt that the verifier accepts, with what it then knows."""
        lines = parse_note(receipt.proof.checkpoint)
        origin, size = lines.text.split("\n")[:2]
        known = {signer.vkey.key_id: witness for witness, signer in WITNESSES.items()}
        times = {
            known[one.key_id]: int.from_bytes(one.blob[:8], "big") for one in lines.signatures if one.key_id in known
        }
        verdict = "integrated" if policy == "no witness demanded" else "published"
        expect = {"ok": True, "verdict": verdict, "origin": origin, "index": receipt.proof.index, "size": int(size)}
        self._add(name, receipt, policy, options, {**expect, "witnesses": times})

    def fails(self, name: str, receipt: Receipt | bytes, place: str, *, policy: str = "all", **options: Any) -> None:
        """A receipt that the verifier refuses, and the place that it names first."""
        expect: dict[str, Any] = {"ok": False, "place": place}
        if options.pop("not_yet", False):
            expect["verdict"] = "not_yet_published"
        self._add(name, receipt, policy, options, expect)

    def _add(
        self, name: str, receipt: Receipt | bytes, policy: str, options: dict[str, Any], expect: dict[str, Any]
    ) -> None:
        data = receipt if isinstance(receipt, bytes) else format_receipt(receipt)
        case = {"name": name, "policy": policy, **options, "receipt": data.decode(), "expect": expect}
        self.cases.append(case)


def write_good(w: Writer, logs: Logs) -> None:
    """Every receipt of every time, with one policy file."""
    frozen = len(logs.first.entries)
    w.holds("before the rotation", w.receipt("before", logs.overlap - 1))
    w.holds("an old entry during the overlap", w.receipt("before", logs.overlap))
    w.holds("a new entry during the overlap", w.receipt("overlap", logs.after - 1))
    w.holds("after the old keys were retired", w.receipt("after", frozen - 1))
    w.holds("an old entry after the rotation", w.receipt("before", logs.after))
    w.holds("the frozen log", w.receipt("after"))
    w.holds("the first entry about a person in the frozen log", w.receipt("before"))
    w.holds("the successor log", w.receipt("successor"))
    w.holds("no witness demanded, none there", w.receipt("before", witnesses={}), policy="no witness demanded")
    w.holds("no witness demanded, one there", w.receipt("before"), policy="no witness demanded")
    court = {"court": SEEN, "city": SEEN + 5}
    w.holds("a witness with an ML-DSA-44 key", w.receipt("after", witnesses=court))
    w.holds("one witness is the quorum", w.receipt("after", witnesses={"court": SEEN}), policy="one witness")
    w.holds("a stranger's cosignature is ignored", w.receipt("after", more=_stranger))
    w.holds("a retired key beside the valid ones counts for nothing", w.receipt("after", signers=(*logs.old, *NEW)))
    w.holds("young enough", w.receipt("after"), max_age=3600, now=SEEN + 3600)
    early = {"archive": SEEN - 9000, "court": SEEN, "city": SEEN}
    w.holds("young enough by its newest quorum", w.receipt("after", witnesses=early), max_age=3600, now=SEEN + 60)


NEW = (NEW_ED, NEW_ML)


def _stranger(text: str) -> Iterable[Signature]:
    return (STRANGER.sign(text, timestamp=SEEN),)


def write_bad(w: Writer, logs: Logs) -> None:
    """What a verifier must refuse, and where it puts it."""
    old_ed, _ = logs.old
    w.fails("a retired key signs a later size", w.receipt("after", signers=logs.old), "proof")
    w.fails("a retired key in place of one of the new", w.receipt("after", signers=(old_ed, NEW_ML)), "proof")
    w.fails("only the old keys during the overlap", w.receipt("overlap", logs.after - 1, signers=logs.old), "proof")
    w.fails("only the new keys during the overlap", w.receipt("overlap", logs.after - 1, signers=NEW), "proof")
    w.fails("keys before they were valid", w.receipt("before", logs.overlap - 1, signers=NEW), "proof")
    for left_out, kind in ((NEW_ED, "Ed25519"), (NEW_ML, "ML-DSA-44")):
        signers = [signer for signer in NEW if signer is not left_out]
        w.fails(f"the {kind} signature is missing", w.receipt("after", signers=signers), "proof")
    w.fails("the first log's keys on the successor", w.receipt("successor", signers=NEW), "proof")
    w.fails("a key file of before the rotation", w.receipt("after"), "proof", policy="keys of before the rotation")
    w.fails(
        "a log that the policy does not name", w.receipt("successor"), "proof", policy="keys of before the rotation"
    )
    w.fails(
        "a policy whose comments were lost", w.receipt("before", logs.overlap - 1), "proof", policy="sizes left out"
    )
    early = w.receipt("overlap", logs.after - 1, signers=NEW)
    w.holds("a policy in which the old keys end earlier", early, policy="retired too early")
    w.fails("integrated and not published", w.receipt("after", witnesses={}), "policy", not_yet=True)
    for names in (("city",), ("archive", "court")):
        receipt = w.receipt("after", witnesses=dict.fromkeys(names, SEEN))
        w.fails(f"no quorum: {' and '.join(names)}", receipt, "policy", not_yet=True)
    w.fails(
        "a cosignature without time", w.receipt("after", witnesses={"court": 0, "city": SEEN}), "policy", not_yet=True
    )
    moved = w.receipt("after", logs.after + 1, more=lambda _: _moved(w))
    w.fails("a known witness's line of another checkpoint", moved, "policy")
    w.fails("too old", w.receipt("after"), "policy", max_age=3600, now=SEEN + 3601)
    mixed = {"archive": SEEN - 9000, "city": SEEN}
    w.fails("too old by one of a quorum", w.receipt("after", witnesses=mixed), "policy", max_age=3600, now=SEEN + 60)
    late = dict.fromkeys(WITNESSES, SEEN + 86_400)
    w.fails("witnesses dated in the future", w.receipt("after", witnesses=late), "policy", max_age=3600, now=SEEN)
    good = w.receipt("before", logs.overlap - 1)
    text = format_receipt(good)
    w.fails("a changed entry", text.replace(b"credit-score", b"credit-scorf"), "proof")
    w.fails("a changed value", text.replace(b'"value": "grant"', b'"value": "refuse"'), "openings.outcome")
    w.fails("another place", format_receipt(replace(good, proof=replace(good.proof, index=7))), "proof")


def _moved(w: Writer) -> Iterable[Signature]:
    """The court's true cosignature, but of the whole log."""
    whole = w.receipt("after", witnesses={"court": SEEN})
    return parse_note(whole.proof.checkpoint).signatures[-1:]


def build(previous: Mapping[str, Any]) -> dict[str, Any]:
    """All cases; `previous` is where randomised signatures are kept from."""
    logs = make_logs()
    writer = Writer(logs, _kept(previous))
    write_good(writer, logs)
    write_bad(writer, logs)
    return {
        "about": "Receipts (.receipt.json) and what a verifier says with a policy file (c2sp.org/tlog-policy; comments "
        "above `log` lines give the sizes at which a key is valid). `policy` names one of `policies`; `max_age` and "
        "`now` are seconds. `place` is what the error begins with; place `proof` stands for all of the log's own "
        "signatures, `policy` for those of witnesses. Made by tests/vectors/generate_rotation.py.",
        "policies": make_policies(logs),
        "cases": writer.cases,
    }


def _kept(previous: Mapping[str, Any]) -> Kept:
    kept: Kept = {}
    for case in previous.get("cases", ()):
        note = parse_note(json.loads(case["receipt"])["proof"].encode().partition(b"\n\n")[2])
        for line in note.signatures:
            kept.setdefault((note.text, line.key_id), []).append(line)
    return kept


def dump(vectors: Mapping[str, Any]) -> str:
    """The text of the file."""
    return json.dumps(vectors, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(dump(build(json.loads(FILE.read_text("utf-8")) if FILE.exists() else {})), "utf-8")
