"""Show 4: an independent script of at most 60 lines draws again; a changed population, nonce or witness is caught.

The attacker is the agency: it holds both keys of the log and writes every file of the evidence anew, with all tiles and
signatures. What it has not is the key of the witness.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.checking.sample import nonce_hash
from auditlog.core.checking.tree import audit_tree
from auditlog.core.formats.canonical import format_base64, format_canonical, parse_canonical
from auditlog.core.formats.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from auditlog.core.formats.merkle import leaf_hash, root_hash
from auditlog.core.formats.note import (
    COSIGNATURE,
    ED25519,
    ML_DSA_44,
    Note,
    Signer,
    format_note,
    format_vkey,
    parse_note,
)
from auditlog.core.formats.tiles import parse_entry_bundle
from service.erasing import erase
from service.proving import evidence, files, samples
from service.records.accesses import Reader

pytestmark = pytest.mark.enable_socket
SCRIPT = Path(__file__).parents[4] / "docs" / "conformance" / "redraw.py"
LOAN = "social-loan-check"
WITNESS = "witness.example/w1"
NONCE = bytes(range(32))
AUDITOR = Reader("auditor", None)


def redraw(folder: Path, log_vkey: Path, witness: str) -> tuple[int, str]:
    # -I: neither this checkout nor an environment is there to lean on.
    command = [sys.executable, "-I", str(SCRIPT), str(folder), str(log_vkey), witness]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd="/")
    assert "Traceback" not in told.stderr, told.stderr
    return told.returncode, told.stdout + told.stderr


class Scene:
    """The evidence of a sample of 4 from 300 decisions, one of them erased, and keys from where they should be from."""

    def __init__(self, town: Any, folder: Path) -> None:
        self.folder = folder / "evidence"
        with town.opened() as g:
            town.decide(g, 300)
            asked = {"system": LOAN, "count": 4, "witness": WITNESS, "not_before": town.clock() + timedelta(minutes=10)}
            self.sample = samples.begin(g, nonce_hash=nonce_hash(NONCE), **asked)
            town.clock.on(10)
            assert town.publish(g)
            self.drawn = samples.draw(g, self.sample.id, NONCE)
            erase.erase(g, self.drawn[1].id, ground="objection")
            assert town.publish(g)
            files.write_folder(g, evidence.of_sample(g, AUDITOR, self.sample.id), self.folder)
            self.signers = g.key_folder.signers(g.log.origin)
            self.keys = g.keys
        self.log_vkey = folder / "log.vkey"
        self.log_vkey.write_text("".join(f"{format_vkey(one.vkey)}\n" for one in self.signers))
        self.witness = next(format_vkey(key) for key in town.witness.vkeys if key.type == COSIGNATURE)

    def entries(self) -> list[bytes]:
        bundles = sorted((self.folder / "log/tile/entries").rglob("*"))
        return [entry for path in bundles if path.is_file() for entry in parse_entry_bundle(path.read_bytes())]

    def forge(self, example: ModuleType, to: Path, entries: list[bytes], b_note: bytes | None = None) -> Path:
        """A copy of the folder over these entries, the log's own signatures all good."""
        shutil.copytree(self.folder, to)
        shutil.rmtree(to / "log/tile")
        for path, data in example.pack_tiles(entries).items():
            (to / "log" / path).parent.mkdir(parents=True, exist_ok=True)
            (to / "log" / path).write_bytes(data)
        (to / "log/checkpoint").write_bytes(self.sign(entries))
        if b_note is not None:
            (to / "sample/checkpoint").write_bytes(b_note)
        return to

    def sign(self, entries: list[bytes], size: int | None = None) -> bytes:
        leaves = [leaf_hash(entry) for entry in entries[:size]]
        return sign_checkpoint(Checkpoint(self.keys.only_origin(), len(leaves), root_hash(leaves)), self.signers)

    def check(self, folder: Path) -> tuple[int, str]:
        return redraw(folder, self.log_vkey, self.witness)


@pytest.fixture(scope="module")
def scene(make_town: Any, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """On SQLite; what it holds is only read."""
    folder = tmp_path_factory.mktemp("scene")
    with make_town(folder, None) as town:
        return Scene(town, folder)


def changed(entry: bytes, **members: Any) -> bytes:
    value: Any = parse_canonical(entry)
    return format_canonical({**value, **members})


def cosigned(scene: Scene, note: bytes, key: Signer, time: int) -> bytes:
    """The log's checkpoint with a cosignature of the attacker's own key."""
    text = parse_note(note)
    return format_note(Note(text.text, (*text.signatures, key.sign(text.text, timestamp=time))))


def test_it_is_short_and_stands_alone() -> None:
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= 60
    assert max(map(len, text.splitlines())) <= 120
    nodes = list(ast.walk(ast.parse(text)))
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module).partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    assert imported <= {*sys.stdlib_module_names, "cryptography"}


def test_it_draws_the_same_and_finds_each_decision_or_its_tombstone(town: Any, tmp_path: Path) -> None:
    scene = Scene(town, tmp_path)
    code, told = scene.check(scene.folder)
    expected = ["erased" if place == 1 else "opened" for place in range(4)]
    lines = [f"{one.index} {one.id} {state}" for one, state in zip(scene.drawn, expected, strict=True)]
    assert (code, told.splitlines()) == (0, lines)


def test_a_changed_population_is_caught(scene: Scene, example: ModuleType, tmp_path: Path) -> None:
    """A decision that was drawn is hidden: taken out of the log, made a test, or left out of the range."""
    entries = scene.entries()
    hidden, begun = scene.drawn[0].index, scene.sample.index
    variants = {
        "taken out": [*entries[:hidden], *entries[hidden + 1 :]],
        "made a test": [*entries[:hidden], changed(entries[hidden], mode="test"), *entries[hidden + 1 :]],
        "another range": [*entries[:begun], changed(entries[begun], until=hidden), *entries[begun + 1 :]],
        "another number": [*entries[:begun], changed(entries[begun], population=299), *entries[begun + 1 :]],
    }
    for name, forged in variants.items():
        # The old witnessed checkpoint does not fit the entries; one that fits was not witnessed.
        code, told = scene.check(scene.forge(example, tmp_path / f"{name} 1", forged))
        assert (code, "sample/checkpoint is not that of the entries" in told) == (1, True), (name, told)
        size = at = next(n for n, one in enumerate(forged) if b'"stage":"draw"' in one)
        note = scene.sign(forged, size)
        code, told = scene.check(scene.forge(example, tmp_path / f"{name} 2", forged, note))
        assert code == 1, name
        # Even where the attacker repeats all that the draw entry says about it.
        root = parse_checkpoint(parse_note(note).text).root.hex()
        begun_now: Any = parse_canonical(next(one for one in forged if b'"stage":"population"' in one))
        stated = {name: begun_now[name] for name in ("since", "until", "population")}
        fitting = [
            *forged[:at],
            changed(forged[at], checkpoint={"size": size, "root": root}, **stated),
            *forged[at + 1 :],
        ]
        code, told = scene.check(scene.forge(example, tmp_path / f"{name} 3", fitting, scene.sign(fitting, size)))
        assert (code, f"{WITNESS} has not signed this checkpoint" in told) == (1, True), (name, told)


def test_a_changed_nonce_is_caught(scene: Scene, example: ModuleType, tmp_path: Path) -> None:
    """Another nonce would draw other decisions: its hash was fixed before."""
    entries = scene.entries()
    at = scene.sample.index
    drawn = next(n for n, one in enumerate(entries) if b'"stage":"draw"' in one)
    other = sha256(b"a nonce that spares us").digest()
    forged = [*entries[:drawn], changed(entries[drawn], nonce=other.hex()), *entries[drawn + 1 :]]
    code, told = scene.check(scene.forge(example, tmp_path / "1", forged))
    assert (code, "the nonce is not the one that was hidden" in told) == (1, True), told
    forged[at] = changed(forged[at], nonce=nonce_hash(other))
    code, told = scene.check(scene.forge(example, tmp_path / "2", forged))
    assert (code, "sample/checkpoint is not that of the entries" in told) == (1, True), told


def test_a_changed_witness_is_caught(scene: Scene, example: ModuleType, tmp_path: Path) -> None:
    """A witness of the agency's own, under the same name or another, or an earlier word of the right one."""
    entries = scene.entries()
    note = (scene.folder / "sample/checkpoint").read_bytes()
    text = parse_note(note)
    ours = Note(text.text, tuple(line for line in text.signatures if line.name != WITNESS))
    time = 1_900_000_000  # long after

    double = Signer.generate(WITNESS, COSIGNATURE, bytes(32))
    forged = format_note(Note(text.text, (*ours.signatures, double.sign(text.text, timestamp=time))))
    code, told = scene.check(scene.forge(example, tmp_path / "same name", entries, forged))
    assert (code, f"{WITNESS} has not signed this checkpoint" in told) == (1, True), told

    # The right key id on a line of the wrong key.
    right = next(line for line in text.signatures if line.key_id.hex() == scene.witness.split("+")[1])
    wrong = double.sign(text.text, timestamp=time)
    forged = format_note(Note(text.text, (*ours.signatures, type(right)(WITNESS, right.key_id, wrong.blob))))
    code, told = scene.check(scene.forge(example, tmp_path / "same id", entries, forged))
    assert (code, "InvalidSignature" in told) == (1, True), told

    # A time that was changed: it is signed, too.
    late = type(right)(WITNESS, right.key_id, time.to_bytes(8, "big") + right.blob[8:])
    forged = format_note(Note(text.text, (*ours.signatures, late)))
    code, told = scene.check(scene.forge(example, tmp_path / "later", entries, forged))
    assert (code, "InvalidSignature" in told) == (1, True), told

    other = Signer.generate("witness.example/w2", COSIGNATURE, bytes(range(32)))
    forged = format_note(Note(text.text, (*ours.signatures, other.sign(text.text, timestamp=time))))
    folder = scene.forge(example, tmp_path / "other name", entries, forged)
    code, told = redraw(folder, scene.log_vkey, format_vkey(other.vkey))
    assert (code, "another witness or time" in told) == (1, True), told


def test_a_cosignature_from_before_the_time_is_caught(scene: Scene, example: ModuleType, tmp_path: Path) -> None:
    """The right witness, but at a time when its word could still be waited for: its own signature says so."""
    key = Signer.generate("witness.example/early", COSIGNATURE, bytes(range(1, 33)))
    entries = scene.entries()
    for at in (n for n, one in enumerate(entries) if b'"kind":"sample/1"' in one):
        entries[at] = changed(entries[at], witness=key.name)
    size = int((scene.folder / "sample/checkpoint").read_text().split("\n")[1])
    note = scene.sign(entries, size)
    root = parse_checkpoint(parse_note(note).text).root.hex()
    drawn = next(n for n, one in enumerate(entries) if b'"stage":"draw"' in one)
    entries[drawn] = changed(entries[drawn], checkpoint={"size": size, "root": root})
    begun = parse_time_of(scene.sample.not_before)
    for time, expected in ((begun - 1, 1), (begun, None)):
        folder = scene.forge(example, tmp_path / str(time), entries, cosigned(scene, note, key, time))
        code, told = redraw(folder, scene.log_vkey, format_vkey(key.vkey))
        early = "the witness signed before the time that was fixed" in told
        assert (early, code == 1) == ((True, True) if expected else (False, code == 1)), told


def parse_time_of(minute: str) -> int:
    from auditlog.core.entries.record import parse_time

    return int(parse_time(minute).timestamp())


def test_a_decision_that_is_neither_opened_nor_erased_is_named(scene: Scene, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(scene.folder, folder)
    one = scene.drawn[0].id
    path = folder / f"records/{one}.receipt.json"
    receipt = json.loads(path.read_text())
    for change in ([], [{**o, "value": "another"} for o in receipt["openings"]]):
        path.write_text(json.dumps({**receipt, "openings": change}))
        code, told = redraw(folder, scene.log_vkey, scene.witness)
        assert (code, told) == (1, f"FAILED: {one} is neither opened nor erased\n")
    path.unlink()
    assert redraw(folder, scene.log_vkey, scene.witness)[0] == 1


def test_the_log_in_the_folder_passes_our_own_audit(scene: Scene) -> None:
    assert audit_tree(scene.folder / "log", scene.keys).kinds["sample/1"] == 2
    assert {one.type for one in scene.signers} == {ED25519, ML_DSA_44}
    assert (
        format_base64(root_hash([leaf_hash(entry) for entry in scene.entries()])).encode()
        in (scene.folder / "log/checkpoint").read_bytes()
    )
