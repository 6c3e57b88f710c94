"""A decision through the gateway: the same gate, number, record and notice; a provider's word stands as its word."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from cli.demo.run import CASES
from home.errors import Refused, SettingsError, Unfinished
from registry.errors import FormatError
from runtime.gateway.gateway import build
from service.deciding import decide
from service.erasing import erase, erasure_proof
from service.keeping import fsck
from service.logs import gaps
from service.proving import receipts
from service.records.reading import CLI
from service.replaying import replay
from service.systems import lifecycle, register
from web.errors import PROBLEMS

pytestmark = pytest.mark.enable_socket

TAX = "tax-question-reply"
INPUT = {"message": "May I pay next month instead of now?", "bill_year": 2026}
KEY = "sk-of-the-provider-0123456789"
VARIABLE = "GREFFIER_REMOTE_KEY_VOORBEELD_AI_INVENTED"


def two_answers(stand: Any, topic: str = "payment", reply: str = "You can pay in ten parts.", **members: Any) -> Any:
    return stand.says(json.dumps({"result": topic}), reply, **members)


def test_a_decision_is_asked_step_by_step_and_recorded_whole(remote_stand: Any, opened: Any) -> None:
    with remote_stand.serving(*two_answers(remote_stand)) as endpoint, opened(endpoint.url) as home:
        answer = decide.decide(home.g, TAX, INPUT, subjects=("TEST-1",))
        assert (answer.outcome, answer.held, answer.ai_generated) == ("pay", False, True)
        assert answer.output == {"result": "payment", "reply": "You can pay in ten parts."}
        assert answer.id in answer.notice
        (entry,) = home.entries("decision/1")
        (boot,) = home.entries("boot/1")
        assert (entry.members["capture"], entry.members["source"], entry.members["n"]) == ("gateway", None, 1)
        assert entry.members["boot"] == boot.members["boot"]
        assert boot.members["runtime"].startswith("gateway httpx ")
        assert (boot.members["build"], boot.members["determinism"]) == (build(), "not_measured")
        values = home.values(answer.id)
        assert values["usage"] == answer.usage
        check_usage(values["usage"])
        check_facts(values["run"])
        first, second = (request.json for request in endpoint.received)
    assert "May I pay next month" in first["messages"][0]["content"]
    assert first["response_format"]["json_schema"]["schema"]["properties"]["result"]["enum"][0] == "payment"
    assert "The topic is payment" in second["messages"][0]["content"]
    assert "response_format" not in second
    assert "TEST-1" not in json.dumps([first, second])
    assert answer.id not in json.dumps([first, second])


def check_usage(usage: dict[str, Any]) -> None:
    """Two calls of 40 and 5 tokens: 80 × 0.15 + 10 × 0.60 millionths and two prices per request."""
    assert (usage["prompt_tokens"], usage["output_tokens"]) == (80, 10)
    assert usage["cost_millionths"] == 2 * 200 + 12 + 6
    assert (usage["currency"], usage["tariff_valid_from"]) == ("EUR", "2026-01-01")
    assert (usage["energy_uj"], usage["energy_method"], usage["queue_us"]) == (None, "not_measured", 0)
    assert 0 < usage["first_us"] <= usage["total_us"]


def check_facts(run: dict[str, Any]) -> None:
    assert run["remote"] == {
        "provider": "Voorbeeld AI (invented)", "model": "voorbeeld-small-2", "region": "EU, Frankfurt",
        "tier": "standard",
    }  # fmt: skip
    assert [call["step"] for call in run["calls"]] == ["result", "reply"]
    for call in run["calls"]:
        assert (call["id"], call["model"], call["fingerprint"]) == ("chatcmpl-1", "m-1-2026", "fp_7")
        assert (call["tier"], call["cached_tokens"], call["price_millionths"]) == ("not_disclosed",) * 3
        assert (call["prompt_tokens"], call["output_tokens"], call["doubtful"]) == (40, 5, [])
        assert call["sent_bytes"] > 100
        assert call["total_us"] > 0
    assert (run["build"], run["weights"], run["seed"]) == ("not_disclosed", "not_disclosed", None)


def test_it_is_in_log_receipt_and_replay_as_any_other(remote_stand: Any, opened: Any) -> None:
    with remote_stand.serving(*two_answers(remote_stand)) as endpoint, opened(endpoint.url) as home:
        answer = decide.decide(home.g, TAX, INPUT)
        receipt = receipts.receipt(home.g, answer.id, openings=CLI)
        assert b'"capture":"gateway"' in receipt.entry
        verdict = replay.replay(home.g, CLI, answer.id)
        assert (verdict.verdict, verdict.reason) == ("not_replayable", "provider")
        assert not [finding for finding in fsck.check_all(home.g) if finding.level == "error"]
        (found,) = gaps.read_gaps(home.g).boots
        assert (found.decisions, found.missing, found.announced) == (1, (), True)


def test_a_refusal_is_an_outcome_that_waits_for_a_person(remote_stand: Any, opened: Any) -> None:
    answers = [*two_answers(remote_stand)[:1], *remote_stand.says(None, message={"refusal": "I cannot help."})]
    with remote_stand.serving(*answers) as endpoint, opened(endpoint.url) as home:
        answer = decide.decide(home.g, TAX, INPUT)
        assert (answer.outcome, answer.output, answer.held) == (None, None, True)
        values = home.values(answer.id)
        assert values["outcome"] == "refusal"
        assert values["output"] == {"result": "payment", "reply": "I cannot help."}


@pytest.mark.parametrize(
    ("text", "finish", "outcome"),
    [
        ('{"result": "paym', "length", "length"),
        ('{"result": "payment"}', "content_filter", "refusal"),
        ('{"result": "payment"}', "tool_calls", "invalid"),
        ('{"result": "payment"}', None, "invalid"),
        ('{"result": "weather"}', "stop", "invalid"),
        ('{"result": "payment", "more": 1}', "stop", "invalid"),
        ('{"other": "payment"}', "stop", "invalid"),
        ("payment", "stop", "invalid"),
        ('["payment"]', "stop", "invalid"),
        ('{"result": NaN}', "stop", "invalid"),
        ('{"result": 1e400}', "stop", "invalid"),
        ("", "stop", "invalid"),
        ("[" * 50_000, "stop", "invalid"),
    ],
)
def test_an_answer_that_does_not_fit_is_recorded_and_waits(
    remote_stand: Any, opened: Any, text: str, finish: str | None, outcome: str
) -> None:
    answers = remote_stand.says(text, finish_reason=finish)
    with remote_stand.serving(*answers) as endpoint, opened(endpoint.url) as home:
        answer = decide.decide(home.g, TAX, INPUT)
        assert answer.held
        values = home.values(answer.id)
        assert values["outcome"] == outcome
        assert values["output"] == {"result": text.strip()}
        assert len(values["run"]["calls"]) == 1  # nothing more was asked


def test_a_text_form_takes_the_very_words_of_an_outcome(remote_stand: Any, opened: Any) -> None:
    def as_text(document: dict[str, Any]) -> None:
        document["version"]["remote"]["form"] = "text"

    answers = remote_stand.says(" contact\n", "Call 0000-000 000.")
    with remote_stand.serving(*answers) as endpoint, opened(endpoint.url, as_text) as home:
        assert decide.decide(home.g, TAX, INPUT).outcome == "contact"


def test_what_the_provider_does_not_disclose_is_said_and_costs_are_not_guessed(remote_stand: Any, opened: Any) -> None:
    answers = two_answers(remote_stand, usage=..., id=..., model=..., system_fingerprint=...)
    with remote_stand.serving(*answers) as endpoint, opened(endpoint.url) as home:
        answer = decide.decide(home.g, TAX, INPUT)
        assert answer.usage is not None
        assert [answer.usage[name] for name in ("prompt_tokens", "output_tokens", "cost_millionths")] == [None] * 3
        for call in home.values(answer.id)["run"]["calls"]:
            told = ("id", "model", "fingerprint", "prompt_tokens", "output_tokens")
            assert {call[name] for name in told} == {"not_disclosed"}


def test_a_usage_that_cannot_be_right_is_recorded_with_its_doubt(remote_stand: Any, opened: Any) -> None:
    usage = {"prompt_tokens": 40, "completion_tokens": 9_000_000, "total_tokens": 9_000_040}
    with remote_stand.serving(*two_answers(remote_stand, usage=usage)) as endpoint, opened(endpoint.url) as home:
        answer = decide.decide(home.g, TAX, INPUT)
        assert answer.usage is not None
        assert answer.usage["output_tokens"] == 18_000_000
        assert [call["doubtful"] for call in home.values(answer.id)["run"]["calls"]] == [["output_tokens"]] * 2


def status(stand: Any, code: str) -> Any:
    return stand.sends(stand.json_body({"error": {"message": "no"}}, status=code))


@pytest.mark.parametrize("failing", ["503 Busy", "429 Later", "html", "cut", "not UTF-8"])
def test_a_provider_that_fails_leaves_an_unfinished_run_with_what_may_be_billed(
    remote_stand: Any, opened: Any, failing: str
) -> None:
    whole = remote_stand.json_body(remote_stand.completion("Sure." * 50))
    whole_answer = whole.partition(b"\r\n\r\n")[2]
    bad = {
        "html": remote_stand.sends(remote_stand.response(b"<p>", kind="text/html")),
        "not UTF-8": remote_stand.sends(remote_stand.response(whole_answer.replace(b"Sure", b"S\xffre"))),
        "cut": lambda connection, _request: connection.sendall(whole[:200]),
    }.get(failing) or status(remote_stand, failing)
    with remote_stand.serving(two_answers(remote_stand)[0], bad) as endpoint, opened(endpoint.url) as home:
        with pytest.raises(Unfinished) as caught:
            decide.decide(home.g, TAX, INPUT)
        assert caught.value.reason == "provider_failed"
        (entry,) = home.entries("unfinished/1")
        assert (entry.members["reason"], entry.members["n"]) == ("provider_failed", 1)
        reached = home.committed(entry)["reached"]
        assert reached["output_tokens"] is None
        assert [call["prompt_tokens"] for call in reached["calls"]] == [40, "not_disclosed"]
        assert not home.entries("decision/1")
        assert gaps.read_gaps(home.g).boots[0].missing == ()
    assert endpoint.connections == 2


def test_one_that_is_down_leaves_an_unfinished_run(remote_stand: Any, opened: Any) -> None:
    with remote_stand.serving(*two_answers(remote_stand)) as endpoint:
        url = endpoint.url
    with opened(url) as home:
        with pytest.raises(Unfinished, match="cannot be reached") as caught:
            decide.decide(home.g, TAX, INPUT)
        assert caught.value.reason == "provider_failed"
        assert url not in str(caught.value)
        (entry,) = home.entries("unfinished/1")
        assert (entry.members["reason"], entry.members["n"]) == ("provider_failed", 1)
        assert not home.entries("decision/1")


def test_one_that_is_slow_ends_at_the_deadline(remote_stand: Any, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREFFIER_DEADLINE_S", "1")
    with remote_stand.serving(lambda _connection, _request: time.sleep(3)) as endpoint, opened(endpoint.url) as home:
        with pytest.raises(Unfinished) as caught:
            decide.decide(home.g, TAX, INPUT)
        assert caught.value.reason == "deadline"
        assert [entry.members["reason"] for entry in home.entries("unfinished/1")] == ["deadline"]


def test_whatever_fails_after_the_number_was_taken_has_its_entry(
    remote_stand: Any, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No fault of ours that anybody foresaw: a machine without a thread to spare, for one."""

    def none_left(_timer: threading.Timer) -> None:
        raise RuntimeError("can't start new thread")

    with remote_stand.serving(*two_answers(remote_stand)) as endpoint, opened(endpoint.url) as home:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Timer, "start", none_left)
            with pytest.raises(RuntimeError):
                decide.decide(home.g, TAX, INPUT)
        decide.decide(home.g, TAX, INPUT)  # it is written by now
        (entry,) = home.entries("unfinished/1")
        assert (entry.members["n"], entry.members["reason"]) == (1, "not_recorded")
        assert gaps.read_gaps(home.g).boots[0].missing == ()


def test_a_server_that_ends_stops_what_is_asked_elsewhere(remote_stand: Any, opened: Any) -> None:
    went_in, go_on = threading.Event(), threading.Event()

    def waits(_connection: Any, _request: Any) -> None:
        went_in.set()
        go_on.wait(60)

    with remote_stand.serving(waits) as endpoint, opened(endpoint.url) as home:
        found: list[str] = []

        def one() -> None:
            try:
                decide.decide(home.g, TAX, INPUT)
            except Unfinished as ended:
                found.append(ended.reason)

        thread = threading.Thread(target=one)
        thread.start()
        assert went_in.wait(60)
        home.g.gateway.cancel_all()
        thread.join(60)
        go_on.set()
        assert found == ["stopped"]
        assert [entry.members["reason"] for entry in home.entries("unfinished/1")] == ["stopped"]


def test_what_is_stopped_meanwhile_does_not_leave(remote_stand: Any, opened: Any) -> None:
    went_in, go_on = threading.Event(), threading.Event()
    first, second = two_answers(remote_stand)

    def waits(connection: Any, request: Any) -> None:
        went_in.set()
        go_on.wait(60)
        second(connection, request)

    with remote_stand.serving(first, waits) as endpoint, opened(endpoint.url) as home:
        found: list[BaseException] = []

        def one() -> None:
            try:
                decide.decide(home.g, TAX, INPUT)
            except Refused as refused:
                found.append(refused)

        thread = threading.Thread(target=one)
        thread.start()
        assert went_in.wait(60)
        lifecycle.stop(home.g, TAX, reason="incident")
        go_on.set()
        thread.join(60)
        assert [one.reason for one in found if isinstance(one, Refused)] == ["stopped_meanwhile"]
        (entry,) = home.entries("unfinished/1")
        assert entry.members["reason"] == "stopped"
        assert not home.entries("decision/1")
        with pytest.raises(Refused):
            decide.decide(home.g, TAX, INPUT)
    assert endpoint.connections == 2  # the second decision asked nobody


def test_input_that_cannot_be_sent_is_refused_before_anything_leaves(remote_stand: Any, opened: Any) -> None:
    with remote_stand.serving(*two_answers(remote_stand)) as endpoint, opened(endpoint.url) as home:
        for wrong in ({"message": 5}, {"message": "a\0b"}, {"other": 1}, {"message": "x" * 601}):
            with pytest.raises(Refused):
                decide.decide(home.g, TAX, wrong)
        assert not home.entries("boot/1")
        assert len(home.entries("refused/1")) == 4
    assert endpoint.connections == 0


def test_each_start_is_a_boot_that_ends_in_order(remote_stand: Any, opened: Any) -> None:
    with remote_stand.serving(*two_answers(remote_stand)) as endpoint, opened(endpoint.url) as home:
        decide.decide(home.g, TAX, INPUT)
        folder = home.g.home / "run"
        assert len(list(folder.glob("*.n"))) == 1
    assert not list(folder.glob("*.n"))


def test_numbers_of_a_gateway_that_was_killed_are_stated(remote_stand: Any, opened: Any) -> None:
    """The counter outlives its process; the next boot says how far it had come."""
    with remote_stand.serving(*two_answers(remote_stand)) as endpoint, opened(endpoint.url) as home:
        lost = "0b0c9be2-73a6-4c1a-8c8f-7d5a7dc0a0f3"
        (home.g.home / "run").mkdir(exist_ok=True)
        (home.g.home / "run" / f"{lost}.n").write_bytes((3).to_bytes(8, "little"))
        decide.decide(home.g, TAX, INPUT)
        (boot,) = home.entries("boot/1")
        assert boot.members["unclosed"] == [{"boot": lost, "n": 3}]


def streamed(document: dict[str, Any]) -> None:
    document["version"]["remote"]["stream"] = True


def test_an_answer_that_is_read_as_it_grows_is_recorded_like_any_other(remote_stand: Any, opened: Any) -> None:
    s = remote_stand
    usage = {"prompt_tokens": 50, "completion_tokens": 6, "total_tokens": 56}

    def late(connection: Any, request: Any) -> None:
        connection.sendall(s.events(s.chunk("Pay in "), end=False))
        time.sleep(0.2)
        body = s.events(s.chunk("parts."), s.chunk(None, finish="stop"), s.chunk(None, choices=[], usage=usage))
        connection.sendall(body.partition(b"\r\n\r\n")[2])

    first = s.sends(s.events(s.chunk('{"result": '), s.chunk('"payment"}', finish="stop")))
    with s.serving(first, late) as endpoint, opened(endpoint.url, streamed) as home:
        answer = decide.decide(home.g, TAX, INPUT)
        assert answer.output == {"result": "payment", "reply": "Pay in parts."}
        one, two = home.values(answer.id)["run"]["calls"]
        assert (one["output_tokens"], two["output_tokens"]) == ("not_disclosed", 6)
        assert two["total_us"] - two["first_us"] > 150_000
        assert answer.usage is not None
        assert answer.usage["output_tokens"] is None  # a part would pass for the whole


@pytest.mark.parametrize("broken", [b"data: {\n\n", b"data: [DONE\n\n", b"", b"\xff\n\n"])
def test_a_broken_stream_leaves_an_unfinished_run(remote_stand: Any, opened: Any, broken: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    begun = f"data: {remote_stand.chunk('Pay')}\n\n".encode()
    answer = remote_stand.sends(head + begun + broken)
    with remote_stand.serving(answer) as endpoint, opened(endpoint.url, streamed) as home:
        with pytest.raises(Unfinished):
            decide.decide(home.g, TAX, INPUT)
        assert [entry.members["reason"] for entry in home.entries("unfinished/1")] == ["provider_failed"]


def test_an_erasure_names_the_provider_as_out_of_its_reach(remote_stand: Any, opened: Any) -> None:
    with remote_stand.serving(*two_answers(remote_stand)) as endpoint, opened(endpoint.url) as home:
        answer = decide.decide(home.g, TAX, INPUT, subjects=("TEST-1",))
        erase.erase(home.g, answer.id, ground="consent_withdrawn")
        verified = erasure_proof.verify(home.g, answer.id)
        assert verified.gone
        assert "Voorbeeld AI (invented), which was asked through the gateway" in verified.beyond
        assert replay.replay(home.g, CLI, answer.id).reason == "erased"


# --- the provider's key -----------------------------------------------------------------------------------------------


def test_the_key_comes_from_the_environment_or_a_file_and_is_nowhere_else(
    remote_stand: Any, opened: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = two_answers(remote_stand)
    with remote_stand.serving(*answers, *answers) as endpoint, opened(endpoint.url) as home:
        file = home.g.home / "keys" / "remote" / "voorbeeld-ai-invented"
        file.parent.mkdir()
        file.write_text(f"{KEY}-of-the-file\n")
        file.chmod(0o600)
        decide.decide(home.g, TAX, INPUT)
        monkeypatch.setenv(VARIABLE, KEY)
        answer = decide.decide(home.g, TAX, INPUT)
        headers = [request.header("authorization") for request in endpoint.received]
        assert headers == [f"Bearer {KEY}-of-the-file"] * 2 + [f"Bearer {KEY}"] * 2
        assert KEY not in json.dumps(home.values(answer.id))
        assert KEY not in caplog.text
        file.unlink()
        for path in home.g.home.rglob("*"):
            assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("broken", ["open", "empty", "lines", "binary", "folder"])
def test_a_key_that_cannot_be_used_is_named_and_nothing_is_asked(remote_stand: Any, opened: Any, broken: str) -> None:
    with remote_stand.serving(*two_answers(remote_stand)) as endpoint, opened(endpoint.url) as home:
        file = home.g.home / "keys" / "remote" / "voorbeeld-ai-invented"
        file.parent.mkdir()
        if broken == "folder":
            file.mkdir()
        else:
            data = {"open": KEY.encode(), "empty": b"", "lines": b"two words", "binary": b"\xff\xfe"}[broken]
            file.write_bytes(data)
            file.chmod(0o644 if broken == "open" else 0o600)
        with pytest.raises(SettingsError) as caught:
            decide.decide(home.g, TAX, INPUT)
        assert "keys/remote/voorbeeld-ai-invented" in str(caught.value)
        assert KEY not in str(caught.value)
        assert SettingsError in PROBLEMS
    assert endpoint.connections == 0


# --- registration -----------------------------------------------------------------------------------------------------


def annex_iii(document: dict[str, Any]) -> None:
    document["system"]["classification"]["annex_iii"] = ["III.5.a"]


def held(document: dict[str, Any]) -> None:
    annex_iii(document)
    document["version"]["release"] = "after_review"
    for outcome in document["version"]["outcomes"]:
        outcome["release"] = None


@pytest.mark.parametrize(
    ("url", "change", "where"),
    [
        ("https://x.example/v1", annex_iii, "version.outcomes[0].release"),
        ("https://x.example/v1", lambda d: (held(d), d["version"].update(release="immediate")), "version.release"),
        ("http://x.example/v1", lambda d: None, "version.remote.endpoint"),
        ("https://key@x.example/v1", lambda d: None, "version.remote.endpoint"),
        ("https://x.example/v1?key=a", lambda d: None, "version.remote.endpoint"),
        ("https://x.example/v1/chat/completions", lambda d: None, "version.remote.endpoint"),
        ("https://x.example:99999999/v1", lambda d: None, "version.remote.endpoint"),
        ("https://x.example/v1", lambda d: d["version"]["outcomes"][1].update(bias_millinats=5),
         "version.outcomes[1].bias_millinats"),
        ("https://x.example/v1", lambda d: d["version"]["remote"].update(form="xml"), "version.remote.form"),
        ("https://x.example/v1", lambda d: (held(d), d["system"]["classification"].update(annex_iii=[]),
         d["version"].update(release="immediate", streaming=True)), "version.streaming"),
    ],
)  # fmt: skip
def test_a_remote_version_that_may_not_run_is_refused_at_registration(
    opened: Any, url: str, change: Any, where: str
) -> None:
    with pytest.raises(FormatError) as caught, opened(url, change):
        pass
    assert caught.value.field == where


def test_a_system_of_annex_iii_holds_every_result_for_a_person(remote_stand: Any, opened: Any) -> None:
    with remote_stand.serving(*two_answers(remote_stand)) as endpoint, opened(endpoint.url, held) as home:
        answer = decide.decide(home.g, TAX, INPUT)
        assert (answer.outcome, answer.output, answer.usage, answer.held) == (None, None, None, True)


def test_a_record_that_changes_to_annex_iii_stops_the_version_before(remote_stand: Any, opened: Any) -> None:
    """The new version holds everything; the one that still runs does not, and may not go on."""
    with remote_stand.serving(*two_answers(remote_stand)) as endpoint, opened(endpoint.url) as home:
        document = stand_file(endpoint.url)
        held(document)
        register.register(home.g, json.dumps(document).encode())
        with pytest.raises(Refused, match="Annex III"):
            decide.decide(home.g, TAX, INPUT)
        assert endpoint.connections == 0
        lifecycle.change_state(home.g, TAX, "active", reason="new_version", version=2)
        assert decide.decide(home.g, TAX, INPUT).held


def stand_file(url: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((CASES / f"{TAX}-remote.json").read_text(encoding="utf-8"))
    document["version"]["remote"]["endpoint"] = url
    return document
