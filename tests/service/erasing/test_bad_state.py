"""Erasing where something is missing or lies elsewhere: an error with its fix, nothing changed, or completed later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from auditlog.core.errors import CannotRecord, Erased, VaultError
from auditlog.core.formats.commitment import commit_all
from auditlog.vault import erasure
from lab.bench import records_scene
from service.erasing import erase, erasure_proof
from service.external import import_records
from service.keeping import fsck
from service.records import reading
from service.records.reading import CLI
from service.wiring import open_home


@pytest.mark.parametrize("file", ["keys/records.keys", "guard/erasures"])
def test_without_key_store_or_ledger_nothing_is_erased(small_office: Any, file: str) -> None:
    with small_office.opened() as g:
        record = small_office.decide(g, "TEST-1")
        plan = erase.plan_record(g, record, ground="objection")
        path = g.home / file
        path.rename(path.with_suffix(".away"))
        with pytest.raises((VaultError, CannotRecord)) as error:
            erase.confirm(g, plan, plan.code)
        assert "put back" in str(error.value)
        path.with_suffix(".away").rename(path)
        assert reading.open(g, CLI, "export", record).values["outcome"] == "grant"
        assert g.ledger.read() == ()
        erase.confirm(
            g, erase.plan_record(g, record, ground="objection"), erase.plan_record(g, record, ground="objection").code
        )
        assert fsck.check_all(g) == []


def test_a_key_store_that_fails_in_the_midst_is_completed_later(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with office.opened() as g:
        records = [office.decide(g, "TEST-1") for _ in range(3)]
        plan = erase.plan_person(g, "TEST-1", ground="objection")

        def fail(_slots: object) -> None:
            raise VaultError("cannot be used (invented); check its disk, then try again", field="key_store")

        with monkeypatch.context() as patch:
            patch.setattr(g.record_keys, "overwrite", fail)
            with pytest.raises(VaultError, match="check its disk"):
                erase.confirm(g, plan, plan.code)
        for record in records:
            with pytest.raises(Erased):
                reading.open(g, CLI, "export", record)
        assert g.log.state().recording
    with office.opened() as g:
        assert all(erasure_proof.verify(g, record).gone for record in records)
        assert fsck.check_all(g) == []


def test_a_database_that_fails_after_the_keys_are_gone_is_completed_by_the_next_erasure(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with office.opened() as g:
        first, second = office.decide(g, "TEST-1"), office.decide(g, "TEST-1")

        def full(*_: object, **_members: object) -> None:
            raise CannotRecord("is full (invented)", cause="disk_full", field="database")

        with monkeypatch.context() as patch:
            patch.setattr(erasure, "insert_erasure", full)
            with pytest.raises(CannotRecord):
                erase.erase(g, first, ground="objection")
        with pytest.raises(Erased):
            reading.open(g, CLI, "export", first)
        erase.erase(g, second, ground="unlawful")
        assert all(erasure_proof.verify(g, record).gone for record in (first, second))
        assert erasure_proof.verify(g, first).ground == "objection"
        assert fsck.check_all(g) == []


def test_a_record_whose_content_its_sender_kept(tmp_path: Path) -> None:
    records_scene.make_home(tmp_path / "home", None)
    with open_home(tmp_path / "home") as g:
        given = records_scene.line(1)
        values = {f"in_{name}": value for name, value in given["input"].items()}
        values |= {"output": given["output"], "outcome": given["outcome"], "subjects": ["s1:test1"]}
        values |= dict.fromkeys(("parent", "usage", "run", "times"))
        line = {name: given[name] for name in ("system", "source", "n")}
        line["commitments"] = commit_all(b"s" * 32, values)
        kept = import_records.record(g, [line]).results[0].id
        sealed = import_records.record(g, [records_scene.line(2)]).results[0].id
        erase.erase(g, str(kept), ground="objection")
        erase.erase(g, str(sealed), ground="objection")
        assert erasure_proof.verify(g, str(kept)).gone
        assert fsck.check_all(g) == []
