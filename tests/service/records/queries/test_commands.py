"""`greffier decisions`, `ask`, `view` as commands, and the same over HTTP: answers, bad input, nothing leaked."""

from __future__ import annotations

import csv
import io
import json
import stat

import pytest

from auditlog.store.questions import BY_NAME

PERSON = "Piet Jansen"  # an invented person, who must turn up nowhere


@pytest.fixture
def home(house):
    """The folder of a home with thirty decisions; it stays open beside the commands."""
    house.review(house.decide(30)[1], "override")
    return house.g.home


def test_formats(home, command, tmp_path):
    listed = json.loads(command("decisions", "--home", home, "--format", "json", "--system", "credit").out)
    assert len(listed["rows"]) == 20
    assert listed["log"]["origin"] == "waterveen.example/log/1"
    assert len(listed["log"]["root"]) == 44
    clear = command("decisions", "--home", home, "--format", "csv", "--where", "system=credit").out
    assert [row["id"] for row in csv.DictReader(io.StringIO(clear))] == [row["id"] for row in reversed(listed["rows"])]
    file = tmp_path / "out.parquet"
    assert command("decisions", "--home", home, "--format", "parquet", "-o", file).code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "override" in command("decisions", "--home", home, "--review", "any").out
    technical = json.loads(command("decisions", "--home", home, "--as", "operator", "--format", "json").out)
    assert not {"id", "outcome", "review"} & technical["rows"][0].keys()
    for name in set(BY_NAME) - {"boot", "silent", "refusals"}:
        here = json.loads(command("ask", name, "--home", home, "--format", "json").out)
        there = json.loads(command("ask", name, "--parquet", file, "--format", "json").out)
        assert here["rows"] == there["rows"], name
    assert command("ask", "volume", "--home", home).out.splitlines()[0].split() == ["month", "system", "decisions"]


def test_other_entries_and_their_file(home, command, tmp_path):
    file = tmp_path / "refused.parquet"
    assert command("decisions", "--home", home, "--kind", "refused/1", "--format", "parquet", "-o", file).code == 0
    answer = json.loads(command("ask", "refusals", "--parquet", file, "--events", file, "--format", "json").out)
    assert answer["rows"] == []
    assert "genesis/1" in command("decisions", "--home", home, "--kind", "genesis/1").out


def test_views(home, command):
    assert command("view", "save", "mine", "--home", home, "--where", "min_total_us=28000").code == 0
    assert json.loads(command("view", "show", "mine", "--home", home).out) == {"min_total_us": 28000}
    assert "mine" in command("view", "list", "--home", home).out
    found = json.loads(command("view", "run", "mine", "--home", home, "--format", "json").out)
    assert [row["n"] for row in found["rows"]] == [30, 29, 28]
    assert command("view", "delete", "mine", "--home", home).code == 0
    assert command("view", "run", "mine", "--home", home).code == 2


BAD = (
    (("decisions", "--where", PERSON), "--where: must be NAME=VALUE"),
    (("decisions", "--where", f"min_cost={PERSON}"), "min_cost: must be a whole number"),
    (("decisions", "--where", "min_cost=5"), "currency: must be given with a range of cost"),
    (("decisions", "--where", "min_tokens=9", "--where", "max_tokens=3"), "max_tokens: "),
    (("decisions", "--system", "a", "--where", "system=b"), "--where: gives system a second time"),
    (("decisions", "--where", f"boot={PERSON}"), "boot: must be"),
    (("decisions", "--where", f"capture={PERSON}"), "capture: must be one of"),
    (("decisions", "--review", PERSON), "review: must be one of"),
    (("decisions", "--kind", PERSON), "kind: must be one of"),
    (("decisions", "--kind", "refused/1", "--outcome", "grant"), "outcome: is for decisions"),
    (("decisions", "--where", "reason=suspended"), "reason: "),
    (("decisions", "--as", PERSON), "--as: "),
    (("decisions", "--as", "operator", "--outcome", "grant"), "outcome: is not for the role operator"),
    (("decisions", "--format", "parquet"), "--output: give a file"),
    (("decisions", "--format", "csv", "--cursor", "x"), "--cursor: "),
    (("decisions", "-o", "x.csv"), "--output: is for"),
    (("decisions", "--format", "csv", "-o", "/nowhere/at/all.csv"), "--output: cannot be written"),
    (("view", "save", PERSON), "name: must be"),
    (("view", "show", PERSON), "name: no view has this name"),
    (("ask", PERSON), "question: no question has this name"),
    (("ask", "volume", "--since", PERSON), "since: must be a day"),
    (("ask", "volume", "--system", PERSON), "system: must be"),
    (("ask", "boot"), "boot: must be given"),
    (("ask", "late-reviews", "--days", "4"), "days: must be one of"),
    (("ask", "volume", "--format", "parquet"), "--format: "),
    (("ask", "volume", "--events", "/nowhere/at/all.parquet"), "--events: goes with --parquet"),
    (("decisions", "--since", "2026-11-26", "--until", "2026-11-26"), "until: must be later than since"),
    (("ask", "volume", "--parquet", "/nowhere/at/all.parquet"), "--parquet: is no Parquet file"),
)


def test_bad_input_is_named_and_changes_nothing(home, house, command):
    before = house.g.log.state().size
    for arguments, line in BAD:
        told = command(*arguments, "--home", home)
        assert (told.code, line in told.line) == (2, True), (arguments, told)
    assert house.g.log.state().size == before


@pytest.fixture
def portal(home, portals):
    """The home behind a real server."""
    with portals.served(home) as served:
        yield served


@pytest.mark.enable_socket
def test_over_http(portal, house):
    auditor, operator, client = (portal.key(role) for role in ("auditor", "operator", "client"))
    with portal.client() as http:
        size = house.g.log.state().size
        answer = http.get("/api/decisions", params={"review": "override"}, headers=auditor)
        assert [row["review"] for row in answer.json()["decisions"]] == ["override"]
        assert portal.g.log.state().size == size + 1, "its access"
        rows = http.get("/api/decisions", params={"min_total_us": 29_000}, headers=operator).json()["decisions"]
        assert len(rows) == 2
        assert not {"id", "outcome", "review", "reviewed", "waited"} & rows[0].keys()
        volume = http.get("/api/questions/volume", headers=operator).json()
        assert sum(row["decisions"] for row in volume["rows"]) == 30
        assert volume["log"]["origin"] == "waterveen.example/log/1"
        assert len(http.get("/api/questions", headers=auditor).json()["questions"]) == 10
        for path, status in (
            ("/api/decisions?outcome=grant", 422),
            ("/api/decisions?review=none", 422),
            ("/api/decisions?colour=red", 422),
            ("/api/questions/outcomes", 422),
            ("/api/questions/who", 422),
            ("/api/questions/volume?since=Piet%20Jansen", 422),
            ("/api/questions/volume?colour=red", 422),
            ("/api/decisions?boot=Piet%20Jansen", 422),
            ("/api/decisions?min_cost=1", 422),
            ("/api/decisions?kind=Piet%20Jansen", 422),
        ):
            answer = http.get(path, headers=operator)
            assert (answer.status_code, "Piet" in answer.text) == (status, False), (path, answer.text)
        for path in ("/api/decisions", "/api/questions", "/api/questions/volume"):
            assert http.get(path).status_code == 401
            assert http.get(path, headers=client).status_code == 403
