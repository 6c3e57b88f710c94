"""Beginning and drawing a sample with a real witness over HTTP, on both databases; then every way to get it wrong."""

from __future__ import annotations

import base64
import secrets
import shutil
import uuid
from dataclasses import asdict
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, update

from auditlog.core.checking.sample import draw, nonce_hash, seed_of
from auditlog.core.checking.tree import audit_tree
from auditlog.core.errors import FormatError, NotFound, VerifyError
from auditlog.recovery import fsck as log_fsck
from auditlog.recovery.fsck import Checked
from auditlog.store.engine import writing
from auditlog.store.samples import SampleRow, sample_table
from cli.demo.run import CASES
from home.errors import Refused, UnknownRecord, UsageError
from service.keeping import fsck
from service.logs import export
from service.proving import evidence, samples
from service.records.accesses import Reader
from service.wiring import succeed_home

pytestmark = pytest.mark.enable_socket
LOAN = "social-loan-check"
WITNESS = "witness.example/w1"
NONCE = bytes(range(32))


def begin(town, g, **changes):
    asked = {
        "count": 3,
        "witness": WITNESS,
        "not_before": town.clock() + timedelta(minutes=10),
        "nonce_hash": nonce_hash(changes.pop("nonce", NONCE)),
        "system": LOAN,
    }
    return samples.begin(g, **(asked | changes))


def test_a_sample_from_beginning_to_audit(town, tmp_path):
    with town.opened() as g:
        ids = town.decide(g, 12)
        town.decide(g, 2, system="tax-question-reply")
        town.decide(g, 3, mode="test")
        assert town.publish(g)
        sample = begin(town, g)
        assert (sample.state, sample.population, sample.count, sample.checkpoint) == ("waiting", 12, 3, None)

        town.decide(g, 1)
        town.clock.on(5)
        assert town.publish(g)  # the witness cosigns, but not yet in time
        assert samples.find(g, sample.id).state == "waiting"
        with pytest.raises(Refused, match=r"no checkpoint yet that witness\.example/w1 cosigned at 2026-11-24T08:10Z"):
            samples.draw(g, sample.id, NONCE)

        town.clock.on(5)
        town.decide(g, 1)
        assert town.publish(g)
        ready = samples.find(g, sample.id)
        assert ready.state == "ready"
        town.clock.on(5)
        town.decide(g, 1)
        assert town.publish(g)  # a later one takes nothing away from the first
        assert samples.find(g, sample.id) == ready

        drawn = samples.draw(g, sample.id, NONCE)
        assert [one.place for one in drawn] == [1, 2, 3]
        assert {one.id for one in drawn} <= set(ids)
        assert samples.chosen(g, sample.id) == drawn
        assert samples.find(g, sample.id).state == "drawn"
        assert [one.id for one in samples.list_all(g)] == [sample.id]
        assert town.publish(g)
        export.export_log(g, tmp_path / "export")
        assert audit_tree(tmp_path / "export", g.keys, origin=g.log.origin).kinds["sample/1"] == 2
        assert fsck.check_all(g) == []


def test_the_draw_is_the_rule_applied_to_what_the_log_shows(town):
    with town.opened() as g:
        town.decide(g, 9)
        sample = begin(town, g, count=9)
        town.clock.on(10)
        town.publish(g)
        drawn = samples.draw(g, sample.id, NONCE)
        row, begun = samples.places(g, sample.id)
    assert row.note is not None
    root = base64.b64decode(row.note.split(b"\n")[2])
    assert begun.members["population"] == 9
    seed = seed_of(NONCE, root)
    assert [one.index for one in drawn] == draw(seed, range(sample.since, sample.until), 9)


def test_a_quiet_log_is_cosigned_anew_and_that_counts(town):
    """The same size, a fresher cosignature: its root could not be known before either."""
    with town.opened() as g:
        town.decide(g, 4)
        sample = begin(town, g)
        assert town.publish(g)
        town.clock.on(61)
        assert town.publish(g)
        found = samples.find(g, sample.id)
    assert (found.state, found.checkpoint) == ("ready", sample.index + 1)


def test_a_checkpoint_from_before_the_sample_does_not_count(town):
    with town.opened() as g:
        town.decide(g, 4)
        assert town.publish(g)
        sample = begin(town, g)
        note = g.publisher.checkpoint()
        town.clock.on(30)
        from auditlog.store.log import Head
        from auditlog.store.samples import keep_checkpoint

        with writing(g.engine) as conn:
            keep_checkpoint(conn, 1, Head(sample.index, note), {WITNESS: int(town.clock.posix())})
        assert samples.find(g, sample.id).state == "waiting"


def test_a_period_becomes_a_range_of_the_log(small_town):
    town = small_town
    with town.opened() as g:
        town.decide(g, 3)
        town.clock.on(24 * 60)
        second = town.decide(g, 4)
        town.clock.on(24 * 60)
        town.decide(g, 5)
        sample = begin(town, g, count=4, since="2026-11-25T00:00Z", until="2026-11-26T00:00Z")
        assert sample.population == 4
        town.clock.on(10)
        town.publish(g)
        assert {one.id for one in samples.draw(g, sample.id, NONCE)} == set(second)


def test_a_sample_of_all_systems(small_town):
    town = small_town
    with town.opened() as g:
        town.decide(g, 3)
        town.decide(g, 4, system="tax-question-reply")
        assert begin(town, g, system=None).population == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 5}, "--count: must be 1 to 4"),
        ({"count": 0}, "--count: must be 1 to 4"),
        ({"system": "nobody"}, "--system: no decision"),
        ({"witness": "witness.example/w2"}, "--witness: must be the name of a witness of the policy; it names witness"),
        ({"nonce_hash": NONCE.hex().upper()}, "--nonce-hash: must be 64 lower-case hex digits"),
        ({"not_before": "now"}, "--not-before: must lie in the future"),
        ({"since": "yesterday"}, "--since: must be a minute"),
        ({"until": "2026-11-24"}, "--until: must be a minute"),
        ({"since": "2027-01-01T00:00Z"}, "--system: no decision"),
    ],
)
def test_what_cannot_be_begun_leaves_nothing(small_town, changes, message):
    town = small_town
    if changes.get("not_before") == "now":
        changes = {"not_before": town.clock()}
    with town.opened() as g:
        town.decide(g, 4)
        before = g.log.state().size
        with pytest.raises(UsageError, match=message):
            begin(town, g, **changes)
        assert g.log.state().size == before
        assert samples.list_all(g) == []


def test_what_cannot_be_drawn_leaves_nothing(small_town):
    town = small_town
    with town.opened() as g:
        town.decide(g, 4)
        sample = begin(town, g)
        town.clock.on(10)
        town.publish(g)
        before = g.log.state().size
        with pytest.raises(Refused, match="is not the one whose hash the log holds"):
            samples.draw(g, sample.id, secrets.token_bytes(32))
        with pytest.raises(FormatError, match="32 random bytes"):
            samples.draw(g, sample.id, b"short")
        for unknown in ("nonsense", "00000000-0000-4000-8000-000000000000"):
            with pytest.raises(UnknownRecord):
                samples.draw(g, unknown, NONCE)
        with pytest.raises(Refused, match="not drawn yet"):
            samples.chosen(g, sample.id)
        assert g.log.state().size == before
        samples.draw(g, sample.id, NONCE)
        with pytest.raises(Refused, match="drawn already"):
            samples.draw(g, sample.id, NONCE)


def test_a_witness_that_left_the_policy_draws_nothing(small_town, witness_stand, tmp_path):
    town = small_town
    other = witness_stand.make_witness(tmp_path / "other", clock=town.clock.posix, name="witness.example/w2")
    with town.opened() as g, witness_stand.served(other) as url:
        town.decide(g, 4)
        sample = begin(town, g)
        town.clock.on(10)
        town.add_witness(g, other, url)
        assert town.publish(g)
        assert samples.find(g, sample.id).state == "waiting"
        with pytest.raises(Refused, match="no checkpoint yet"):
            samples.draw(g, sample.id, NONCE)
    other.close()


def test_the_command_line(small_town, told, tmp_path):
    town = small_town
    nonce = tmp_path / "nonce"
    with town.opened() as g:
        town.decide(g, 5)
    begin_ = ["sample", "begin", "--home", town.home, "--count", 2, "--witness", WITNESS, "--system", LOAN]
    code, _, said = told(*begin_, "--not-before", "2020-01-01T00:00Z", "--nonce-file", nonce)
    assert code == 2
    assert "--not-before: must lie in the future" in said
    assert not nonce.exists()
    code, _, said = told(*begin_, "--not-before", "2999-01-01T00:00Z")
    assert code == 2
    code, made, said = told(*begin_, "--not-before", "2999-01-01T00:00Z", "--nonce-file", nonce)
    assert code == 0, said
    assert made["state"] == "waiting"
    assert nonce.stat().st_mode & 0o777 == 0o600
    assert nonce.read_text().strip() not in said
    code, _, said = told(*begin_, "--not-before", "2999-01-01T00:00Z", "--nonce-file", nonce)
    assert code == 2
    assert "--nonce-file: cannot be made" in said
    code, _, said = told("sample", "draw", made["id"], "--home", town.home, "--nonce-file", nonce)
    assert code == 3
    assert "no checkpoint yet" in said
    nonce.write_text("not a nonce")
    code, _, said = told("sample", "draw", made["id"], "--home", town.home, "--nonce-file", nonce)
    assert code == 2
    assert "must hold 64 lower-case hex digits" in said
    code, shown, _ = told("sample", "show", made["id"], "--home", town.home)
    assert (code, shown["decisions"]) == (0, [])
    code, listed, _ = told("sample", "list", "--home", town.home, "--json")
    assert (code, [one["id"] for one in listed]) == (0, [made["id"]])


def test_fsck_finds_each_column_of_a_sample_that_was_changed(town):
    with town.opened() as g:
        town.decide(g, 4)
        drawn = begin(town, g)
        waiting = begin(town, g, not_before=town.clock() + timedelta(days=1), nonce=bytes(32))
        town.clock.on(10)
        town.publish(g)
        samples.draw(g, drawn.id, NONCE)
        assert fsck.check_all(g) == []
        changes = {
            "idx": drawn.index + 1,
            "witness": "witness.example/w2",
            "not_before": "2026-11-24T08:11Z",
            "size": 3,
            "note": None,
            "drawn": None,
        }
        for column, value in changes.items():
            with pytest.raises(_Undone), writing(g.engine) as conn:
                conn.execute(update(sample_table).where(sample_table.c.id == drawn.id).values({column: value}))
                found = [
                    one.place
                    for one in log_fsck.fsck(conn, g.key_folder.ring(), [_checked(g)], g.vault, ledger=g.ledger)
                ]
                # Without its note a drawn sample cannot be shown, and that is said there; the log holds.
                assert (f"auditlog_sample(id={drawn.id})" in " ".join(found)) == (column != "note"), (column, found)
                raise _Undone
        for statement in (delete(sample_table).where(sample_table.c.id == waiting.id), _stranger(waiting)):
            with pytest.raises(_Undone), writing(g.engine) as conn:
                conn.execute(statement)
                found = [
                    one.place
                    for one in log_fsck.fsck(conn, g.key_folder.ring(), [_checked(g)], g.vault, ledger=g.ledger)
                ]
                assert any(place.startswith("auditlog_sample(id=") for place in found), found
                raise _Undone
        assert fsck.check_all(g) == []


class _Undone(Exception):
    """Rolls a change back."""


def _checked(g):
    return Checked(1, g.settings.origin_of(1), g.guard_of(1))


def _stranger(sample):
    row = SampleRow(str(uuid.uuid4()), 1, sample.index, WITNESS, sample.not_before)
    return insert(sample_table).values(asdict(row))


def test_an_imported_log_has_its_samples(small_town, told, tmp_path):
    """From the copy alone what the entries say; from an older database the checkpoints that draw, too."""
    town = small_town
    with town.opened() as g:
        town.decide(g, 4)
        drawn, ready, waiting = (
            begin(town, g, not_before=town.clock() + timedelta(minutes=n), nonce=n.to_bytes(32, "big"))
            for n in (5, 10, 9999)
        )
        town.clock.on(10)
        town.publish(g)
    older = tmp_path / "older.db"
    shutil.copyfile(town.home / "greffier.db", older)
    with town.opened() as g:
        samples.draw(g, drawn.id, (5).to_bytes(32, "big"))
        town.publish(g)
        export.export_log(g, tmp_path / "export")
        before = samples.list_all(g)
        assert [one.state for one in before] == ["drawn", "ready", "waiting"]
    shutil.copyfile(older, town.home / "greffier.db")
    imports = ["log", "import", tmp_path / "export", "--home", town.home, "--documents", CASES]
    code, _, said = told(*imports)
    assert code in {0, 1}, said
    with town.opened() as g:
        assert samples.list_all(g) == before
        assert [one for one in fsck.check_all(g) if "sample" in one.place] == []
        evidence.of_sample(g, Reader("auditor", None), drawn.id)
        town.publish(g)
        export.export_log(g, tmp_path / "export 2")
    (town.home / "greffier.db").unlink()
    imports[2] = tmp_path / "export 2"
    code, _, said = told(*imports)
    assert code in {0, 1}, said
    with town.opened() as g:
        assert [one.state for one in samples.list_all(g)] == ["drawn", "waiting", "waiting"]
        assert [one for one in fsck.check_all(g) if "sample" in one.place] == []
        # Content and the note that draws are both gone with the database.
        with pytest.raises((VerifyError, NotFound), match=r"the draw cannot be shown without it|has no content here"):
            evidence.of_sample(g, Reader("auditor", None), drawn.id)
        town.clock.on(70)
        town.publish(g)
        assert samples.find(g, drawn.id).state == "drawn"
        assert samples.find(g, ready.id).state == "ready"
        assert samples.find(g, waiting.id).state == "waiting"


def test_a_nonce_is_used_once(small_town):
    town = small_town
    with town.opened() as g:
        town.decide(g, 4)
        begin(town, g)
        with pytest.raises(UsageError, match="--nonce-hash: was used for another sample"):
            begin(town, g, system=None)


def test_a_log_that_was_closed_draws_no_more(small_town):
    town = small_town
    with town.opened() as g:
        town.decide(g, 4)
        sample = begin(town, g)
        town.clock.on(10)
        town.publish(g)
    succeed_home(town.home, "year", clock=town.clock)
    with town.opened() as g:
        assert samples.find(g, sample.id).state == "ready"
        with pytest.raises(Refused, match="in a log that was closed before it was drawn"):
            samples.draw(g, sample.id, NONCE)
