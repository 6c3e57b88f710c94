"""One request, step by step: a generator that asks for logits, is sent them, and fills a sheet of paper.

It decodes nothing itself, so the engine can run any number of them in one batch, and a replay can drive it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtime.capture import Piece, TokenText
from runtime.errors import OutputInvalid, PromptTooLong, TemplateInvalid
from runtime.output.answers import Answers, Ask, Tokens, Weighed, split, weigh, weights
from runtime.output.choice import Choice
from runtime.output.decoding import Form, Pen, Written, write
from runtime.output.freetext import Line
from runtime.output.json_grammar import json_grammar
from runtime.output.json_text import JsonText, read_json, show_json
from runtime.output.schema import choices, grammar, validate_output
from runtime.output.streaming import Telling, likeliest, token_text
from runtime.program import Outcome, Program, Request, Step
from runtime.prompt import PromptTemplate, Rendered, Value, tokenize
from runtime.sampler import Draw, Logits, best, micro_nats

if TYPE_CHECKING:
    from runtime.llama import Vocabulary

Work = Generator[Ask, Logits, None]
_PLAIN = frozenset({"type", "properties", "required", "additionalProperties", "title", "description"})


@dataclass(slots=True)
class Paper:
    """What a request has written so far; one entry of each list for each step that was taken."""

    output: dict[str, Any] = field(default_factory=dict)
    prompts: list[Tokens] = field(default_factory=list)
    tokens: list[Tokens] = field(default_factory=list)
    logprobs: list[tuple[int, ...]] = field(default_factory=list)
    alternatives: dict[str, int] = field(default_factory=dict)
    outcome: str = ""
    finish: str = "stop"
    draws: int = 0

    def note(self, prompt: Tokens, tokens: Tokens, logprobs: list[float]) -> None:
        """Notes one step."""
        self.prompts.append(prompt)
        self.tokens.append(tokens)
        self.logprobs.append(tuple(micro_nats(value) for value in logprobs))


@dataclass(frozen=True, slots=True)
class Desk:
    """What a request works with. `room` is how many tokens its sequence holds.

    `chosen` is told of each choice, and may give another in its place (a replay: what was recorded). `said` is told the
    answer piece by piece, for requests that ask for it.
    """

    request: Request
    templates: tuple[PromptTemplate, ...]
    values: Mapping[str, Value]
    vocabulary: Vocabulary
    room: int
    chosen: Callable[[Choice], int | None]
    said: Callable[[Piece], None] | None = None

    @property
    def program(self) -> Program:
        """The program of the request."""
        return self.request.program

    def render(self, index: int, paper: Paper) -> Rendered:
        """The prompt of a step: fields, and what earlier steps wrote."""
        names = self.templates[index].names
        written = {name: value if isinstance(value, str) else show_json(value) for name, value in paper.output.items()}
        return self.templates[index].render({k: v for k, v in {**self.values, **written}.items() if k in names})

    def measure(self, prompt: Tokens, length: int) -> None:
        """Raises PromptTooLong unless prompt and answer fit into one sequence."""
        if not prompt:
            raise TemplateInvalid("the prompt is empty", field="steps")
        if length > self.room:
            what = f"prompt and answer need {length} tokens, and this version has room for {self.room}"
            fix = "shorten the input, or register a version with a larger n_ctx"
            raise PromptTooLong(what, field="input", fix=fix)


def take_steps(desk: Desk, paper: Paper) -> Work:
    """All steps of a request. The first `next` renders and measures the first prompt, before anything is decoded."""
    draw = Draw(desk.program.sampler, desk.request.seed)
    listed = True
    for index, step in enumerate(desk.program.steps):
        texts = choices(desk.program.output_schema["properties"][step.output])
        if texts is None:
            listed = False
            yield from _write(desk, paper, index, draw)
        else:
            # The outcomes are the answers of the first step; other finite steps have no codes and no biases.
            first = desk.program.outcomes if index == 0 else ()
            yield from _choose(desk, paper, index, draw, first or tuple(Outcome("", text) for text in texts))
        if paper.finish != "stop":
            break
    _judge(desk, paper, listed=listed)


def lay_out(desk: Desk, paper: Paper, index: int, outcomes: Sequence[Outcome]) -> Answers:
    """A step's prompt and the finite answers that may follow it. Raises PromptTooLong, InputInvalid."""
    rendered = desk.render(index, paper)
    whole = [tokenize(rendered, desk.vocabulary, answer=outcome.text) for outcome in outcomes]
    answers = split(tokenize(rendered, desk.vocabulary), whole)
    desk.measure(answers.prompt, answers.longest)
    return answers


def _choose(desk: Desk, paper: Paper, index: int, draw: Draw, outcomes: tuple[Outcome, ...]) -> Work:
    answers = lay_out(desk, paper, index, outcomes)
    weighed = yield from weigh(answers, keep=desk.said is not None and desk.request.top > 0)
    totals = [sum(found) for found in weighed.logprobs]
    scores = weights(totals, [outcome.bias_millinats for outcome in outcomes], draw, paper.draws)
    own = best(scores)
    other = desk.chosen(Choice(index, 0, own, lambda answer: float(scores[answer])))
    winner = own if other is None else other
    paper.draws += 1
    paper.output[desk.program.steps[index].output] = outcomes[winner].text
    paper.note(answers.prompt, answers.continuations[winner], weighed.logprobs[winner])
    if index == 0:
        paper.outcome = outcomes[winner].code
        paper.alternatives = {o.code: micro_nats(total) for o, total in zip(outcomes, totals, strict=True)}
    if desk.said is not None:
        tokens = _answer_tokens(desk, answers, weighed, winner)
        desk.said(Piece(desk.request.id, desk.program.steps[index].output, outcomes[winner].text, tokens))


def _answer_tokens(desk: Desk, answers: Answers, weighed: Weighed, winner: int) -> tuple[TokenText, ...]:
    tokens, logprobs = answers.continuations[winner], weighed.logprobs[winner]
    rows = [weighed.rows.get(tokens[:i]) for i in range(len(tokens))]
    others = [() if row is None else likeliest(desk.vocabulary, row, desk.request.top) for row in rows]
    return tuple(token_text(desk.vocabulary, *one) for one in zip(tokens, logprobs, others, strict=True))


def _write(desk: Desk, paper: Paper, index: int, draw: Draw) -> Work:
    step: Step = desk.program.steps[index]
    schema = desk.program.output_schema["properties"][step.output]
    prompt = tokenize(desk.render(index, paper), desk.vocabulary)
    form = _form(desk, schema, f"output_schema.properties.{step.output}")
    pen = _pen(desk, index, draw, paper.draws, strips=form.strips)
    try:
        desk.measure(prompt, len(prompt) + pen.max_tokens)
        written = yield from write(form, prompt, pen)
    finally:
        form.grammar.close()
    paper.draws += len(written.tokens)
    paper.output[step.output] = _value(form, written)
    paper.finish = written.finish
    paper.note(prompt, tuple(written.tokens), written.logprobs)


def _form(desk: Desk, schema: Mapping[str, Any], where: str) -> Form:
    vocabulary = desk.vocabulary
    if schema["type"] == "string":
        return Line(vocabulary.grammar(grammar(schema, f"{where}.pattern")), vocabulary, schema)
    return JsonText(vocabulary.grammar(json_grammar(schema, where)), vocabulary, schema["type"] != "integer")


def _pen(desk: Desk, index: int, draw: Draw, position: int, *, strips: bool) -> Pen:
    """The limits of the request are for the last step: what comes before has its own."""
    request, step = desk.request, desk.program.steps[index]
    last = index == len(desk.program.steps) - 1
    stop = request.stop if last else ()
    limit = step.max_tokens if request.max_tokens is None or not last else min(step.max_tokens, request.max_tokens)
    telling = None if desk.said is None else Telling(request.id, step.output, stop, desk.said, strips)
    return Pen(index, draw, position, limit, stop, desk.chosen, telling, request.top)


def _value(form: Form, written: Written) -> Any:
    """The value that was written; of JSON that was cut, its text."""
    if form.strips:
        return written.whole.strip()
    if written.finish != "stop":
        return written.whole
    try:
        return read_json(written.data if written.told is None else written.told.encode())
    except ValueError:
        written.finish = "invalid"
        return written.whole


def _judge(desk: Desk, paper: Paper, *, listed: bool) -> None:
    """Validates what is complete; for a text that was cut or could not be written, that code is the outcome.

    `listed`: each value is one that its schema lists. Each of those was held against all of it at registration, so
    only the names are looked at: the validator would take longer than all the rows of the answer.
    """
    schema = desk.program.output_schema
    named = listed and schema.keys() <= _PLAIN and paper.output.keys() >= set(schema.get("required", ()))
    if paper.finish == "stop" and not named:
        try:
            validate_output(schema, paper.output)
        except OutputInvalid:
            paper.finish = "invalid"
    if paper.finish != "stop":
        paper.outcome = paper.finish
