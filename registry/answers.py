"""Answers about the class of a system (`greffier-answers/1`): what was asked, what was answered, and why. Pure.

Who answered, when, and by which rules stands beside them in the register.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from registry import declaration
from registry.canonical import Json, format_canonical, parse_json
from registry.declaration import Many, Part, declared
from registry.errors import FormatError
from registry.parts.law import EXITS, Use
from registry.parts.value_types import ANNEX_I, ANNEX_III
from registry.values import Code, Flag, Multilingual, Text, Words

FORMAT: Final = "greffier-answers/1"
SCREENED: Final = Code(
    {
        "no": {"en": "no", "nl": "nee"},
        "yes": {"en": "yes", "nl": "ja"},
        "unsure": {"en": "not certain", "nl": "niet zeker"},
    }
)
_REASON: Final = Multilingual(2000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """The answer to one letter of Article 5. `applies`: whether the system does what the letter prohibits."""

    letter: str = field(
        metadata=declared(Text(3, pattern=r"[a-z]{1,3}", example="the letter, as a or ba"), en="Letter", nl="Onderdeel")
    )
    applies: str = field(metadata=declared(SCREENED, en="Does it?", nl="Doet het dat?"))
    reason: Words = field(metadata=declared(_REASON, en="Why", nl="Waarom"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """The claim that a use of Annex III is not high-risk (AI Act 6(3)); to be documented (6(4))."""

    condition: str = field(metadata=declared(EXITS, en="Condition", nl="Voorwaarde"))
    no_significant_risk: bool = field(
        metadata=declared(
            Flag(),
            en="No significant risk for health, safety or fundamental rights",
            nl="Geen aanzienlijk risico voor gezondheid, veiligheid of grondrechten",
        )
    )
    reason: Words = field(metadata=declared(_REASON, en="Why", nl="Waarom"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """All answers of one round. `rules`: the version of the rules whose questions they answer."""

    rules: str = field(metadata=declared(Text(20), en="Rules", nl="Regels"))
    use: Use = field(metadata=declared(Part(Use), en="Facts about the use", nl="Feiten over het gebruik"))
    article_5: tuple[Screening, ...] = field(
        metadata=declared(Many(Part(Screening)), en="Article 5", nl="Artikel 5", article="AI Act 5")
    )
    annex_iii: tuple[str, ...] = field(metadata=declared(Many(ANNEX_III), en="Annex III", nl="Bijlage III"))
    annex_i: tuple[str, ...] = field(metadata=declared(Many(ANNEX_I), en="Annex I", nl="Bijlage I"))
    exit_6_3: Exit | None = field(
        metadata=declared(Part(Exit), en="Exit under 6(3)", nl="Uitzondering van 6(3)", presence="nullable")
    )
    reason: Words = field(metadata=declared(_REASON, en="Reason of the class", nl="Reden van de klasse"))
    controls_input: bool | None = field(
        metadata=declared(
            Flag(),
            en="The input data are under our control",
            nl="De invoergegevens zijn onder onze controle",
            presence="omitted",
            article="AI Act 26(4)",
        ),
        default=None,
    )
    controls_logs: bool | None = field(
        metadata=declared(
            Flag(),
            en="The logs are under our control",
            nl="De logs zijn onder onze controle",
            presence="omitted",
            article="AI Act 26(6)",
        ),
        default=None,
    )
    changed_significantly: bool | None = field(
        metadata=declared(
            Flag(),
            en="Its design changed significantly since the date on which its duties began",
            nl="Het ontwerp is ingrijpend veranderd sinds de dag waarop de plichten begonnen",
            presence="omitted",
            article="AI Act 111(2)",
        ),
        default=None,
    )


def parse_answers(data: bytes) -> Answers:
    """Read a file of answers. Raises FormatError: path of the member, rule, what to write."""
    value = parse_json(data, what="answers")
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise FormatError(f'is not {FORMAT}; begin the file with "format": "{FORMAT}"', field="answers.format")
    members = {name: item for name, item in value.items() if name != "format"}
    answers = declaration.parse_object(Answers, members, "answers")
    letters = [item.letter for item in answers.article_5]
    if len(set(letters)) != len(letters):
        raise FormatError("answers a letter twice; keep one of them", field="answers.article_5")
    return answers


def format_answers(answers: Answers) -> bytes:
    """Canonical JSON: what `parse_answers` reads, in its one form."""
    value: dict[str, Json] = {"format": FORMAT, **declaration.format_object(answers)}
    return format_canonical(value)
