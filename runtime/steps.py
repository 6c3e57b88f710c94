"""One request, step by step: a generator that asks for logits, is sent them, and fills a sheet of paper.

It decodes nothing itself, so the engine can run any number of them in one batch, and a replay can drive it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime.answers import Ask, Tokens, choose, split, weigh
from runtime.errors import OutputInvalid, PromptTooLong, TemplateInvalid
from runtime.freetext import Line, write
from runtime.program import Outcome, Program, Request, Step
from runtime.prompt import PromptTemplate, Rendered, Value, tokenize
from runtime.sampler import Draw, Row, micro_nats
from runtime.schema import choices, grammar, validate_output

if TYPE_CHECKING:
    from runtime.llama import Vocabulary

Work = Generator[Ask, Row, None]


@dataclass(slots=True)
class Paper:
    """What a request has written so far; one entry of each list for each step that was taken."""

    output: dict[str, str] = field(default_factory=dict)
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
    """What a request works with. `room` is how many tokens its sequence holds, `chosen` is told of each choice."""

    request: Request
    templates: tuple[PromptTemplate, ...]
    values: Mapping[str, Value]
    vocabulary: Vocabulary
    room: int
    chosen: Callable[[], None]

    @property
    def program(self) -> Program:
        """The program of the request."""
        return self.request.program

    def render(self, index: int, paper: Paper) -> Rendered:
        """The prompt of a step: fields, and what earlier steps wrote."""
        names = self.templates[index].names
        return self.templates[index].render({k: v for k, v in {**self.values, **paper.output}.items() if k in names})

    def measure(self, prompt: Tokens, length: int) -> None:
        """Raises PromptTooLong unless prompt and answer fit into one sequence."""
        if not prompt:
            raise TemplateInvalid("the prompt is empty", field="steps")
        if length > self.room:
            what = f"prompt and answer need {length} tokens, a sequence holds {self.room}"
            fix = "shorten the text, or register a version with a larger n_ctx"
            raise PromptTooLong(what, field="fields", fix=fix)


def take_steps(desk: Desk, paper: Paper) -> Work:
    """All steps of a request. The first `next` renders and measures the first prompt, before anything is decoded."""
    draw = Draw(desk.program.sampler, desk.request.seed)
    for index, step in enumerate(desk.program.steps):
        texts = choices(desk.program.output_schema["properties"][step.output])
        if texts is None:
            yield from _write(desk, paper, index, draw)
        else:
            # The outcomes are the answers of the first step; other finite steps have no codes and no biases.
            first = desk.program.outcomes if index == 0 else ()
            yield from _choose(desk, paper, index, draw, first or tuple(Outcome("", text) for text in texts))
        if paper.finish != "stop":
            break
    _judge(desk, paper)


def _choose(desk: Desk, paper: Paper, index: int, draw: Draw, outcomes: tuple[Outcome, ...]) -> Work:
    rendered = desk.render(index, paper)
    whole = [tokenize(rendered, desk.vocabulary, answer=outcome.text) for outcome in outcomes]
    answers = split(tokenize(rendered, desk.vocabulary), whole)
    desk.measure(answers.prompt, answers.longest)
    logprobs = yield from weigh(answers)
    totals = [sum(found) for found in logprobs]
    winner = choose(totals, [outcome.bias_millinats for outcome in outcomes], draw, paper.draws)
    desk.chosen()
    paper.draws += 1
    paper.output[desk.program.steps[index].output] = outcomes[winner].text
    paper.note(answers.prompt, answers.continuations[winner], logprobs[winner])
    if index == 0:
        paper.outcome = outcomes[winner].code
        paper.alternatives = {o.code: micro_nats(total) for o, total in zip(outcomes, totals, strict=True)}


def _write(desk: Desk, paper: Paper, index: int, draw: Draw) -> Work:
    step: Step = desk.program.steps[index]
    schema = desk.program.output_schema["properties"][step.output]
    prompt = tokenize(desk.render(index, paper), desk.vocabulary)
    desk.measure(prompt, len(prompt) + step.max_tokens)
    state = desk.vocabulary.grammar(grammar(schema, f"output_schema.properties.{step.output}.pattern"))
    try:
        line = Line(state, desk.vocabulary, schema, step.max_tokens)
        written = yield from write(line, prompt, draw, paper.draws, desk.chosen)
    finally:
        state.close()
    paper.draws += len(written.tokens)
    paper.output[step.output] = written.text
    paper.finish = written.finish
    paper.note(prompt, tuple(written.tokens), written.logprobs)


def _judge(desk: Desk, paper: Paper) -> None:
    """Validates what is complete; for a text that was cut or could not be written, that code is the outcome."""
    if paper.finish == "stop":
        try:
            validate_output(desk.program.output_schema, paper.output)
        except OutputInvalid:
            paper.finish = "invalid"
    if paper.finish != "stop":
        paper.outcome = paper.finish
