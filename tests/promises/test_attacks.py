"""The attacks of `make attack`, one by one: who notices each is what `docs/trust.md` says, no more and no less.

In the temporary scene nobody complains before the attack (`stage` raises otherwise), so what is noticed is the attack.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.errors import Erased
from auditlog.core.formats.policy import check_policy
from lab.attack import __main__ as command
from lab.attack import page
from lab.attack.attacks import ATTACKS, GROUPS
from lab.attack.forgery import database, entries, note
from lab.attack.parties import PARTIES
from lab.attack.play import Outcome, play, stage
from lab.attack.scene import HOUR, Scene
from service.records import reading
from service.records.reading import CLI

PAGE = command.PAGE.read_text("utf-8")
# A few of each group; the others at full length only.
QUICK = {
    "byte_changed",
    "cut_to_older",
    "state_row_used",
    "database_restored",
    "guard_restored",
    "witness_forgets",
    "decision_deleted",
    "all_collude_first",
    "retired_key_used",
    "decision_left_out",
    "counter_patched",
    "dated_back",
    "split_view_unwitnessed",
    "stale",
}


@pytest.fixture(scope="module")
def base() -> Iterator[Scene]:
    with stage() as made:
        yield made


_played: dict[str, Outcome] = {}


def played(base: Scene, name: str) -> Outcome:
    """Each attack once."""
    if name not in _played:
        _played[name] = play(base, name)
    return _played[name]


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ATTACKS]
)
def test_those_notice_whom_the_page_names(base: Scene, name: str) -> None:
    outcome = played(base, name)
    assert tuple(outcome.noticed) == page.claims(PAGE)[name], outcome.noticed
    assert all(outcome.noticed.values()), "a party that notices something says what"


# --- what nobody noticed did happen -----------------------------------------------------------------------------------


def recorded(s: Scene) -> list[dict[str, Any]]:
    """The log as it is after the attack."""
    return [json.loads(data) for data in entries(s.home)]


def sizes(s: Scene) -> tuple[int, int]:
    """Published and integrated."""
    published, integrated = (note(s.home, name=name).split(b"\n")[1] for name in ("published", "integrated"))
    return int(published), int(integrated)


def stamps(s: Scene) -> list[tuple[int, str]]:
    with database(s.home) as conn:
        return conn.execute("SELECT size, time FROM auditlog_timestamp").fetchall()


def time_of(s: Scene, index: int) -> datetime:
    return datetime.strptime(recorded(s)[index]["time"], "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)


def numbers(s: Scene, kind: str, member: str) -> list[Any]:
    return [entry[member] for entry in recorded(s) if entry["kind"] == kind]


def kept_out(s: Scene) -> bool:
    """Something was computed, and the log knows nothing of it."""
    return bool(s.left_out) and not {entry["id"] for entry in recorded(s)} & set(s.left_out)


# attack → whether it left what it should, given the honest scene and the broken one.
HAPPENED: dict[str, Callable[[Scene, Scene], bool]] = {
    "verifier_replaced": lambda _, s: b"OK" in (s.folder / "export-1" / "verify.pyz").read_bytes()[:20],
    "time_stamp_removed": lambda base, s: len(stamps(base)) == 1 and stamps(s) == [],
    "nobody_had_looked": lambda base, s: len(recorded(s)) > 60 and recorded(s)[25] != recorded(base)[25],
    "all_collude_first": lambda base, s: (
        base.ids[4] not in {entry["id"] for entry in recorded(s)}
        and stamps(s)[0][0] > stamps(base)[0][0]
        and stamps(s)[0][1] < f"{base.clock.now - HOUR:%Y-%m-%dT%H:%M:%SZ}"
    ),
    "counter_patched": lambda _, s: kept_out(s) and numbers(s, "boot/1", "unclosed")[-1][0]["n"] == 1,
    "counter_not_raised": lambda _, s: kept_out(s) and numbers(s, "close/1", "n")[-1] == 2,
    "other_output_without_receipt": lambda _, s: s.texts[s.ids[-1]] == "contact" and s.letters[s.ids[-1]] == b"",
    "dated_back_a_little": lambda base, s: time_of(s, -1) < base.clock.now,
    "minutes_kept_out": lambda base, s: time_of(s, -1) - time_of(base, -1) == timedelta(minutes=50),
    "newest_of_source_left_out": lambda _, s: numbers(s, "decision/1", "source").count("case-system") == 2,
    "thief_adds": lambda base, s: len(recorded(s)) > len(recorded(base)),
    "stale_but_fresh": lambda _, s: sizes(s)[0] + 5 <= sizes(s)[1],
    "late": lambda _, s: sizes(s)[0] + 2 <= sizes(s)[1],
}


@pytest.mark.enable_socket
@pytest.mark.slow
def test_an_attack_that_nobody_noticed_did_happen(base: Scene) -> None:
    """Else a check that looks at nothing, or an attack that fails, would stand on the page as a matter of trust."""
    assert set(HAPPENED) == {name for name, noticed in page.claims(PAGE).items() if not noticed}
    for name, happened in HAPPENED.items():
        left = played(base, name).scene
        assert left is not None
        assert happened(base, left), name


@pytest.mark.enable_socket
@pytest.mark.slow
def test_the_two_views_were_both_cosigned(base: Scene) -> None:
    left = played(base, "split_view_cosigned").scene
    assert left is not None
    notes = [note(home, name="published") for home in (left.home, left.folder / "other" / "waterveen")]
    roots = {made.split(b"\n")[2] for made in notes}
    assert len(roots) == 2
    for made in notes:
        assert check_policy(base.policy, made)


@pytest.mark.enable_socket
@pytest.mark.slow
@pytest.mark.parametrize(("name", "readable"), [("erasure_undone", True), ("erasure_undone_but_ledger", False)])
def test_what_a_backup_brings_back_of_an_erased_record(base: Scene, name: str, readable: bool) -> None:
    left = played(base, name).scene
    assert left is not None
    with left.opened() as g:
        if readable:
            assert reading.open(g, CLI, "receipt", base.ids[2]).values["outcome"] == "pay"
        else:
            with pytest.raises(Erased):
                reading.open(g, CLI, "receipt", base.ids[2])


def test_the_page_has_every_attack_and_every_party() -> None:
    claims = page.claims(PAGE)
    assert set(claims) == set(ATTACKS)
    assert {one.group for one in ATTACKS.values()} == set(GROUPS)
    assert {party for noticed in claims.values() for party in noticed} == set(PARTIES)
    assert any(not noticed for noticed in claims.values()), "what needs trust must be said"
    for party in PARTIES:
        assert f"\n| **{party}** | " in PAGE, party


def outcomes() -> list[Outcome]:
    """As if all had gone as the page says."""
    return [Outcome(ATTACKS[name], dict.fromkeys(noticed, "seen")) for name, noticed in page.claims(PAGE).items()]


def test_a_claim_that_does_not_hold_is_told() -> None:
    told = outcomes()
    assert page.differences(PAGE, told) == []
    at = next(n for n, one in enumerate(told) if one.attack.name == "forked")
    less = {party: said for party, said in told[at].noticed.items() if party != "mirror"}
    assert page.differences(PAGE, [replace(told[at], noticed=less)]) == [
        "forked: the page says that it is noticed by mirror, and it was not"
    ]
    more = {**told[at].noticed, "letter": "seen"}
    assert page.differences(PAGE, [replace(told[at], noticed=more)]) == [
        "forked: was noticed by letter, which the page does not say"
    ]
    without = PAGE.replace("| `forked` |", "| `forgot` |")
    assert page.differences(without, [told[at]]) == [
        "forked: is not on the page",
        "forgot: is on the page and no attack of that name",
    ]


@pytest.mark.enable_socket
def test_the_command_fails_where_the_page_claims_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = next(line for line in PAGE.splitlines() if line.endswith("| `counter_not_raised` |"))
    false = tmp_path / "trust.md"
    false.write_text(PAGE.replace(row, row.replace(page.TRUST, "gaps")), "utf-8")
    assert command.main(["counter_not_raised"]) == 0
    capsys.readouterr()
    monkeypatch.setattr(command, "PAGE", false)
    assert command.main(["counter_not_raised", "--json"]) == 1
    said = capsys.readouterr()
    assert "the page says that it is noticed by gaps, and it was not" in said.err
    assert '"noticed": {}' in said.out


def test_tables_are_written_between_their_markers_and_nowhere_else() -> None:
    tables = page.markdown(outcomes())
    assert set(tables) == set(GROUPS)
    once = page.written(PAGE, tables)
    assert page.written(once, tables) == once
    outside = [line for line in PAGE.splitlines() if not line.startswith("| ")]
    assert [line for line in once.splitlines() if not line.startswith("| ")] == outside
    with pytest.raises(ValueError, match="no place"):
        page.written("nothing here", tables)


def test_what_differs_between_runs_is_taken_out_of_sentences() -> None:
    told = (
        "the log was rolled back: http://127.0.0.1:39881 has cosigned 33 entries of it at 2026-11-24T19:21Z, root "
        "Ag8RJL2LBzA2Zk4cb2XMUx+mS2aM6dZ1wSQRebyV5BI=. Evidence: /tmp/x/evidence-1.json"
    )
    assert page.plain(told) == "the log was rolled back: the witness has cosigned 33 entries of it at …, root …"
    assert len(page.plain("word " * 100)) < 120


@pytest.mark.parametrize("arguments", [["no_such_attack"], ["--markdown", "forked"], ["--no-such-option"]])
def test_bad_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_the_list_names_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    assert capsys.readouterr().out.count("\n") == len(ATTACKS)
