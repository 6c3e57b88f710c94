"""`greffier system export` and `import` over a real home: what goes out comes in again, all of a file or nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CASES = Path(__file__).parents[4] / "cli" / "demo" / "cases"
LOAN = "social-loan-check"
Command = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path, command: Command) -> Path:
    """A new home with the demo's agency and its loan check, a draft."""
    home = tmp_path / "home"
    assert command("init", "--home", home, "--agency", "waterveen", "--origin", "log.waterveen.example").code == 0
    (home / "agency.json").write_bytes((CASES / "agency.json").read_bytes())
    assert command("system", "register", "--home", home, CASES / f"{LOAN}.json").code == 0
    return home


def shown(command: Command, home: Path, slug: str) -> dict[str, Any]:
    return json.loads(command("system", "show", slug, "--home", home).out)["system"]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_sheet_of_all_systems_comes_in_unchanged_and_changes_what_somebody_changed(
    form: str, home: Path, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / f"all.{form}"
    assert command("system", "export", "--all", "--to", form, "-o", file, "--home", home).code == 0
    told = command("system", "import", file, "--from", form, "--json", "--home", home)
    assert told.code == 0
    assert [one["action"] for one in json.loads(told.out)["systems"]] == ["unchanged"]
    if form == "csv":
        rows = list(csv.reader(io.StringIO(file.read_text("utf-8"))))
        rows[1][rows[0].index("owner.unit")] = "=Kredietbank"
        rows.append(["" for _ in rows[0]])
        rows[2][rows[0].index("slug")] = "empty-one"
        output = io.StringIO()
        csv.writer(output).writerows(rows)
        file.write_text(output.getvalue(), "utf-8")
        refused = command("system", "import", file, "--from", form, "--json", "--home", home)
        assert refused.code == 1
        outcomes = json.loads(refused.out)["systems"]
        assert [(one["line"], one["action"]) for one in outcomes] == [(2, "changed"), (3, "refused")]
        assert {"name", "role", "provider"} <= {one["member"] for one in outcomes[1]["missing"]}
        assert shown(command, home, LOAN)["owner"]["unit"] != "=Kredietbank", "nothing of a refused file is taken"
        output = io.StringIO()
        csv.writer(output).writerows(rows[:2])
        file.write_text(output.getvalue(), "utf-8")
        dry = command("system", "import", file, "--from", form, "--dry-run", "--json", "--home", home)
        assert dry.code == 0
        assert json.loads(dry.out)["registered"] is False
        assert shown(command, home, LOAN)["owner"]["unit"] != "=Kredietbank"
        taken = command("system", "import", file, "--from", form, "--json", "--home", home)
        assert json.loads(taken.out)["systems"][0]["members"] == ["owner"]
        assert shown(command, home, LOAN)["owner"]["unit"] == "=Kredietbank"


def test_a_dutch_record_of_another_comes_in_as_a_draft_once_it_is_filled(
    home: Path, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "record.json"
    file.write_text(json.dumps({
        "name": "Verkeersregeling", "description_short": "Regelt het verkeer.", "lang": "nld", "category": ["Verkeer"],
        "status": "In gebruik", "goal": "<p>Minder wachten.</p><ul><li>fiets</li><li>auto</li></ul>",
        "human_intervention": "Een medewerker kijkt mee.", "contact_email": "info@elders.example",
        "risks": "<p>Een sensor kan stuk gaan.</p>", "iets_anders": "x",
    }), "utf-8")  # fmt: skip
    args = ("system", "import", file, "--from", "dutch", "--slug", "traffic", "--json", "--home", home)
    told = command(*args)
    assert told.code == 1
    (one,) = json.loads(told.out)["systems"]
    assert {item["member"] for item in one["missing"]} >= {"role", "provider", "classification", "owner.unit"}
    assert [(item["what"], item["how"]) for item in one["lost"]] == [("status", "state"), ("risks", "words")]
    assert one["unknown"] == ["iets_anders"]
    fill = tmp_path / "fill.json"
    fill.write_text(json.dumps({
        "affected_persons": {"nl": "Weggebruikers."}, "role": "deployer",
        "provider": {"name": "Elders", "contact": "info@elders.example"}, "owner": {"unit": "Verkeer"},
        "classification": {"annex_iii": ["III.2"], "annex_i": [], "exit_6_3": None, "reason": {"nl": "Verkeer."}},
        "legal_basis": [{"law": "Wegenverkeerswet 1994", "article": "2", "link": None, "for": "task"}],
        "cost_to_user": {"nl": "Niets."},
    }), "utf-8")  # fmt: skip
    assert command(*args, "--fill", fill).code == 0
    record = shown(command, home, "traffic")
    assert record["purpose"]["nl"] == "Minder wachten.\n- fiets\n- auto"
    assert record["owner"] == {"unit": "Verkeer", "contact": "info@elders.example"}
    assert (record["capture"], record["themes"]) == ("none", ["traffic"])


def test_a_format_for_other_systems_refuses_and_says_which(home: Path, command: Command, tmp_path: Path) -> None:
    told = command("system", "export", LOAN, "--to", "annex-viii-b", "-o", tmp_path / "b.json", "--home", home)
    assert told.code == 3
    assert "write section A (AI Act 49(1))" in told.line
    assert not (tmp_path / "b.json").exists()
    told = command(
        "system", "export", LOAN, "--to", "annex-viii-a", "-o", tmp_path / "a.json", "--json", "--home", home
    )
    assert told.code == 0
    fields = json.loads((tmp_path / "a.json").read_bytes())["fields"]
    assert fields["A1"]["value"]["name"] == "Kredietbank Waterveen"
    assert command("system", "export", LOAN, "--to", "word", "--home", home).code == 2


def test_what_is_withheld_goes_out_only_when_asked(home: Path, command: Command, tmp_path: Path) -> None:
    fill = shown(command, home, LOAN) | {
        "limits": {"nl": "GEHEIM-42"},
        "publication": {"state": "partly", "withheld": [
            {"member": "limits", "reason": "security", "explanation": {"nl": "Omdat."}, "until": None}]},
    }  # fmt: skip
    file = json.loads((CASES / f"{LOAN}.json").read_bytes()) | {"system": fill}
    (tmp_path / "file.json").write_text(json.dumps(file), "utf-8")
    assert command("system", "register", "--home", home, tmp_path / "file.json").code == 0
    out = tmp_path / "out.csv"
    command("system", "export", LOAN, "--to", "csv", "-o", out, "--home", home)
    assert "GEHEIM-42" not in out.read_text("utf-8")
    command("system", "export", LOAN, "--to", "csv", "--whole", "-o", out, "--home", home)
    assert "GEHEIM-42" in out.read_text("utf-8")


def test_what_was_cut_on_its_way_out_cuts_nothing_when_it_comes_back(
    home: Path, command: Command, tmp_path: Path
) -> None:
    long = "Waarom dit zo is. " * 100
    record = shown(command, home, LOAN) | {"proportionality": {"nl": long.strip()}, "summary": {"nl": "Kort."}}
    file = json.loads((CASES / f"{LOAN}.json").read_bytes()) | {"system": record}
    file["system"]["name"]["nl"] = ("Naam " * 30).strip()
    (tmp_path / "file.json").write_text(json.dumps(file), "utf-8")
    assert command("system", "register", "--home", home, tmp_path / "file.json").code == 0
    before = shown(command, home, LOAN)
    out = tmp_path / "nl.json"
    assert command("system", "export", LOAN, "--to", "dutch", "-o", out, "--home", home).code == 0
    assert json.loads(out.read_bytes())["name"].endswith("…")
    assert command("system", "import", out, "--from", "dutch", "--home", home).code == 0
    after = shown(command, home, LOAN)
    assert after == before, "nor loses a line of contact its telephone"


def test_a_register_file_brings_a_system_into_another_home(home: Path, command: Command, tmp_path: Path) -> None:
    out, other = tmp_path / "file.json", tmp_path / "other"
    assert command("system", "export", LOAN, "--to", "register", "-o", out, "--home", home).code == 0
    assert command("init", "--home", other, "--agency", "waterveen", "--origin", "log2.waterveen.example").code == 0
    assert command("system", "register", "--home", other, out).code == 0
    assert shown(command, other, LOAN) == shown(command, home, LOAN)
    assert command("system", "import", out, "--from", "register", "--home", other).code == 2


def test_a_format_in_one_language_is_written_in_the_one_that_is_asked(
    home: Path, command: Command, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    command("system", "export", LOAN, "--to", "eurocities", "--lang", "nl", "-o", out, "--home", home)
    found = json.loads(out.read_bytes())
    assert (found["lang"], found["name"]) == ("nl", shown(command, home, LOAN)["name"]["nl"])
