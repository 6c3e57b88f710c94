"""A new index key: old and new answer until the last record has its tags, whatever is killed or recorded meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cli
from auditlog.core.errors import CannotRecord, VaultError
from auditlog.vault import retag
from auditlog.vault.key_encryption import KeyEncryptionKey
from auditlog.vault.seal import Refs
from auditlog.writing.log import Unit
from home.greffier import Greffier
from service.keeping import vault_keys
from service.wiring import create_home, open_home

ROOT = Path(__file__).parents[3]
COUNT = 450  # two batches and a part


@pytest.fixture
def home(home_url: str | None, tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "home"
    create_home(made, "waterveen", "waterveen.example/log", database_url=home_url)
    with open_home(made) as g:
        note(g, *(f"TEST-{number % 150}" for number in range(COUNT)))
    return made


def note(g: Greffier, *subjects: str) -> str:
    """An entry for each, with sealed content about somebody, and in a case; the id of the last one."""
    entries = tuple(g.make("pulse/1", boots=[], recording="ok") for _ in subjects)
    rows = [
        row
        for entry, subject in zip(entries, subjects, strict=True)
        for row in g.vault.prepare(entry.id, {}, (subject,), refs=Refs(case="CASE 1")).rows()
    ]
    g.log.append(Unit(entries, rows=lambda _sequenced: rows)).result(30)
    return entries[-1].id


def tags(g: Greffier) -> set[tuple[bytes, str, str]]:
    with g.reading() as conn:
        return {
            (bytes(row[0]), row[1], row[2])
            for row in conn.exec_driver_sql("SELECT tag, id, kind FROM auditlog_subject")
        }


def found(g: Greffier, subject: str, **kind: Any) -> int:
    with g.reading() as conn:
        return len(g.vault.find(conn, subject, **kind))


def files(home: Path) -> set[str]:
    return {path.name for path in (home / "keys").iterdir() if path.name.startswith((".index", "index"))}


def test_every_record_is_found_under_the_new_key_and_under_no_other(home: Path) -> None:
    old = (home / "keys" / "index.key").read_bytes()
    with open_home(home) as g:
        before = tags(g)
        done = vault_keys.change_index_key(g, new_key=True)
        assert (done.done, done.erased, done.unreadable) == (COUNT, 0, 0)
        after = tags(g)
        assert len(after) == len(before) == 2 * COUNT
        assert {(id_, kind) for _, id_, kind in after} == {(id_, kind) for _, id_, kind in before}
        assert not {tag for tag, _, _ in after} & {tag for tag, _, _ in before}
    assert (home / "keys" / "index.key").read_bytes() != old
    assert files(home) == {"index.key"}
    with open_home(home) as g:
        assert found(g, "test 7") == 3
        assert found(g, "case-1", kind="case") == COUNT


def test_both_keys_answer_while_it_lasts_and_a_killed_run_goes_on(home: Path) -> None:
    """Killed after its first batch: nothing is lost from the index at any time."""
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from service.wiring import open_home; from service.keeping import vault_keys\n"
        "with open_home(Path(sys.argv[1])) as g:\n"
        "    vault_keys.change_index_key(g, new_key=True, progress=lambda _: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(home)], cwd=ROOT, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert "index.key.old" in files(home)
    with open_home(home) as g:
        assert [found(g, f"TEST-{number}") for number in range(150)] == [3] * 150
        note(g, "TEST-7")
        assert found(g, "TEST-7") == 4
        done = vault_keys.change_index_key(g, new_key=False)
        # The first batch was done; the new record may stand before or behind it.
        assert COUNT - retag.BATCH <= done.done <= COUNT - retag.BATCH + 1
        assert found(g, "TEST-7") == 4
        assert found(g, "CASE 1", kind="case") == COUNT + 1
    assert files(home) == {"index.key"}


@pytest.mark.parametrize("step", ["hardlink_to", "replace", "wipe"])
def test_a_kill_at_any_change_of_the_key_files_is_gone_on_with(home: Path, step: str) -> None:
    owner = {"hardlink_to": "Path", "replace": "durable", "wipe": "durable"}[step]
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from service.wiring import open_home; from service.keeping import vault_keys\n"
        "from auditlog.writing import durable\n"
        f"real = {owner}.{step}\n"
        "def last(*given):\n"
        "    real(*given); os.kill(os.getpid(), signal.SIGKILL)\n"
        f"with open_home(Path(sys.argv[1])) as g:\n"
        f"    {owner}.{step} = last\n"
        "    vault_keys.change_index_key(g, new_key=True)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(home)], cwd=ROOT, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    with open_home(home) as g:
        assert found(g, "TEST-7") == 3
        vault_keys.change_index_key(g, new_key=True)
        assert found(g, "TEST-7") == 3
    assert files(home) == {"index.key"}


def test_a_server_goes_on_recording_under_the_new_key(home: Path) -> None:
    """A program that was open before: one of its groups is refused, and all it recorded is found in the end."""
    stop, made, refused = threading.Event(), [], []
    with open_home(home) as server:

        def work() -> None:
            while not stop.is_set():
                try:
                    made.append(note(server, "TEST-7"))
                except CannotRecord as error:
                    refused.append(str(error))

        worker = threading.Thread(target=work)
        worker.start()
        try:
            with open_home(home) as g:
                vault_keys.change_index_key(g, new_key=True)
        finally:
            stop.set()
            worker.join()
        assert refused
        assert all("index.key" in one for one in refused), refused
        note(server, "TEST-7")
    with open_home(home) as g:
        assert found(g, "TEST-7") == 3 + len(made) + 1


def test_what_does_not_open_keeps_the_old_key(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_home(home) as g:
        id_ = note(g, "TEST-9001")
        change(g, id_)
    assert cli.run(["vault", "retag", "--home", str(home), "--new-key"]) == 1
    assert "1 record does not open" in capsys.readouterr().out
    assert files(home) == {"index.key", "index.key.old"}
    with open_home(home) as g:
        assert found(g, "TEST-9001") == 1
        change(g, id_)
    assert cli.run(["vault", "retag", "--home", str(home)]) == 0
    assert files(home) == {"index.key"}
    with open_home(home) as g:
        assert found(g, "TEST-9001") == 1
    assert cli.run(["vault", "retag", "--home", str(home)]) == 2


def change(g: Greffier, id_: str) -> None:
    """Flip a byte of a ciphertext; again, and it is as before."""
    from sqlalchemy import text

    with g.engine.begin() as conn:
        (data,) = conn.execute(text("SELECT ciphertext FROM auditlog_sealed WHERE id = :id"), {"id": id_}).one()
        other = bytes([*bytes(data)[:-1], bytes(data)[-1] ^ 1])
        conn.execute(text("UPDATE auditlog_sealed SET ciphertext = :data WHERE id = :id"), {"data": other, "id": id_})


# --- encrypting the key store -----------------------------------------------------------------------------------------


def test_a_key_store_in_use_is_encrypted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEK", "7b" * 32)
    with open_home(home) as g:
        key = g.record_keys.read(0)
    assert cli.run(["vault", "encrypt-keys", "--home", str(home), "--confirm"]) == 2  # no setting
    monkeypatch.setenv("GREFFIER_KEY_ENCRYPTION", "env:KEK")
    with pytest.raises(CannotRecord, match="encrypt-keys"), open_home(home):
        pass
    assert cli.run(["vault", "encrypt-keys", "--home", str(home)]) == 2  # no --confirm
    assert cli.run(["vault", "encrypt-keys", "--home", str(home), "--confirm"]) == 0
    with open_home(home) as g:
        assert g.record_keys.read(0) == key
        id_ = note(g, "TEST-1")
        with g.reading() as conn:
            assert g.vault.open(conn, id_).values["subjects"] == ["s1:test1"]
    assert key not in (home / "keys" / "records.keys").read_bytes()


def test_a_masked_store_that_does_not_say_so_is_not_masked_twice(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second masking under the same key would undo the first."""
    monkeypatch.setenv("KEK", "7b" * 32)
    monkeypatch.setenv("GREFFIER_KEY_ENCRYPTION", "env:KEK")
    assert cli.run(["vault", "encrypt-keys", "--home", str(home), "--confirm"]) == 0
    line = home / "keys" / "records.keys.kek"
    kept, data = line.read_bytes(), (home / "keys" / "records.keys").read_bytes()
    line.unlink()
    with pytest.raises(VaultError, match=r"put back the file with the ending \.kek"):
        cli.app(["vault", "encrypt-keys", "--home", str(home), "--confirm"], standalone_mode=False)
    assert (home / "keys" / "records.keys").read_bytes() == data
    line.write_bytes(kept)
    monkeypatch.setenv("NEXT", "7c" * 32)
    monkeypatch.setenv("GREFFIER_KEY_ENCRYPTION", "env:NEXT")
    assert cli.run(["vault", "encrypt-keys", "--home", str(home), "--confirm"]) == 1
    assert cli.run(["vault", "encrypt-keys", "--home", str(home), "--confirm", "--previous", "env:KEK"]) == 0
    with open_home(home) as g:
        assert (
            KeyEncryptionKey(b"\x7c" * 32).mask(0, g.record_keys.read(0))
            in (home / "keys" / "records.keys").read_bytes()
        )
