"""`/v1`: the OpenAI API over the register. A model is a system, and an answer is a recorded result.

The same gate, record, notice and review stand behind it as behind `/api/decisions`.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Depends, FastAPI, Path, Request
from fastapi.responses import JSONResponse, Response

from accounts.caller import Known
from accounts.token import KeyRejected
from home.errors import UsageError
from home.greffier import Greffier
from home.rate_limits import KeyLimits
from registry.errors import UnknownSystem
from registry.lifecycle import mode_of
from registry.manifest import Manifest
from runtime.capture import TokenText
from service.deciding import chat, chat_fields, decide, streaming
from service.deciding.open_streams import Streams
from service.deciding.run_options import RunOptions
from service.systems import register
from web.api import references
from web.auth import Caller, Installation, authorize, demand_scope
from web.decision_threads import in_decision_thread
from web.json_body import Sent
from web.v1 import answers
from web.v1.requests import Ask, parse_chat, parse_completion
from web.v1.stream import EventStream

router: Final = APIRouter(prefix="/v1", dependencies=[Depends(authorize)], tags=["openai"])

LANG: Final = "x-greffier-lang"
_CHAT, _COMPLETION = answers.Form(chat=True), answers.Form(chat=False)
_NO_STORE: Final = {"cache-control": "no-store"}
_PARAMETERS: Final[list[dict[str, Any]]] = [
    *references.PARAMETERS,
    {
        "name": LANG,
        "in": "header",
        "required": False,
        "description": "Language of the notice; nl where it is not given",
        "schema": {"type": "string", "enum": ["en", "nl"]},
    },
]
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "Not valid, or not supported: the parameter is named"},
    401: {"description": "No valid key"},
    403: {"description": "The key does not reach this system, or a rule refuses it"},
    404: {"description": "No such system"},
    429: {"description": "The key asks more than it may"},
    503: {"description": "Too many requests wait, or the log cannot record now: nothing is decided"},
}


def prepare(app: FastAPI) -> None:
    """Give an application its limits and streams; no thread is started before it is needed."""
    g: Greffier = app.state.greffier
    app.state.limits = KeyLimits(g.settings.key_concurrency, g.settings.key_rate_per_minute)
    app.state.streams = Streams(g)


def close(app: FastAPI) -> None:
    """End the streams that run; the log says how far they came."""
    app.state.streams.close()


def _extra(needed: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "required": needed, "additionalProperties": True}
    content = {"application/json": {"schema": schema}}
    return {"parameters": _PARAMETERS, "requestBody": {"required": True, "content": content}}


@router.post(
    "/chat/completions",
    response_class=JSONResponse,
    responses=_RESPONSES,
    openapi_extra=_extra(["model", "messages"]),
)
async def chat_completions(
    caller: Caller,
    request: Request,
    body: Sent,
    stated: Annotated[references.Given, Depends(references.given)],
) -> Response:
    """Ask a system by its slug. `greffier` in the answer, and the header `x-greffier-record`, name the record."""
    return await _answer(caller, request, parse_chat(body), stated, _CHAT)


@router.post(
    "/completions", response_class=JSONResponse, responses=_RESPONSES, openapi_extra=_extra(["model", "prompt"])
)
async def completions(
    caller: Caller,
    request: Request,
    body: Sent,
    stated: Annotated[references.Given, Depends(references.given)],
) -> Response:
    """As above, for a client that sends one text as its prompt; the version's own template is the model's prompt."""
    return await _answer(caller, request, parse_completion(body), stated, _COMPLETION)


@router.get("/models", response_class=JSONResponse, responses=_RESPONSES)
def list_models(g: Installation, caller: Caller) -> Response:
    """The systems in use that this key may ask."""
    key = _known(caller)
    running = [
        _model(g, one.system.slug, one.version.manifest)
        for one in register.list_systems(g)
        if one.version is not None and mode_of(one.state) is not None and key.reaches(one.system.slug)
    ]
    return JSONResponse({"object": "list", "data": running}, headers=_NO_STORE)


@router.get("/models/{slug}", response_class=JSONResponse, responses=_RESPONSES)
def show_model(g: Installation, caller: Caller, slug: Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$")]) -> Response:
    """One of them, with what its running version reads and writes."""
    demand_scope(_known(caller), slug)
    shown = register.show(g, slug)
    if shown.version is None or mode_of(shown.state) is None:
        raise UnknownSystem("is not in use", field="system")
    return JSONResponse(_model(g, slug, shown.version.manifest), headers=_NO_STORE)


def _model(g: Greffier, slug: str, manifest: Manifest) -> dict[str, Any]:
    return {
        "id": slug,
        "object": "model",
        "created": 0,  # a register has days, and no moment at which a model came into being
        "owned_by": g.settings.agency,
        "greffier": {
            "version": manifest.version,
            "streaming": manifest.streaming,
            "messages": chat.messages_field(manifest),
            "fields": {field.id: field.schema for field in manifest.fields},
            "output_schema": manifest.output_schema,
        },
    }


async def _answer(
    caller: Known | None, request: Request, ask: Ask, stated: references.Given, form: answers.Form
) -> Response:
    g: Greffier = request.app.state.greffier
    key = _known(caller)
    demand_scope(key, ask.model)
    if "idempotency-key" in request.headers:
        raise UsageError("is not taken here: ask /api/decisions", field="Idempotency-Key")
    lang = request.headers.get(LANG, "nl")
    with contextlib.ExitStack() as stack:
        stack.enter_context(cast("KeyLimits", request.app.state.limits).enter(key.account))
        if not ask.stream:
            return await in_decision_thread(request, lambda: _whole(g, ask, stated, lang, form))
        streams: Streams = request.app.state.streams
        beginning = asyncio.get_running_loop().run_in_executor
        case = await beginning(streams.beginning, lambda: _case(g, ask, stated, lang))
        return EventStream(streams, case, ask, form, stack.pop_all())


def _case(g: Greffier, ask: Ask, stated: references.Given, lang: str) -> decide.Case:
    """What a stream is about; whether the version streams at all is asked first."""
    gate = decide.pass_gate(g, ask.model)
    streaming.demand_streaming(gate)
    subjects, refs = stated.with_body([], None, None)
    return streaming.new_case(
        g,
        ask.model,
        _inputs(gate.running.manifest, ask),
        subjects=subjects,
        refs=refs,
        lang=lang,
        options=_run_options(ask),
    )


def _whole(g: Greffier, ask: Ask, stated: references.Given, lang: str, form: answers.Form) -> Response:
    gate = decide.pass_gate(g, ask.model)
    manifest = gate.running.manifest
    inputs = _inputs(manifest, ask)
    subjects, refs = stated.with_body([], None, None)
    said = chat_fields.Heard(chat.spoken(manifest), whole=ask.schema is not None)
    options = _run_options(ask, said if ask.logprobs else None)
    received = g.clock()
    answer = decide.decide(g, ask.model, inputs, subjects=subjects, refs=refs, lang=lang, options=options)
    if answer.version != gate.version:
        manifest = chat_fields.manifest_of(g, ask.model, answer.version)
    content = (chat.json_of if ask.schema is not None else chat.text_of)(manifest, answer.output)
    tokens: list[TokenText] | None = said.tokens if ask.logprobs and not answer.held else None
    body = answers.whole_body(
        form, answer, "" if answer.held else content, created=int(received.timestamp()), tokens=tokens
    )
    return JSONResponse(body, headers={references.RECORD: answer.id, **_NO_STORE})


def _inputs(manifest: Manifest, ask: Ask) -> dict[str, Any]:
    """The fields; raises UsageError for a wish that the version does not grant."""
    chat_fields.demand_sampling(manifest, temperature=ask.temperature, top_p=ask.top_p, seed=ask.seed)
    chat_fields.demand_schema(manifest, ask.schema)
    if ask.messages is not None:
        return chat_fields.inputs_of_chat(manifest, ask.messages)
    return chat_fields.inputs_of_text(manifest, ask.prompt or "", "prompt")


def _run_options(ask: Ask, said: chat_fields.Heard | None = None) -> RunOptions:
    top = ask.top if ask.logprobs else 0
    return RunOptions(seed=ask.seed, max_tokens=ask.max_tokens, stop=ask.stop, top=top, told=said)


def _known(caller: Known | None) -> Known:
    if caller is None:  # the table of routes lets nobody in without a key
        raise KeyRejected("send an API key as `Authorization: Bearer grf_…`")
    return caller
