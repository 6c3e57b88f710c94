"""A version whose model runs elsewhere: asked through us, with the same gate, number, record and notice (DESIGN §4).

What its provider says is recorded as its statement, and what it does not say as `not_disclosed`. Such a result cannot
be made again: nobody here has the weights, so a replay of it says so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from auditlog.core.errors import CannotRecord
from auditlog.core.formats.canonical import Json
from home.errors import Unfinished, UsageError
from home.greffier import Greffier
from registry.lifecycle import Gate
from registry.manifest import Manifest
from registry.remote import Remote
from runtime.capture import Usage
from runtime.errors import CounterDamaged, NotRunning, RuntimeFault
from runtime.gateway.questions import Question, ask, certain, judge
from runtime.gateway.remote import Call, Endpoint, RemoteFailed, Wire
from runtime.gateway.reply import NOT_DISCLOSED
from runtime.program import Request, check_fields, check_seed
from runtime.prompt import PromptTemplate, Value
from service.deciding import costs, provider_keys
from service.deciding.result import Generated
from service.deciding.unanswered import owe, refuse, unfinished


@dataclass(slots=True)
class _Run:
    """One decision under way: its prompts, what was asked so far, and what came of it."""

    request: Request
    endpoint: Endpoint
    templates: tuple[PromptTemplate, ...]
    values: Mapping[str, Value]
    began: float
    output: dict[str, Any] = field(default_factory=dict)
    outcome: str = ""
    calls: list[Call] = field(default_factory=list)
    total_us: int = 0

    def question(self) -> Question | None:
        """The next one to ask; steps that allow one answer only are filled without. None: nothing is left."""
        program = self.request.program
        while len(self.output) < len(program.steps):
            sure = certain(program, len(self.output))
            if sure is None:
                return ask(self.request, self.templates, self.values, self.output)
            self.take(program.steps[len(self.output)].output, sure)
        return None

    def take(self, step: str, value: Any) -> None:
        """The value of the next step; the first one's is the outcome."""
        if not self.output:
            self.outcome = next(one.code for one in self.request.program.outcomes if one.text == value)
        self.output[step] = value


def generate(g: Greffier, gate: Gate, request: Request) -> Generated:
    """Ask the provider for the result of a request, step by step.

    Raises Refused (an entry says so) for what does not fit before anything is sent; Unfinished, with its entry, for
    what went wrong after the number was taken; SettingsError for a key that cannot be used; CannotRecord.
    """
    run = _prepare(g, gate, request)
    try:
        boot, n, wire = g.gateway.begin(request.id)
    except OSError as error:
        message = f"cannot be used ({error.strerror}): give the program its rights and space"
        raise CannotRecord(message, cause="unwritable", field="run") from error
    except CounterDamaged as fault:
        raise CannotRecord(str(fault), cause="unknown") from None
    except NotRunning as fault:
        raise Unfinished(str(fault), reason="stopped") from None
    try:
        _take_steps(g, run, wire)
        return _made(gate, run, boot, n)
    except RuntimeFault as fault:
        reason = fault.reason or "output_invalid"
        unfinished(g, gate, boot, n, reason=reason, reached=_reached(run))
        again = fault.retry_after_s if isinstance(fault, RemoteFailed) else None
        raise Unfinished(str(fault), reason=reason, retry_after_s=again) from None
    except Exception:
        # A fault of ours that nobody foresaw: its number has an entry all the same, and the provider may bill it.
        owe(g, gate, boot, n, request.id, reached=_reached(run))
        raise
    finally:
        g.gateway.end(request.id)


def _made(gate: Gate, run: _Run, boot: str, n: int) -> Generated:
    return Generated(
        id=run.request.id,
        boot=boot,
        n=n,
        capture="gateway",
        output=cast("Json", run.output),
        outcome=run.outcome,
        usage=_usage(gate, run),
        run=_facts(gate.running.manifest, run),
        reached=_reached(run),
    )


def _prepare(g: Greffier, gate: Gate, request: Request) -> _Run:
    remote = gate.running.manifest.remote
    assert remote is not None
    if request.pieces or request.top:
        raise UsageError("are not given by a model that runs elsewhere; leave it out", field="logprobs")
    endpoint = _endpoint(g, remote)
    program = request.program
    try:
        check_seed(program, request.seed)
        values = check_fields(program, request.fields)
        templates = tuple(program.template(index) for index in range(len(program.steps)))
        run = _Run(request, endpoint, templates, values, time.monotonic())
        run.question()  # what cannot stand in a prompt is told before a number is taken
    except RuntimeFault as fault:
        raise refuse(g, gate, fault.reason or "input_invalid", str(fault), fault.field) from None
    return run


def _endpoint(g: Greffier, remote: Remote) -> Endpoint:
    return Endpoint(
        url=remote.endpoint,
        model=remote.model,
        form=remote.form or "json_schema",
        stream=bool(remote.stream),
        limit=remote.limit or "max_tokens",
        key=provider_keys.key_of(g.home, remote.provider),
    )


def _take_steps(g: Greffier, run: _Run, wire: Wire) -> None:
    """Raises RuntimeFault: then `run` has what is known so far."""
    program, deadline = run.request.program, run.began + g.settings.deadline_s
    while (question := run.question()) is not None:
        call = Call(question.step)
        run.calls.append(call)
        left = max(0.0, deadline - time.monotonic())
        g.gateway.remote.ask(call, question, run.endpoint, deadline_s=left, wire=wire)
        finish, value = judge(question, program, call.reply, form=run.endpoint.form)
        if finish != "stop":
            run.output[question.step], run.outcome = value, finish
            break
        run.take(question.step, value)
    run.total_us = int((time.monotonic() - run.began) * 1_000_000)


def _usage(gate: Gate, run: _Run) -> dict[str, Json]:
    """As for a model here, with the provider's counts. What it keeps to itself is null, and so is the cost then."""
    stated = [call.reply.stated for call in run.calls]
    prompt, output = _sum([one.prompt_tokens for one in stated]), _sum([one.output_tokens for one in stated])
    cached = [one.cached_tokens for one in stated]
    measured = Usage(
        prompt_tokens=prompt or 0,
        output_tokens=output or 0,
        queue_us=0,
        first_us=_first_us(run.calls),
        total_us=run.total_us,
        energy_uj=None,
        energy_method="not_measured",
        busy_us=0,  # no device of ours was at work
        cached_tokens=_sum(cached) if any(one is not None for one in cached) else None,
    )
    usage = costs.usage(gate.record, measured)
    usage |= {"prompt_tokens": prompt, "output_tokens": output}
    tariff = gate.record.tariff
    if tariff is not None:
        more = (len(run.calls) - 1) * (tariff.components.request or 0)  # a price per request is one per call
        known = prompt is not None and output is not None
        usage["cost_millionths"] = costs.cost_millionths(tariff, measured) + more if known else None
    return usage


def _first_us(calls: list[Call]) -> int:
    """When the first words were here; of an answer that came in one piece, when it was whole."""
    if not calls:
        return 0
    return calls[0].total_us if calls[0].first_us is None else calls[0].first_us


def _sum(counts: list[int | None]) -> int | None:
    """None as soon as one of them is not known: a part would pass for the whole."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _facts(manifest: Manifest, run: _Run) -> dict[str, Json]:
    """The `run` value of the record: what takes the place of what a replay needs."""
    remote = manifest.remote
    assert remote is not None
    sampler = run.request.program.sampler
    return {
        "remote": {
            "provider": remote.provider,
            "model": remote.model,
            "region": remote.region or NOT_DISCLOSED,
            "tier": remote.tier or NOT_DISCLOSED,
        },
        "calls": _calls(run),
        "alternatives": {},
        "seed": run.request.seed,
        "sampler": sampler.kind,
        "max_tokens": run.request.max_tokens,
        "stop": list(run.request.stop),
        "build": NOT_DISCLOSED,
        "weights": NOT_DISCLOSED,
    }


def _reached(run: _Run) -> Json:
    """What an `unfinished` entry commits: the provider may bill what never became a decision."""
    return {
        "output_tokens": _sum([call.reply.stated.output_tokens for call in run.calls]),
        "calls": _calls(run),
    }


def _calls(run: _Run) -> list[Json]:
    return [_call(call) for call in run.calls]


def _call(call: Call) -> Json:
    """One request: what the provider states of it, beside what we saw ourselves (times and bytes)."""
    stated = call.reply.stated
    told: dict[str, Json] = {
        "id": stated.id,
        "model": stated.model,
        "fingerprint": stated.fingerprint,
        "tier": stated.tier,
        "finish": call.reply.finish,
        "prompt_tokens": stated.prompt_tokens,
        "output_tokens": stated.output_tokens,
        "cached_tokens": stated.cached_tokens,
        "reasoning_tokens": stated.reasoning_tokens,
        "price_millionths": stated.price_millionths,
    }
    return {
        "step": call.step,
        **{name: NOT_DISCLOSED if value is None else value for name, value in told.items()},
        "first_us": call.total_us if call.first_us is None else call.first_us,
        "total_us": call.total_us,
        "sent_bytes": call.sent_bytes,
        "received_bytes": call.received_bytes,
        "doubtful": list(stated.doubtful),
    }
