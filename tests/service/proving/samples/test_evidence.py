"""Evidence about a decision and a sample: what is in it, what is said to be missing, and that it checks itself."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import delete

from auditlog.core.checking.sample import nonce_hash
from auditlog.core.checking.tree import parse_sums
from auditlog.core.entries.receipt import parse_receipt, verify_receipt
from auditlog.core.errors import NotFound
from auditlog.store.log import writing
from auditlog.store.sources import source_row
from auditlog.store.vault import sealed_table
from auditlog.vault.external_content import kept_seal
from auditlog.writing.log import Unit
from home.errors import Refused, UnknownRecord, UsageError
from service.cases import reviews
from service.erasing import erase, holds
from service.keeping import fsck
from service.proving import evidence, samples
from service.proving import files as evidence_files
from service.records import corrections
from service.records.accesses import Reader
from service.systems import register
from service.wiring import succeed_home

pytestmark = pytest.mark.enable_socket
LOAN = "social-loan-check"
WITNESS = "witness.example/w1"
NONCE = bytes(range(32))
PERSON = "TEST-9041"
AUDITOR = Reader("auditor", "grf_test")
NAMES = {"SHA256SUMS", "evidence.en.txt", "evidence.nl.txt", "evidence.json", "log.vkey", "policy", "verify.pyz"}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def accesses(g, purpose):
    from auditlog.store.log import entries_of_kinds

    with g.reading() as conn:
        return [one for _, one in entries_of_kinds(conn, 1, {"access/1"}) if one.members["purpose"] == purpose]


def drawn_sample(town, g, count=3, **changes):
    asked = {"count": count, "witness": WITNESS, "not_before": town.clock() + timedelta(minutes=10)}
    sample = samples.begin(g, nonce_hash=nonce_hash(NONCE), **(asked | {"system": LOAN} | changes))
    town.clock.on(10)
    assert town.publish(g)
    return sample, samples.draw(g, sample.id, NONCE)


def test_evidence_about_one_decision(town, tmp_path):
    with town.opened() as g:
        record, _ = town.decide(g, 2, subjects=(PERSON,))
        reviews.record_review(g, record, reviews.Review("confirm", "as suggested", "invented reasons"))
        town.publish(g)
        pack = evidence.of_record(g, AUDITOR, record)
        evidence_files.write_folder(g, pack, tmp_path / "out")
        assert len(accesses(g, "evidence")) == 1
        files = files_of(tmp_path / "out")
        told = json.loads(files["evidence.json"])
        (one,) = told["records"]
        assert set(files) == {*NAMES, one["manifest"], one["receipt"], *one["reviews"]}
        assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
        sums = parse_sums(files.pop("SHA256SUMS"))
        assert sums == {name: sha256(data).hexdigest() for name, data in files.items()}
        assert sha256(files[one["manifest"]]).hexdigest() == Path(one["manifest"]).stem
        held = verify_receipt(parse_receipt(files[one["receipt"]]), g.keys, origin=g.log.origin)
        opened = {opening.field: opening.value for opening in held.openings}
        assert opened["outcome"] == "grant"
        assert set(held.entry.commitments) - set(opened) == {"subjects"}
        reviewed = verify_receipt(parse_receipt(files[one["reviews"][0]]), g.keys, origin=g.log.origin)
        assert {o.field: o.value for o in reviewed.openings}["reasons"] == "invented reasons"
        assert not any(PERSON.lower().replace("-", "") in data.decode("latin-1").lower() for data in files.values())
        assert b"Content is opened for 1 of 1 decisions." in files["evidence.en.txt"]
        assert b"Van 1 van de 1 beslissingen" in files["evidence.nl.txt"]


def test_the_same_state_gives_the_same_bytes(town, tmp_path):
    with town.opened() as g:
        town.decide(g, 6)
        sample, _ = drawn_sample(town, g)
        town.publish(g)
        packs = [evidence.of_sample(g, AUDITOR, sample.id) for _ in range(2)]
        assert packs[0].files == packs[1].files
        for n, pack in enumerate(packs):
            evidence_files.write_zip(g, pack, tmp_path / f"{n}.zip")
        evidence_files.write_folder(g, packs[0], tmp_path / "folder")
    assert (tmp_path / "0.zip").read_bytes() == (tmp_path / "1.zip").read_bytes()
    assert (tmp_path / "0.zip").stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(tmp_path / "0.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files_of(tmp_path / "folder")


def test_the_folder_checks_itself(town, tmp_path):
    """By its own copy of the verifier, with the policy of the folder: receipts, the log, and the draw again."""
    with town.opened() as g:
        town.decide(g, 9)
        sample, drawn = drawn_sample(town, g)
        town.publish(g)
        evidence_files.write_folder(g, evidence.of_sample(g, AUDITOR, sample.id), tmp_path / "out")
    folder = tmp_path / "out"
    command = [sys.executable, "-I", "verify.pyz"]
    for one in json.loads((folder / "evidence.json").read_text())["records"]:
        run = subprocess.run(
            [*command, "verify", one["receipt"], "--policy", "policy"], cwd=folder, capture_output=True, check=False
        )
        assert run.returncode == 0, run.stdout
    run = subprocess.run(
        [*command, "audit", "log", "--policy", "policy"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout
    assert "2 sample/1" in run.stdout
    run = subprocess.run(
        ["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (0, "")
    page = (folder / "evidence.en.txt").read_text()
    assert f"those of the system {LOAN}" in page
    assert "cosigned the log: witness.example/w1." in page
    assert max(map(len, page.splitlines())) <= 100
    assert len(drawn) == 3


def test_what_was_erased_is_said_with_its_tombstone(town, tmp_path):
    with town.opened() as g:
        town.decide(g, 5, subjects=(PERSON,))
        sample, drawn = drawn_sample(town, g, count=5)
        gone = drawn[2].id
        erase.erase(g, gone, ground="objection")
        town.publish(g)
        pack = evidence.of_sample(g, AUDITOR, sample.id)
        states = {one["id"]: one for one in json.loads(pack.files["evidence.json"])["records"]}
        assert [states[one.id]["state"] for one in drawn] == ["open", "open", "erased", "open", "open"]
        assert states[gone]["tombstone"]["ground"] == "objection"
        held = parse_receipt(pack.files[states[gone]["tombstone"]["receipt"]])
        assert verify_receipt(held, g.keys, origin=g.log.origin).entry.members["record"] == gone
        assert parse_receipt(pack.files[states[gone]["receipt"]]).openings == ()
        page = " ".join(pack.files["evidence.en.txt"].decode().split())
        assert f"{gone}: its content was erased; the tombstone is of 24 November 2026, ground objection." in page
        assert "Content is opened for 4 of 5 decisions." in page


def test_a_restricted_record_is_left_closed_in_a_sample(small_town):
    town = small_town
    with town.opened() as g:
        town.decide(g, 3)
        sample, drawn = drawn_sample(town, g)
        holds.place(g, drawn[0].id, ground="restriction")
        pack = evidence.of_sample(g, AUDITOR, sample.id)
        one = json.loads(pack.files["evidence.json"])["records"][0]
        assert (one["state"], one["opened"]) == ("restricted", [])
        page = " ".join(pack.files["evidence.en.txt"].decode().split())
        assert f"{drawn[0].id}: the person concerned has had the use of its content restricted (GDPR 18)." in page


def test_each_role_gets_what_it_may_see(small_town):
    town = small_town
    with town.opened() as g:
        (record,) = town.decide(g, 1)
        reviews.record_review(g, record, reviews.Review("confirm", "as suggested", "invented reasons"))
        (one,) = json.loads(evidence.of_record(g, Reader("operator", None), record).files["evidence.json"])["records"]
        assert (one["opened"], one["reviews"]) == (["times", "usage"], [])
        before = g.log.state().size
        for role in ("client", "person", "program"):
            with pytest.raises(Refused, match="auditors and staff only"):
                evidence.of_record(g, Reader(role, None), record)
        assert g.log.state().size == before


def test_bad_input(small_town, tmp_path, told):
    town = small_town
    with town.opened() as g:
        (record,) = town.decide(g, 1)
        town.decide(g, 3)
        sample = samples.begin(
            g, count=1, witness=WITNESS, not_before=town.clock() + timedelta(hours=1), nonce_hash=nonce_hash(NONCE)
        )
        before = g.log.state().size
        for unknown in ("nonsense", "00000000-0000-4000-8000-000000000000", "../../etc/passwd"):
            with pytest.raises(UnknownRecord):
                evidence.of_record(g, AUDITOR, unknown)
        with pytest.raises(Refused, match="not drawn yet"):
            evidence.of_sample(g, AUDITOR, sample.id)
        with g.reading() as conn:
            from service.records.reading import entry_at

            begun = entry_at(conn, 1, sample.index)
        with pytest.raises(UsageError, match="is no decision"):
            evidence.of_record(g, AUDITOR, begun.id)
        assert g.log.state().size == before
        pack = evidence.of_record(g, AUDITOR, record)
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "x").write_text("mine")
        for write in (evidence_files.write_folder, evidence_files.write_zip):
            with pytest.raises(UsageError, match="-o: exists"):
                write(g, pack, tmp_path / "full")
            with pytest.raises(UsageError, match="-o: cannot be written"):
                write(g, pack, tmp_path / "full" / "x" / "out")
        assert files_of(tmp_path / "full") == {"x": b"mine"}
    code, _, said = told("evidence", record, "--home", town.home, "-o", tmp_path / "cli.zip", "--as", "auditor")
    assert (code, (tmp_path / "cli.zip").exists()) == (0, True), said
    code, _, said = told("evidence", record, "--home", town.home, "-o", tmp_path / "cli2", "--as", "nobody")
    assert code == 2
    assert "--as: must be one of" in said
    code, _, said = told("evidence", sample.id, "--home", town.home, "-o", tmp_path / "cli2")
    assert code == 3
    assert not (tmp_path / "cli2").exists()
    with town.opened() as g:
        assert fsck.check_all(g) == []


def test_a_record_of_an_earlier_log_with_what_came_later(small_town):
    """Each entry is proven in its own log; what was corrected is said."""
    town = small_town
    with town.opened() as g:
        kept, gone = town.decide(g, 2)
        town.publish(g)
    succeed_home(town.home, "year", clock=town.clock)
    with town.opened() as g:
        corrections.correct(g, kept, {"room": 300}, "invented reasons")
        erase.erase(g, gone, ground="objection")
        for record, more in ((kept, "correction-1"), (gone, "erasure")):
            pack = evidence.of_record(g, AUDITOR, record)
            first, second = (f"records/{record}.{name}receipt.json" for name in ("", f"{more}."))
            for path, number in ((first, 1), (second, 2)):
                held = verify_receipt(parse_receipt(pack.files[path]), g.keys, origin=g.settings.origin_of(number))
                assert held.checkpoint.checkpoint.origin == g.settings.origin_of(number)
            page = " ".join(pack.files["evidence.en.txt"].decode().split())
            assert (f"{record}: something in it was wrong" in page) == (record == kept)
            assert all(g.settings.origin_of(number) in page for number in (1, 2))


def test_content_that_its_sender_kept_is_said_to_be_there(small_town):
    town = small_town
    with town.opened() as g:
        version = register.show(g, LOAN).version
        names = [f"in_{one.id}" for one in version.manifest.fields]
        names += ["output", "outcome", "subjects", "parent", "usage", "run", "times"]
        members = {"system": LOAN, "version": version.version, "manifest": version.digest, "mode": "live"}
        members |= {"capture": "external", "boot": None, "source": "case-system", "n": 999, "opened": None}
        entry = g.make("decision/1", commitments=dict.fromkeys(names, "ab" * 32), **members)
        g.log.append(
            Unit((entry,), rows=lambda placed: [source_row(entry, placed[0].place, kept_seal(g.vault, entry))])
        ).result()
        before = g.log.state().size
        pack = evidence.of_record(g, AUDITOR, entry.id)
        assert g.log.state().size == before  # nothing was read
        (one,) = json.loads(pack.files["evidence.json"])["records"]
        assert (one["state"], one["opened"]) == ("elsewhere", [])
        assert b"committed to its content and keeps it" in b" ".join(pack.files["evidence.en.txt"].split())


def test_content_that_vanished_is_not_said_to_be_with_its_sender(small_town):
    with small_town.opened() as g:
        (record,) = small_town.decide(g, 1)
        with writing(g.engine) as conn:
            conn.execute(delete(sealed_table).where(sealed_table.c.id == record))
        with pytest.raises(NotFound, match="no tombstone, and no sender who kept it"):
            evidence.of_record(g, AUDITOR, record)
