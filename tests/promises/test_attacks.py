"""The attacks of `make attack`, one by one: who notices each is what `docs/trust.md` says, no more and no less.

In the temporary scene nobody complains before the attack (`stage` raises otherwise), so what is noticed is the attack.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.attack import __main__ as command
from app.attack import page
from app.attack.attacks import ATTACKS, GROUPS
from app.attack.parties import PARTIES
from app.attack.play import Outcome, play, stage
from app.attack.scene import Scene

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


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ATTACKS]
)
def test_those_notice_whom_the_page_names(base: Scene, name: str) -> None:
    outcome = play(base, name)
    assert tuple(outcome.noticed) == page.claims(PAGE)[name], outcome.noticed
    assert all(outcome.noticed.values()), "a party that notices something says what"


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
