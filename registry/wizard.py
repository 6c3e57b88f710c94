"""The questions about the class of a system, made from the rules, and what the answers come to. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from registry import declaration
from registry.answers import SCREENED, Answers, Screening
from registry.declaration import Many
from registry.errors import FormatError
from registry.parts.law import EXITS, GENERATED, Classification, Use
from registry.rules import Letter, Product, Rules
from registry.system import AISystem
from registry.values import Words

Form = Literal["yes_no", "one", "many", "text"]
_EXIT: Final = "exit_6_3"
_CONTROL: Final = ("controls_input", "controls_logs", "changed_significantly")


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `path`: where its answer stands in a file of answers; `options`: codes with words, to choose from.

    `reasoned`: it wants a reason beside the answer.
    """

    path: str
    form: Form
    text: Words
    source: str
    options: tuple[tuple[str, Words], ...] = ()
    reasoned: bool = False


@dataclass(frozen=True, slots=True)
class Prohibited:
    """A letter of Article 5 that was answered with yes, or without certainty. `day`: from when it is prohibited."""

    letter: str
    certain: bool
    day: date
    question: Words


@dataclass(frozen=True, slots=True)
class Proposal:
    """What follows from answers: the class and the facts for the record, and what stands in the way.

    `prohibited`: of Article 5. `differs`: members of the record that say something else now.
    """

    classification: Classification
    use: Use
    prohibited: tuple[Prohibited, ...]
    differs: tuple[str, ...]


def questions(rules: Rules) -> tuple[Question, ...]:
    """All questions, in the order in which they are asked."""
    return (*_of_use(), *_of_control(), *_of_article_5(rules), *_of_annexes(rules), *_of_class())


def _of_use() -> Iterator[Question]:
    for member in declaration.fields(Use):
        path = f"use.{member.name}"
        if isinstance(member.kind, Many):
            options = tuple(GENERATED.codes.items())
            yield Question(path, "many", _asked(member.label), member.article, options)
        else:
            yield Question(path, "yes_no", _asked(member.label), member.article)


def _of_control() -> Iterator[Question]:
    """What no record says: who has input and logs of a system that runs elsewhere, and whether its design changed."""
    for member in declaration.fields(Answers):
        if member.name in _CONTROL:
            yield Question(member.name, "yes_no", _asked(member.label), member.article)


def _asked(label: Words) -> Words:
    """A label that is a statement, as a question: people answer whether it is so."""
    ends = {"en": ": is that so?", "nl": ": klopt dat?"}
    return {lang: f"{words}{ends.get(lang, '?')}" for lang, words in label.items()}


def _of_article_5(rules: Rules) -> Iterator[Question]:
    options = tuple(SCREENED.codes.items())
    for letter in rules.letters:
        path, source = f"article_5.{letter.letter}", f"AI Act 5(1)({letter.letter})"
        yield Question(path, "one", letter.question, source, options, reasoned=True)


def _of_annexes(rules: Rules) -> Iterator[Question]:
    points = tuple((point.id, _joined(point.area, point.words)) for point in rules.points)
    yield Question(
        "annex_iii",
        "many",
        {"en": "Which of these uses of Annex III is it?", "nl": "Welke van deze toepassingen van bijlage III is het?"},
        "AI Act 6(2), Annex III",
        points,
    )
    products = tuple((item.id, _named(item)) for item in rules.products)
    yield Question(
        "annex_i",
        "many",
        {
            "en": "Is it, or is it a safety part of, a product that needs outside assessment by one of these acts?",
            "nl": "Is het een product, of een veiligheidsonderdeel daarvan, dat volgens een van deze regels "
            "extern wordt beoordeeld?",
        },
        "AI Act 6(1), Annex I",
        products,
    )


def _named(product: Product) -> Words:
    return {lang: f"{words} ({product.act})" for lang, words in product.words.items()}


def _joined(area: Words, words: Words) -> Words:
    return {lang: f"{area[lang]}: {text}" for lang, text in words.items() if lang in area}


def _of_class() -> Iterator[Question]:
    yield Question(
        _EXIT,
        "one",
        {
            "en": "Only for Annex III: is there an exit, since it poses no significant risk and is one of these?",
            "nl": "Alleen bij bijlage III: is er een uitzondering, omdat er geen aanzienlijk risico is en het een van "
            "deze is?",
        },
        "AI Act 6(3)",
        tuple(EXITS.codes.items()),
        reasoned=True,
    )
    yield Question(
        "reason",
        "text",
        {"en": "Why does it belong in this class?", "nl": "Waarom hoort het in deze klasse?"},
        "AI Act 6",
    )


def propose(system: AISystem, answers: Answers, rules: Rules) -> Proposal:
    """What the answers come to. Raises FormatError where a letter is not answered, or the exit of 6(3) cannot be."""
    letters = {letter.letter: letter for letter in rules.letters}
    _verify_letters(answers.article_5, letters, rules)
    _verify_points(answers, rules)
    classification = Classification(
        annex_iii=answers.annex_iii, annex_i=answers.annex_i, exit_6_3=_exit_of(answers), reason=answers.reason
    )
    same = {"classification": system.classification == classification, "use": system.use == answers.use}
    return Proposal(
        classification,
        answers.use,
        tuple(prohibited(answers, rules)),
        tuple(name for name, equal in same.items() if not equal),
    )


def prohibited(answers: Answers, rules: Rules) -> Iterator[Prohibited]:
    """The letters of Article 5 that were answered with yes, or without certainty."""
    letters = {letter.letter: letter for letter in rules.letters}
    for item in answers.article_5:
        letter = letters.get(item.letter)
        if item.applies != "no" and letter is not None:
            day = rules.dates[letter.date].day
            yield Prohibited(item.letter, item.applies == "yes", day, letter.question)


def _verify_letters(given: Sequence[Screening], letters: dict[str, Letter], rules: Rules) -> None:
    named = [item.letter for item in given]
    for index, name in enumerate(named):
        if name not in letters:
            raise FormatError(
                f"is no letter of Article 5; write {', '.join(letters)}", field=f"answers.article_5[{index}].letter"
            )
    missing = [name for name in letters if name not in named]
    if missing:
        raise FormatError(
            f"does not answer letter ({missing[0]}); answer each of {', '.join(letters)}, as rules {rules.version} ask",
            field="answers.article_5",
        )


def _verify_points(answers: Answers, rules: Rules) -> None:
    known = {"annex_iii": {point.id for point in rules.points}, "annex_i": {item.id for item in rules.products}}
    for name, ids in known.items():
        for index, given in enumerate(getattr(answers, name)):
            if given not in ids:
                raise FormatError(
                    "is no point of this annex; see `greffier classify`", field=f"answers.{name}[{index}]"
                )


def _exit_of(answers: Answers) -> str | None:
    """The condition of 6(3) that is claimed. Who profiles people has no exit (6(3), last subparagraph)."""
    claimed, path = answers.exit_6_3, f"answers.{_EXIT}"
    if claimed is None:
        return None
    if not answers.annex_iii:
        raise FormatError("is an exit from Annex III, and no point is named; write null", field=path)
    if answers.use.profiling:
        raise FormatError(
            "is refused: what profiles people is always high-risk (AI Act 6(3), last subparagraph); write null",
            field=path,
        )
    if not claimed.no_significant_risk:
        raise FormatError(
            "needs that there is no significant risk (AI Act 6(3)); write null, or true if that was assessed",
            field=f"{path}.no_significant_risk",
        )
    return claimed.condition
