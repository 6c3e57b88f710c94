"""A survey of a version over invented cases: what its answers depend on, before it answers people. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from json import dumps

from runtime.capture import Run
from runtime.explain import counterfactuals
from runtime.explain.combined_plan import together
from runtime.explain.plan import explain
from runtime.explain.question import Found, Plan, Question, Score, Survey, SurveyOrder, Variant
from runtime.explain.score_cache import ScoreCache
from runtime.explain.variants import Subject, listed
from runtime.explain.wordings import shuffle
from runtime.prompt import Value
from runtime.verdict import ReplayOrder

AT_ONCE = 32
"""Cases whose variants are asked for in one go."""

Said = Mapping[str, tuple[Value, ...]]
"""What the cases say in each field whose schema lists no values: these are its other values in a survey. Of a text or a
conversation no others are known; of a number there would be too many, so that only the ends of its range come too."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case that ran: its question, with what it gave as the recorded outcome."""

    subject: Subject
    stable: bool
    flipped: frozenset[str]


def survey(order: SurveyOrder) -> Plan[Survey]:
    """Every case in every wording, and every other value of each field alone; some cases explained in full."""
    known: dict[str, Score | None] = {}
    said = _said(order)
    ran: list[Case] = []
    skipped = 0
    numbers = iter(range(len(order.cases)))
    while chunk := tuple(islice(numbers, AT_ONCE)):
        cases = yield from _measure(order, chunk, known, said)
        ran += cases
        skipped += len(chunk) - len(cases)
    drawn = shuffle(ran, f"{order.seed}|explained")[: order.explained]
    found = yield from together([explain(case.subject.question, known) for case in drawn])
    return _count(order, ran, skipped, found)


def _measure(
    order: SurveyOrder, numbers: tuple[int, ...], known: dict[str, Score | None], said: Said
) -> Plan[list[Case]]:
    asked = ScoreCache(known)
    drafts = [Subject(_question(order, number)) for number in numbers]
    yield from asked.ask(_bases(drafts))
    subjects = [subject for draft in drafts if (subject := _answered(draft, asked)) is not None]
    yield from asked.ask(variant for one in subjects for name in one.read for variant in _others(one, name, said))
    return [_case(subject, asked, said) for subject in subjects]


def _said(order: SurveyOrder) -> Said:
    found: dict[str, tuple[Value, ...]] = {}
    for field in order.program.fields:
        if not listed(field.schema):
            given = (case.get(field.id) for case in order.cases)
            found[field.id] = tuple({dumps(value): value for value in given if value is not None}.values())
    return found


def _others(subject: Subject, name: str, said: Said) -> list[Variant]:
    """The case with each other value of a field."""
    if name not in said:
        return list(counterfactuals.wanted(subject, (name,)))
    values = [value for value in said[name] if value != subject.recorded[name]]
    most = min(len(values), subject.question.limits.values)
    values = [values[at * len(values) // most] for at in range(most)]
    within = subject.range_of(name)
    if within is not None and within.lowest <= within.highest:
        ends = (within.lowest, within.highest)
        values += [end for end in ends if end != subject.recorded[name] and end not in values]
    # Of a number what stands in the cases, not its whole grid; else its moves: shorter texts, or that it is not stated.
    moves = counterfactuals.wanted(subject, (name,)) if within is None else ()
    return [*(subject.variant({name: value}) for value in values), *moves]


def _bases(subjects: Iterable[Subject]) -> Iterator[Variant]:
    for subject in subjects:
        for wording in range(len(subject.templates)):
            yield subject.variant({}, wording)


def _case(subject: Subject, asked: ScoreCache, said: Said) -> Case:
    scores = [asked.score(base) for base in _bases((subject,))]
    stable = all(score is not None and not subject.flips(score) for score in scores)
    flipped = frozenset(
        name
        for name in subject.read
        if any(subject.flips(asked.score(variant)) for variant in _others(subject, name, said))
    )
    return Case(subject, stable, flipped)


def _question(order: SurveyOrder, number: int) -> Question:
    """A case as a decision. Where the version draws, the case's own seed comes from the survey's and its number."""
    program = order.program
    seed = None if program.sampler.kind == "greedy" else hashlib.sha256(f"{order.seed}|{number}".encode()).hexdigest()
    run = Run((), (), (), {}, seed, program.sampler.code, 0, "", program.model, 0)
    replay = ReplayOrder(f"{order.id}/{number}", program, order.cases[number], run, {}, "")
    return Question(replay, order.wordings, order.protected, order.groups, order.seed, order.limits)


def _answered(draft: Subject, asked: ScoreCache) -> Subject | None:
    """The case with what it gave; None where it cannot be run."""
    score = asked.score(draft.variant({}))
    if score is None:
        return None
    outcome = draft.outcomes[draft.chosen(score)]
    question = draft.question
    output = {draft.program.steps[0].output: outcome.text}
    return Subject(replace(question, replay=replace(question.replay, output=output, outcome=outcome.code)))


def _count(order: SurveyOrder, ran: list[Case], skipped: int, found: tuple[Found, ...]) -> Survey:
    outcomes = {one.code: 0 for one in order.program.outcomes}
    outcomes.update(Counter(case.subject.question.replay.outcome for case in ran))
    names = [field.id for field in order.program.fields]
    flips = {name: sum(name in case.flipped for case in ran) for name in names}
    free = frozenset(names) - frozenset(order.protected)
    return Survey(
        cases=len(ran),
        skipped=skipped,
        outcomes=outcomes,
        sensitive=sum(bool(case.flipped & free) for case in ran),
        by_field={name: flips[name] for name in names if name in free},
        protected={name: flips[name] for name in names if name not in free},
        stable=sum(case.stable for case in ran),
        wordings=max((len(case.subject.templates) for case in ran), default=1),
        verdicts=dict(sorted(Counter(one.verdict for one in found).items())),
        reasons=dict(sorted(Counter(reason for one in found for reason in one.reasons).items())),
    )
