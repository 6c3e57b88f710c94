"""Duties as they are asked for: evidence from record and log, answers that are kept, rules that change."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from accounts import api_keys
from cli import run
from cli.classify import ask
from cli.demo.run import CASES
from home.errors import SettingsError
from lab.bench import records_scene
from registry.answers import parse_answers
from registry.errors import FormatError, Retired, UnknownSystem
from registry.evidence import ELSEWHERE, IN_LOG, RECORD
from registry.modification import parse_modification
from registry.register_file import parse_register_file
from registry.rules import read_files, shipped, with_file
from registry.system import format_system
from registry.wizard import propose
from service.external import import_records
from service.systems import classify, duties, duty_evidence, lifecycle, register
from web import create_app


def evidence(stand: Any) -> dict[str, bool | None]:
    found = duties.of_system(stand.g, stand.slug, evidence=True)
    return {item.code: item.found for duty in found.duties if duty.applies != "no" for item in duty.evidence}


def test_every_evidence_has_one_who_looks_for_it() -> None:
    screened = {"screening", "screening_new"}
    looked = [RECORD.keys(), IN_LOG, ELSEWHERE, screened]
    assert shipped().evidence.keys() == set().union(*looked)
    assert sum(map(len, looked)) == len(set().union(*looked))
    assert duty_evidence._IN_LOG.keys() == IN_LOG


def test_evidence_is_found_in_record_and_log(stand: Any) -> None:
    stand.write()
    before = evidence(stand)
    lacking = ("retention", "decisions_logged", "oversight", "training", "fria", "dpia", "eu_entry", "reviews")
    assert {before[code] for code in lacking} == {False}
    assert before["manifest"] is True
    assert before["quality_system"] is None
    watch = {"measure": {"en": "A clerk looks."}, "by": {"en": "Permits"}, "trained": "2026-11-01"}
    paper = {"kind": "dpia", "title": "DPIA", "made": "2026-10-01", "link": None, "summary": None}
    stand.write(
        oversight=[watch],
        assessments=[paper],
        retention={"log_months": 6, "content_months": 6, "max_months": 12, "schedule": None},
    )
    stand.approve()
    stand.start()
    import_records.record(stand.g, [records_scene.line(1)])
    after = evidence(stand)
    assert [after[code] for code in ("retention", "decisions_logged", "oversight", "training", "dpia")] == [True] * 5
    assert after["reviews"] is False


def test_without_evidence_nothing_is_looked_for(stand: Any) -> None:
    stand.write()
    found = duties.of_system(stand.g, stand.slug)
    assert {item.found for duty in found.duties for item in duty.evidence} == {None}
    with pytest.raises(UnknownSystem):
        duties.of_system(stand.g, "nobody")


def test_answers_are_kept_with_who_when_and_by_which_rules(stand: Any) -> None:
    stand.write()
    for account in ("u000000000001", "u000000000002"):
        classify.classify(stand.g, stand.slug, stand.answers(), role="officer", account=account)
    newest, first = classify.rounds(stand.g, stand.slug)
    assert (newest.number, newest.account, newest.role, newest.minute) == (
        2,
        "u000000000002",
        "officer",
        "2026-11-26T09:00Z",
    )
    assert (first.account, first.rules, first.digest) == ("u000000000001", shipped().version, shipped().digest)
    assert evidence(stand)["screening"] is True
    classify.classify(stand.g, stand.slug, stand.screened("a", "unsure"), role="officer")
    assert evidence(stand)["screening"] is False


def test_refused_answers_are_not_kept(stand: Any) -> None:
    stand.write()
    exit_ = {"condition": "a", "no_significant_risk": True, "reason": {"en": "Small."}}
    use = {**json.loads(stand.answers())["use"], "profiling": True}
    with pytest.raises(FormatError, match="always high-risk"):
        classify.classify(stand.g, stand.slug, stand.answers(exit_6_3=exit_, use=use), role="officer")
    assert classify.rounds(stand.g, stand.slug) == []
    lifecycle.change_state(stand.g, stand.slug, "retired")
    with pytest.raises(Retired):
        classify.classify(stand.g, stand.slug, stand.answers(), role="officer")


def test_a_proposal_becomes_the_record_where_that_is_asked(stand: Any) -> None:
    stand.write(unknown_use=True)
    found = classify.classify(stand.g, stand.slug, stand.answers(), role="officer")
    assert found.differs == ("use",)
    assert register.show(stand.g, stand.slug).system.use is None, "proposed, and nothing changed"
    assert [entry["kind"] for entry in register.history(stand.g, stand.slug)][-2:] == ["state/1", "answers/1"]
    assert duties.of_system(stand.g, stand.slug).answered == "2026-11-26"
    classify.classify(stand.g, stand.slug, stand.answers(), role="officer", apply=True)
    shown = register.show(stand.g, stand.slug)
    assert shown.system.use == found.use
    assert [entry["kind"] for entry in register.history(stand.g, stand.slug)][-1] == "system/1"
    assert classify.classify(stand.g, stand.slug, stand.answers(), role="officer", apply=True).differs == ()


def test_a_substantial_change_after_the_date_ends_the_later_one(stand: Any) -> None:
    stand.write(first_use="2026-11-26", role="deployer")
    stand.approve()
    stand.start()

    def applies() -> str:
        return next(duty.applies for duty in duties.of_system(stand.g, stand.slug).duties if duty.id == "26.2")

    stand.on("2027-12-02")
    assert applies() == "not_yet"
    file = json.loads(records_scene.system_file({"undeclared": "count"}))
    file["system"] = format_system(register.show(stand.g, stand.slug).system)
    answer = parse_modification("yes", {"en": "It sends results at once."})
    register.register(stand.g, json.dumps(file).encode(), account="maker", substantial=answer)
    assert applies() == "yes"


# --- rules that change ------------------------------------------------------------------------------------------------


def settled() -> bytes:
    """Dates by which Article 49 is no longer contested."""
    value = json.loads(read_files()["dates"])
    for item in value["dates"]:
        if item["id"] == "113.49":
            item.update(day="2027-12-02", contested=False)
    return json.dumps(value).encode()


def test_a_change_of_the_rules_lists_the_affected(stand: Any) -> None:
    stand.write()
    (found,) = duties.reevaluate(stand.g, with_file(settled()))
    assert (found.system, [change.id for change in found.changes]) == (stand.slug, ["49.1", "49.3"])
    lifecycle.change_state(stand.g, stand.slug, "retired")
    assert duties.reevaluate(stand.g, with_file(settled())) == ()


def test_an_installation_goes_by_its_own_file_of_rules(stand: Any) -> None:
    stand.write()
    object.__setattr__(stand.g, "settings", stand.g.settings.model_copy(update={"rules_file": Path("dates.json")}))
    with pytest.raises(SettingsError, match="rules_file: cannot be read"):
        duties.of_system(stand.g, stand.slug)
    (stand.home / "dates.json").write_bytes(b"{}")
    with pytest.raises(SettingsError, match="rules_file"):
        duties.of_system(stand.g, stand.slug)
    (stand.home / "dates.json").write_bytes(settled())
    found = next(duty for duty in duties.of_system(stand.g, stand.slug).duties if duty.id == "49.1")
    assert (found.applies, found.begins and found.begins.day) == ("not_yet", date(2027, 12, 2))


def test_answers_by_other_rules_are_said_to_be(stand: Any) -> None:
    stand.write()
    assert not duties.of_system(stand.g, stand.slug).stale, "nobody answered"
    classify.classify(stand.g, stand.slug, stand.answers(), role="officer")
    assert not duties.of_system(stand.g, stand.slug).stale
    (stand.home / "dates.json").write_bytes(settled())
    object.__setattr__(stand.g, "settings", stand.g.settings.model_copy(update={"rules_file": Path("dates.json")}))
    assert duties.of_system(stand.g, stand.slug).stale


# --- commands and address ---------------------------------------------------------------------------------------------


def test_the_commands(stand: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stand.write()
    home = ("--home", str(stand.home))
    rules, answers = tmp_path / "dates.json", tmp_path / "answers.json"
    rules.write_bytes(settled())
    answers.write_bytes(stand.screened("c", "yes"))
    assert run(["duties", stand.slug, *home]) == 0
    said = capsys.readouterr()
    assert "Use it as the instructions say" in said.out
    assert "2026-08-02, contested" in said.out
    assert "warn: AI Act 49(1)" in said.err
    assert run(["duties", *home, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["refuse"] == 0
    assert run(["duties", "--rules", str(rules), "--json", *home]) == 1
    assert json.loads(capsys.readouterr().out)[0]["changes"][0]["what"] == ["applies", "day", "contested"]
    assert run(["duties", stand.slug, "--rules", str(rules), *home]) == 2
    capsys.readouterr()
    assert run(["classify", stand.slug, "--answers", str(answers), *home]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["prohibited"][0]["letter"] == "c"
    assert "5(1)(c) is prohibited" in said.err
    assert run(["classify", stand.slug, "--questions", *home]) == 0
    assert json.loads(capsys.readouterr().out)[0]["path"] == "use.public_authority"
    assert run(["duties", stand.slug, "--json", *home]) == 0
    assert json.loads(capsys.readouterr().out)["gates"][0]["effect"] == "refuse"


class Terminal:
    """Somebody at the keyboard."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return f"{self.lines.pop(0)}\n" if self.lines else ""


def test_questions_are_asked_one_by_one(stand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.write()
    asked = classify.questions(stand.g)
    flags = ["what?", "y", *["n"] * 8, "text", *["n"] * 5]
    letters = [line for letter in shipped().letters for line in ("no", f"Not {letter.letter}.")]
    terminal = Terminal(*flags, "y", "y", "n", *letters, "III.5.a, III.4.b", "", "a", "A small task.", "Because.")
    monkeypatch.setattr("sys.stdin", terminal)
    given = json.loads(ask(asked, shipped().version, "en"))
    assert terminal.lines == []
    assert (given["use"]["public_authority"], given["use"]["generates"]) == (True, ["text"])
    assert given["annex_iii"] == ["III.5.a", "III.4.b"]
    assert given["exit_6_3"]["reason"] == {"en": "A small task."}
    assert classify.classify(stand.g, stand.slug, json.dumps(given).encode(), role="officer").differs


@pytest.mark.enable_socket
def test_the_public_sees_duties_and_dates_and_staff_the_evidence(stand: Any) -> None:
    stand.write()
    client = TestClient(create_app(stand.g))
    path = f"/register/{stand.slug}/duties.json"
    assert client.get(path).status_code == 404, "a draft is not there"
    stand.approve()
    answer = client.get(path)
    assert answer.status_code == 200
    public = {one["id"]: one for one in answer.json()["duties"]}
    assert public["49.3"]["from"]["contested"] is True
    assert "found" not in public["26.6"]["evidence"][0]
    key = api_keys.create_key(stand.g.engine, role="auditor", now=stand.now).secret
    other = api_keys.create_key(stand.g.engine, role="auditor", systems=("other",), now=stand.now).secret
    client_key = api_keys.create_key(stand.g.engine, role="client", now=stand.now).secret
    seen = {
        secret: "found"
        in client.get(path, headers={"authorization": f"Bearer {secret}"}).json()["duties"][0]["evidence"][0]
        for secret in (key, other, client_key)
    }
    assert list(seen.values()) == [True, False, False]


@pytest.mark.parametrize("slug", ["social-loan-check", "health-line-aid", "tax-question-reply"])
def test_the_answers_of_the_demo_say_what_its_records_say(slug: str) -> None:
    system = parse_register_file((CASES / f"{slug}.json").read_bytes()).system
    answers = parse_answers((CASES / f"{slug}.answers.json").read_bytes())
    found = propose(system, answers, shipped())
    assert (found.differs, found.prohibited) == ((), ())
    assert all(item.reason.keys() == {"en", "nl"} for item in answers.article_5)


@pytest.mark.enable_socket
def test_facts_that_are_withheld_do_not_show_in_public_duties(stand: Any) -> None:
    named = {"annex_iii": ["III.1.a"], "annex_i": [], "exit_6_3": None, "reason": {"en": "Of this class."}}
    secret = {"member": "use", "reason": "article_49_4", "explanation": {"en": "It is not public."}, "until": None}
    publication = {"state": "partly", "withheld": [secret]}
    stand.write(classification=named, use={"law_enforcement": True}, publication=publication)
    use = {**json.loads(stand.answers())["use"], "law_enforcement": True}
    classify.classify(stand.g, stand.slug, stand.answers(annex_iii=["III.1.a"], use=use), role="officer")
    stand.approve()
    with TestClient(create_app(stand.g)) as client:
        seen = {
            path: client.get(f"/register/{stand.slug}/{path}")
            for path in ("duties.json", "duties?lang=en", "duties?lang=nl")
        }
    assert [answer.status_code for answer in seen.values()] == [200, 200, 200]
    found = {one["id"]: one for one in seen["duties.json"].json()["duties"]}
    assert (found["26.10"]["applies"], found["26.10"]["missing"][0]) == ("unknown", "use.law_enforcement")
    assert not [one for one in found.values() if one["id"].startswith("49.4") and one["applies"] != "unknown"]
    staff = {duty.id: duty.applies for duty in duties.of_system(stand.g, stand.slug).duties}
    assert staff["26.10"] == "not_yet"
