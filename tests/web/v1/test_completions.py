"""The official client, unmodified, against `/v1`: whole answers, conversations, models, and how it is refused."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from auditlog.store import log as log_store
from auditlog.vault.check import check_vault
from service.deciding import chat
from service.erasing import erase
from service.records.reading import CLI, recount
from service.replaying import replay
from service.systems import lifecycle

pytestmark = pytest.mark.enable_socket

ASKED = [{"role": "user", "content": "May I pay next month instead of now?"}]


@pytest.fixture(scope="module")
def portal(portals: Any, talking: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    home, records = portals.copy_of_a_home(tmp_path_factory.mktemp("openai"))
    with portals.served(home) as served:
        served.records = records
        talking.add(served.g)
        yield served


def client_of(portal: Any, *systems: str, role: str = "client") -> openai.OpenAI:
    token = portal.key(role, *systems)["authorization"].removeprefix("Bearer ")
    return openai.OpenAI(base_url=f"{portal.url}/v1", api_key=token, max_retries=0, timeout=60)


@pytest.fixture(scope="module")
def ask(portal: Any) -> openai.OpenAI:
    return client_of(portal)


def record_of(portal: Any, id_: str) -> Any:
    return next(recount(portal.g, [id_]))


def entries(portal: Any, since: int) -> list[dict[str, Any]]:
    with portal.g.reading() as conn:
        size = portal.g.log.state().size
        return [json.loads(data) for _, data in log_store.iterate_entries(conn, 1, since, size)]


def test_a_question_is_answered_from_its_record(ask: openai.OpenAI, portal: Any, portals: Any) -> None:
    raw = ask.chat.completions.with_raw_response.create(
        model=portals.SYSTEM,
        messages=ASKED,
        extra_headers={"x-greffier-subject": "TEST-31", "x-greffier-case": "Z 5", "x-greffier-lang": "en"},
    )
    done = raw.parse()
    record = record_of(portal, done.id)
    assert raw.headers["x-greffier-record"] == done.id == done.greffier["record"]
    assert done.choices[0].message.content == record.values["output"]["reply"]
    assert done.choices[0].finish_reason == "stop"
    assert (done.greffier["held"], done.greffier["ai_generated"], done.model) == (False, True, portals.SYSTEM)
    assert "AI" in done.greffier["notice"]
    assert done.usage.completion_tokens == record.values["usage"]["output_tokens"]
    assert record.values["in_message"] == ASKED[0]["content"]
    assert record.values["in_bill_year"] is None
    assert (record.values["subjects"], record.opened.refs.case) == (["s1:test31"], "s1:z5")


def test_json_is_that_of_the_version(ask: openai.OpenAI, portal: Any, portals: Any) -> None:
    facts = ask.models.retrieve(portals.SYSTEM).greffier
    fields = json.dumps({"message": ASKED[0]["content"], "bill_year": 2026})
    form = {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": facts["output_schema"]}}
    done = ask.chat.completions.create(
        model=portals.SYSTEM, messages=[{"role": "user", "content": fields}], response_format=form
    )
    record = record_of(portal, done.id)
    assert json.loads(done.choices[0].message.content) == record.values["output"]
    assert record.values["in_bill_year"] == 2026
    form["json_schema"]["schema"] = {"type": "object", "properties": {}}
    with pytest.raises(openai.BadRequestError) as caught:
        ask.chat.completions.create(model=portals.SYSTEM, messages=ASKED, response_format=form)
    assert caught.value.param == "response_format.json_schema.schema"


def test_log_probabilities_are_those_of_the_record(ask: openai.OpenAI, portal: Any, portals: Any) -> None:
    done = ask.chat.completions.create(model=portals.SYSTEM, messages=ASKED, logprobs=True, top_logprobs=4)
    tokens = done.choices[0].logprobs.content
    recorded = record_of(portal, done.id).values["run"]["logprobs"][-1]
    assert [round(token.logprob * 1e6) for token in tokens] == recorded[: len(tokens)]
    assert len(tokens) >= len(recorded) - 1, "all but the token that ends the text"
    assert b"".join(bytes(token.bytes) for token in tokens).decode().strip() == done.choices[0].message.content
    assert all(len(token.top_logprobs) == 4 for token in tokens)
    none = ask.chat.completions.create(model=portals.SYSTEM, messages=ASKED)
    assert none.choices[0].logprobs is None


def test_limits_of_the_request_are_facts_of_the_record(ask: openai.OpenAI, portal: Any, talking: Any) -> None:
    short = ask.chat.completions.create(model=talking.CHAT, messages=ASKED, max_completion_tokens=4)
    assert short.choices[0].finish_reason == "length"
    run = record_of(portal, short.id).values["run"]
    assert (run["max_tokens"], len(run["output_tokens"][-1]), run["stop"]) == (4, 4, [])
    whole = ask.chat.completions.create(model=talking.CHAT, messages=ASKED).choices[0].message.content
    word = whole.split()[2]
    ended = ask.chat.completions.create(model=talking.CHAT, messages=ASKED, stop=[word])
    assert ended.choices[0].message.content == whole.split(word)[0].strip()
    assert ended.choices[0].finish_reason == "stop"
    assert record_of(portal, ended.id).values["run"]["stop"] == [word]


def test_a_seed_is_that_of_the_record(ask: openai.OpenAI, portal: Any, talking: Any) -> None:
    def drawn(**more: Any) -> Any:
        return ask.chat.completions.create(model=talking.DRAW, messages=ASKED, temperature=0.9, **more)

    first, again, other, free = drawn(seed=11), drawn(seed=11), drawn(seed=-12), drawn()
    assert first.choices[0].message.content == again.choices[0].message.content
    assert [record_of(portal, one.id).values["run"]["seed"] for one in (first, other)] == ["11", "-12"]
    assert len(record_of(portal, free.id).values["run"]["seed"]) == 32


def test_a_held_result_says_nothing_of_itself(ask: openai.OpenAI, portal: Any, portals: Any) -> None:
    done = ask.chat.completions.create(
        model=portals.HELD_SYSTEM,
        messages=[{"role": "user", "content": json.dumps(portals.HELD_INPUT)}],
        logprobs=True,
    )
    assert (done.choices[0].message.content, done.choices[0].finish_reason, done.usage) == ("", "stop", None)
    assert done.choices[0].logprobs is None
    assert (done.greffier["held"], done.greffier["outcome"]) == (True, None)
    assert done.greffier["notice"]
    assert record_of(portal, done.id).values["outcome"]


def test_completions_have_their_own_shape(ask: openai.OpenAI, portal: Any, portals: Any, talking: Any) -> None:
    done = ask.completions.create(model=portals.SYSTEM, prompt=ASKED[0]["content"], logprobs=2)
    text = record_of(portal, done.id).values["output"]["reply"]
    assert (done.object, done.choices[0].text) == ("text_completion", text)
    assert len(done.choices[0].logprobs.tokens) == len(done.choices[0].logprobs.text_offset)
    with pytest.raises(openai.BadRequestError, match="chat/completions"):
        ask.completions.create(model=talking.CHAT, prompt="x")


def test_models_are_the_systems_of_the_key(ask: openai.OpenAI, portal: Any, portals: Any, talking: Any) -> None:
    assert portals.SYSTEM in [model.id for model in ask.models.list()]
    scoped = client_of(portal, talking.CHAT)
    listed = list(scoped.models.list())
    assert [model.id for model in listed] == [talking.CHAT]
    assert (listed[0].owned_by, listed[0].greffier["messages"], listed[0].greffier["streaming"]) == (
        "waterveen", "messages", True,
    )  # fmt: skip
    with pytest.raises(openai.PermissionDeniedError):
        scoped.models.retrieve(portals.SYSTEM)


# --- conversations ----------------------------------------------------------------------------------------------------


def talk(ask: openai.OpenAI, system: str, reference: str, messages: list[Any], **more: Any) -> Any:
    headers = {"x-greffier-conversation": reference}
    return ask.chat.completions.create(model=system, messages=messages, extra_headers=headers, **more)


def test_a_turn_keeps_what_is_new_and_the_thread_comes_together(ask: openai.OpenAI, portal: Any, talking: Any) -> None:
    reference, thread = f"gesprek {uuid.uuid4()}", list(ASKED)
    first = talk(ask, talking.CHAT, reference, thread)
    thread += [first.choices[0].message, {"role": "user", "content": "And in parts?"}]
    second = talk(ask, talking.CHAT, reference, thread)
    thread += [second.choices[0].message, {"role": "user", "content": "Thank you."}]
    third = talk(ask, talking.CHAT, reference, thread)
    kept = [record_of(portal, one.id) for one in (first, second, third)]
    assert [record.values["in_messages"] for record in kept] == [
        ASKED, [{"role": "user", "content": "And in parts?"}], [{"role": "user", "content": "Thank you."}],
    ]  # fmt: skip
    assert [record.values["parent"] for record in kept] == [None, first.id, second.id]
    whole = chat.whole_input(portal.g, kept[2])["messages"]
    assert [(one["role"], one["content"]) for one in whole] == [
        (one["role"], one["content"]) if isinstance(one, dict) else (one.role, one.content) for one in thread
    ]
    # What was read is what the prompt had: the model's tokens of the third turn are more than the first's.
    prompts = [record.values["usage"]["prompt_tokens"] for record in kept]
    assert prompts[0] < prompts[1] < prompts[2]
    # What the turns before keep is not kept again as tokens; a digest binds it, so that each turn is run again.
    assert all(kept[0].values["run"]["prompt_tokens"])
    for record in kept[1:]:
        assert record.values["run"]["prompt_tokens"] == [[], []]
        assert replay.replay(portal.g, CLI, record.entry.id).verdict in ("bit_exact", "token_exact")
    with pytest.raises(openai.BadRequestError, match="begin a new conversation"):
        talk(ask, talking.CHAT, reference, [{"role": "user", "content": "Something else"}])


def test_an_answer_in_json_is_the_same_turn(ask: openai.OpenAI, portal: Any, talking: Any) -> None:
    schema = ask.models.retrieve(talking.CHAT).greffier["output_schema"]
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}
    reference = f"gesprek {uuid.uuid4()}"
    first = talk(ask, talking.CHAT, reference, ASKED, response_format=form)
    more = [*ASKED, first.choices[0].message, {"role": "user", "content": "Why?"}]
    second = record_of(portal, talk(ask, talking.CHAT, reference, more).id)
    said = record_of(portal, first.id).values["output"]["reply"]
    assert chat.whole_input(portal.g, second)["messages"][1] == {"role": "assistant", "content": said}


def test_an_erased_turn_ends_its_conversation(ask: openai.OpenAI, portal: Any, talking: Any) -> None:
    reference = f"gesprek {uuid.uuid4()}"
    first = talk(ask, talking.CHAT, reference, ASKED)
    more = [*ASKED, first.choices[0].message, {"role": "user", "content": "Why?"}]
    second = talk(ask, talking.CHAT, reference, more)
    erase.erase(portal.g, first.id, ground="objection")
    left = record_of(portal, second.id).values
    assert first.choices[0].message.content not in json.dumps(left["in_messages"])
    assert left["run"]["prompt_tokens"] == [[], []]
    with pytest.raises(openai.BadRequestError, match="erased"):
        talk(ask, talking.CHAT, reference, [*more, second.choices[0].message, *ASKED])


def test_without_a_reference_the_whole_thread_is_kept(ask: openai.OpenAI, portal: Any, talking: Any) -> None:
    thread = [*ASKED, {"role": "assistant", "content": "No."}, {"role": "user", "content": "Why?"}]
    record = record_of(portal, ask.chat.completions.create(model=talking.CHAT, messages=thread).id)
    assert record.values["in_messages"] == thread
    assert chat.whole_input(portal.g, record) == {"messages": thread}


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_what_is_not_supported_is_refused_by_name(ask: openai.OpenAI, portal: Any, portals: Any) -> None:
    before = portal.g.log.state().size
    for name, value in (("user", "Piet Jansen"), ("temperature", 1), ("n", 2), ("tools", [{"type": "function"}])):
        with pytest.raises(openai.BadRequestError) as caught:
            ask.chat.completions.create(model=portals.SYSTEM, messages=ASKED, **{name: value})
        assert caught.value.param == name
        assert caught.value.type == "invalid_request_error"
        assert "Jansen" not in str(caught.value)
    with pytest.raises(openai.BadRequestError, match="leave whole") as caught:
        ask.chat.completions.create(model=portals.SYSTEM, messages=ASKED, stream=True)
    assert caught.value.param == "stream"
    headers = {"Idempotency-Key": "k"}
    with pytest.raises(openai.BadRequestError, match="/api/decisions"):
        ask.chat.completions.create(model=portals.SYSTEM, messages=ASKED, extra_headers=headers)
    assert portal.g.log.state().size == before, "nothing was decided, and no rule refused anything"


def test_an_unknown_model_is_not_found_and_its_refusal_recorded(ask: openai.OpenAI, portal: Any) -> None:
    before = portal.g.log.state().size
    with pytest.raises(openai.NotFoundError) as caught:
        ask.chat.completions.create(model="no-such-system", messages=ASKED)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert [entry["kind"] for entry in entries(portal, before)] == ["refused/1"]


def test_keys_are_held_to_role_and_scope(portal: Any, portals: Any, talking: Any) -> None:
    with pytest.raises(openai.PermissionDeniedError):
        client_of(portal, talking.CHAT).chat.completions.create(model=portals.SYSTEM, messages=ASKED)
    with pytest.raises(openai.PermissionDeniedError):
        client_of(portal, role="auditor").models.list()
    nobody = openai.OpenAI(base_url=f"{portal.url}/v1", api_key="grf_wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as caught:
        nobody.models.list()
    assert caught.value.code == "invalid_api_key"


def test_a_stopped_system_refuses_once(portal: Any, talking: Any) -> None:
    patient = client_of(portal).with_options(max_retries=2)
    lifecycle.change_state(portal.g, talking.DRAW, "suspended", reason="complaint")
    before = portal.g.log.state().size
    with pytest.raises(openai.PermissionDeniedError) as caught:
        patient.chat.completions.create(model=talking.DRAW, messages=ASKED)
    assert caught.value.code == "suspended"
    assert [entry["kind"] for entry in entries(portal, before)] == ["refused/1"], "the client does not try again"
    lifecycle.change_state(portal.g, talking.DRAW, "active", reason="resolved")


def test_invalid_bytes_and_shapes(portal: Any) -> None:
    with portal.client() as plain:
        for data in (b"\xff\xfe", b"[]", b"{}", b'{"model":"a","messages":"\\ud800"}'):
            answer = plain.post("/v1/chat/completions", content=data, headers=portal.key("client"))
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["type"] == "invalid_request_error"
        assert plain.get("/v1/nothing", headers=portal.key("client")).json()["error"]["code"] == "not-found"


def test_what_was_recorded_is_whole(portal: Any) -> None:
    with portal.g.reading() as conn:
        assert list(check_vault(conn, portal.g.vault, portal.g.ledger)) == []
