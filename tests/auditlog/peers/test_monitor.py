"""The monitor: what it notices between two runs, and that its evidence convinces someone who saw neither."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.errors import FormatError, NotFound, SignatureError, VerifyError
from auditlog.core.formats.checkpoint import Checkpoint, sign_checkpoint
from auditlog.core.formats.keyring import KeyRing, LogKey, key_ring
from auditlog.core.formats.merkle import leaf_hash, prove_consistency, root_hash
from auditlog.core.formats.note import COSIGNATURE, ED25519, Note, Signer, format_note, format_signature, parse_note
from auditlog.core.formats.policy import Policy, Witness
from auditlog.peers.evidence import format_evidence, parse_evidence, verify_evidence
from auditlog.peers.fetch import Tiles, Unreachable, Withheld
from auditlog.peers.monitor import Monitor, Report
from auditlog.peers.monitor_state import read_state

URL = "https://register.example/log/1"
NOW = 1_800_000_000
HOUR = 3600
WITNESS = Signer.generate("witness.example/w1", COSIGNATURE, bytes(range(32)))


@pytest.fixture(scope="module")
def log(example: ModuleType) -> Any:
    return example.build_log(800)


@pytest.fixture(scope="module")
def policy(log: Any) -> Policy:
    return Policy(log.keys)


@pytest.fixture(scope="module")
def forked(example: ModuleType, log: Any) -> Any:
    """The same log up to entry 399, and other entries from there on, signed by the same keys."""
    made = example.build_log(800)
    made.entries = log.entries[:400]
    for n in range(400):
        made.decide({"system": "credit-score", "version": 1, "manifest": log.digest()}, n=n + 10_000, boot=None)
    return made


def reader(files: dict[str, bytes]) -> Any:
    def read(path: str) -> bytes:
        try:
            return files[path]
        except KeyError:
            raise NotFound("no such file", field=path) from None

    return read


def look(folder: Path, policy: Policy, files: dict[str, bytes], *, now: int = NOW, **options: Any) -> Report:
    return Monitor(folder=folder, policy=policy, now=now, **options).run(URL, reader(files))


def cosigned(files: dict[str, bytes], time: int, signer: Signer = WITNESS) -> dict[str, bytes]:
    note = files["checkpoint"]
    text = parse_note(note).text
    return {**files, "checkpoint": note + (format_signature(signer.sign(text, timestamp=time)) + "\n").encode()}


def evidence_of(report: Report) -> Any:
    assert not report.holds
    assert report.evidence is not None
    return parse_evidence(Path(report.evidence).read_bytes())


@pytest.mark.parametrize("entries", [False, True])
def test_a_log_that_grows_is_followed(log: Any, policy: Policy, tmp_path: Path, entries: bool) -> None:
    first = look(tmp_path, policy, log.pack(size=300), entries=entries)
    assert (first.holds, first.size, first.before) == (True, 300, None)
    same = look(tmp_path, policy, log.pack(size=300), entries=entries, now=NOW + 60)
    assert (same.holds, same.before) == (True, 300)
    grown = look(tmp_path, policy, log.pack(size=800), entries=entries, now=NOW + 120)
    assert (grown.holds, grown.size, grown.before, grown.entries_read) == (True, 800, 300, entries)
    assert "grew from 300 to 800" in grown.sentence
    memory = read_state(tmp_path).logs[log.origin]
    assert (memory.seen, memory.grown) == (NOW + 120, NOW + 120)
    assert not list(tmp_path.glob("evidence-*"))


@pytest.mark.parametrize(("old", "new"), [(500, 500), (500, 700), (512, 700), (401, 800), (256 * 2, 513)])
def test_a_fork_is_proven_to_anyone_with_the_logs_keys(
    log: Any, forked: Any, policy: Policy, tmp_path: Path, old: int, new: int
) -> None:
    look(tmp_path, policy, log.pack(size=old))
    report = look(tmp_path, policy, forked.pack(size=new), now=NOW + 60)
    assert "forked" in report.sentence
    evidence = evidence_of(report)
    assert evidence.kind == "fork"
    # The third party has the file and the log's keys from elsewhere, nothing else.
    third_party = parse_evidence(format_evidence(evidence))
    verify_evidence(third_party, log.keys)
    with pytest.raises(SignatureError):
        others = tuple(Signer.generate(log.origin, key.type, bytes(31) + b"9").vkey for key in log.keys.vkeys)
        verify_evidence(third_party, key_ring(others))
    # The monitor keeps what it knew, says the same next time, and writes no second file.
    again = look(tmp_path, policy, forked.pack(size=new), now=NOW + 120)
    assert again.evidence == report.evidence
    assert look(tmp_path, policy, log.pack(size=800), now=NOW + 180).holds


@pytest.mark.parametrize("old", [500, 512])
def test_evidence_that_was_made_up_convinces_nobody(
    log: Any, forked: Any, policy: Policy, tmp_path: Path, old: int
) -> None:
    look(tmp_path, policy, log.pack(size=old))
    real = evidence_of(look(tmp_path, policy, forked.pack(size=700)))
    honest = log.pack(size=700)["checkpoint"].decode()
    assert real.prefix_root is not None
    wrong = bytes(32)
    for made in (
        replace(real, found=honest),
        replace(real, prefix_root=wrong),
        replace(real, prefix_root=None),
        replace(real, proof=real.proof[:-1]),
        replace(real, proof=(*real.proof[:-1], wrong)),
        replace(real, known=real.found),
        replace(real, known=None),
        replace(real, found=real.found.replace("\n700\n", "\n699\n")),
    ):
        with pytest.raises(VerifyError):
            verify_evidence(made, log.keys)
    # A prefix that is the known root itself is consistency, not contradiction.
    read = Tiles(reader(log.pack(size=700)), 700, root_hash([leaf_hash(entry) for entry in log.entries[:700]])).nodes()
    true_root = root_hash([leaf_hash(entry) for entry in log.entries[:old]])
    made = replace(real, found=honest, prefix_root=true_root, proof=prove_consistency(old, 700, read))
    with pytest.raises(VerifyError, match="only grew"):
        verify_evidence(made, log.keys)


def test_evidence_in_another_form_is_refused(log: Any, forked: Any, policy: Policy, tmp_path: Path) -> None:
    look(tmp_path, policy, log.pack(size=500))
    data = format_evidence(evidence_of(look(tmp_path, policy, forked.pack(size=700))))
    for bad in (
        b"{}",
        b"[]",
        data + b" ",
        data.replace(b'"fork"', b'"spoon"'),
        data.replace(b'"proof": [', b'"proof": [1, '),
    ):
        with pytest.raises(FormatError):
            parse_evidence(bad)


def test_a_log_that_was_cut_is_evidence_and_a_fork_where_entries_are_kept(
    log: Any, forked: Any, policy: Policy, tmp_path: Path
) -> None:
    look(tmp_path, policy, log.pack(size=700))
    cut = look(tmp_path, policy, log.pack(size=500))
    assert "rolled back: it signed 700 entries and now serves 500" in cut.sentence
    evidence = evidence_of(cut)
    assert evidence.kind == "rollback"
    with pytest.raises(VerifyError, match="700 entries; that it served 500"):
        verify_evidence(evidence, log.keys)
    # Cut, and grown again otherwise: with the entries kept, the contradiction is proven although the log is shorter.
    kept = tmp_path / "kept"
    look(kept, policy, log.pack(size=700), entries=True)
    evidence = evidence_of(look(kept, policy, forked.pack(size=500), entries=True))
    assert evidence.kind == "fork"
    verify_evidence(evidence, log.keys)


@pytest.mark.parametrize("path", ["tile/0/001", "tile/1/000.p/3", "tile/0/003.p/32"])
def test_tiles_that_do_not_lead_to_the_root_are_noticed(log: Any, policy: Policy, tmp_path: Path, path: str) -> None:
    look(tmp_path, policy, log.pack(size=300))
    files = log.pack(size=800)
    files[path] = bytes([files[path][0] ^ 1]) + files[path][1:]
    report = look(tmp_path, policy, files)
    assert evidence_of(report).kind == "tree"
    del files[path]
    assert "missing" in look(tmp_path, policy, files).sentence


def test_signatures_are_demanded_of_every_key_valid_at_the_size(log: Any, policy: Policy, tmp_path: Path) -> None:
    files = log.pack(size=300)
    note = parse_note(files["checkpoint"])
    stripped = {**files, "checkpoint": format_note(Note(note.text, note.signatures[:1]))}
    assert evidence_of(look(tmp_path, policy, stripped)).kind == "signature"
    assert evidence_of(look(tmp_path, policy, {**files, "checkpoint": b"no note"})).kind == "tree"
    ed25519, ml_dsa = log.keys.vkeys
    younger = Policy(KeyRing((LogKey(ed25519), LogKey(ml_dsa, 301))))
    assert look(tmp_path, younger, stripped).holds


def test_another_log_at_the_address_is_noticed(example: ModuleType, log: Any, policy: Policy, tmp_path: Path) -> None:
    other = example.build_log(50, seed=5, origin="register.example/2")
    both = Policy(KeyRing((*log.keys.keys, *other.keys.keys)))
    look(tmp_path, both, log.pack(size=300))
    assert "another log" in look(tmp_path, both, other.pack()).sentence


def test_a_log_that_stands_still_is_stale_unless_it_was_closed(log: Any, policy: Policy, tmp_path: Path) -> None:
    files = log.pack(size=300)
    look(tmp_path, policy, files, max_age=HOUR)
    assert look(tmp_path, policy, files, max_age=HOUR, now=NOW + HOUR).holds
    late = look(tmp_path, policy, files, max_age=HOUR, now=NOW + HOUR + 1)
    assert evidence_of(late).kind == "stale"
    assert look(tmp_path, policy, log.pack(size=301), max_age=HOUR, now=NOW + HOUR + 2).holds


def test_a_fresh_cosignature_is_life(log: Any, tmp_path: Path) -> None:
    files = log.pack(size=300)
    policy = Policy(log.keys, witnesses=(Witness("one", WITNESS.vkey),), quorum="one")
    report = look(tmp_path, policy, files, max_age=HOUR)
    assert evidence_of(report).kind == "policy"
    assert "not yet published" in report.sentence
    later = NOW + 10 * HOUR
    assert look(tmp_path, policy, cosigned(files, later), max_age=HOUR, now=later).cosigned == {"one": later}
    old = look(tmp_path, policy, cosigned(files, later), max_age=HOUR, now=later + HOUR + 1)
    assert "old by its witnesses" in old.sentence
    stranger = cosigned(files, later, Signer.generate("stranger.example", COSIGNATURE, bytes(32)))
    assert not look(tmp_path, policy, stranger, max_age=HOUR, now=later).holds


@pytest.mark.parametrize("given", [True, False])
def test_a_frozen_log_is_not_stale_and_names_its_successor(example: ModuleType, tmp_path: Path, given: bool) -> None:
    frozen = example.build_log(60)
    frozen.add("freeze/1", reason="year", successor="register.example/2")
    files = frozen.pack()
    policy = Policy(frozen.keys)
    base = reader(files)

    def read(path: str) -> bytes:
        if not given and path.startswith("tile/entries/"):
            raise Withheld("is not given to everyone", field=path)
        return base(path)

    def run(now: int) -> Report:
        return Monitor(folder=tmp_path, policy=policy, now=now, max_age=HOUR).run(URL, read)

    assert run(NOW).holds
    later = run(NOW + 10 * HOUR)
    assert (later.holds, later.frozen, later.successor) == (given, given, "register.example/2" if given else None)
    frozen.add("pulse/1", boots=[], recording="ok")
    grown = look(tmp_path, policy, frozen.pack(), max_age=HOUR, now=NOW + 11 * HOUR)
    assert grown.holds is not given
    if given:
        assert "goes on although entry 60 closed it" in grown.sentence


def test_entries_are_read_by_the_rules(example: ModuleType, tmp_path: Path) -> None:
    wrong = example.build_log(60)
    wrong.add("close/1", boot=wrong.id(), n=1)
    policy = Policy(wrong.keys)
    assert look(tmp_path / "hashes", policy, wrong.pack()).holds
    report = look(tmp_path / "entries", policy, wrong.pack(), entries=True)
    assert evidence_of(report).kind == "entries"
    assert "entry 60" in report.sentence


def test_a_log_of_another_program_is_followed(example: ModuleType, tmp_path: Path) -> None:
    """One Ed25519 key, entries that are no JSON, an extension line: any tlog-tiles log will do."""
    signer = Signer.generate("sum.example", ED25519, bytes(32))
    entries = [f"module v{number}".encode() for number in range(300)]

    def pack(size: int) -> dict[str, bytes]:
        root = base64.b64encode(root_hash([leaf_hash(entry) for entry in entries[:size]])).decode()
        text = f"sum.example\n{size}\n{root}\nextension line\n"
        return {**example.pack_tiles(entries[:size]), "checkpoint": format_note(Note(text, (signer.sign(text),)))}

    policy = Policy(key_ring([signer.vkey]))
    assert look(tmp_path, policy, pack(200)).holds
    report = look(tmp_path, policy, pack(300))
    assert (report.holds, report.before, report.frozen) == (True, 200, False)


def test_no_log_and_a_damaged_state_say_nothing_of_the_log(log: Any, policy: Policy, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no log at this place"):
        look(tmp_path, policy, {})
    look(tmp_path, policy, log.pack(size=300))
    (tmp_path / "state.json").write_text('{"logs": {"a": {"note": 1}}}')
    with pytest.raises(FormatError, match=r"state\.json"):
        look(tmp_path, policy, log.pack(size=300))


def test_an_empty_log_and_its_first_entries(log: Any, policy: Policy, tmp_path: Path) -> None:
    empty = {"checkpoint": sign_checkpoint(Checkpoint(log.origin, 0, root_hash([])), log.signers)}
    assert look(tmp_path, policy, empty).size == 0
    assert look(tmp_path, policy, log.pack(size=1)).before == 0


def test_two_runs_over_one_state_take_turns(log: Any, policy: Policy, tmp_path: Path) -> None:
    """The second would write what the first one saw over what it has seen itself."""
    files = log.pack()
    inner: list[str] = []

    def read(path: str) -> bytes:
        if not inner:
            with pytest.raises(Unreachable, match="another run") as caught:
                look(tmp_path, policy, files)
            inner.append(str(caught.value))
        return files[path]

    Monitor(folder=tmp_path, policy=policy, now=NOW).run("https://log.example/1", read)
    assert inner
    assert len(read_state(tmp_path).logs) == 1
