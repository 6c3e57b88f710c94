"""What an explanation states: the same object for the same measurement, without a word of any language. Pure.

It is committed in `explanation/1`. Nothing in it is a model's own text: codes of fields and outcomes, values as they
were recorded or tried, and integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import Json, format_canonical
from registry.manifest import Manifest
from runtime.explain.question import REASONS, VERDICTS, Change, Effect, Explained, Found

FORMAT: Final = "statement/1"
STRENGTHS: Final = ("decided", "strong", "some", "little", "none")
CERTAINTIES: Final = ("all_wordings", "most_wordings", "own_wording")
# An effect below so many times the floor is none that was measured (see `runtime.explain.question`).
_FLOORS: Final = 3


@dataclass(frozen=True, slots=True)
class Detail:
    """What one field did. `effect_millinats`: of saying its neutral value instead, rounded towards 0."""

    field: str
    value: Json
    direction: str
    strength: str
    certainty: str
    effect_millinats: int


@dataclass(frozen=True, slots=True)
class Alternative:
    """A change that gave another outcome. `values`: what stood instead. `left_out`: sentences missing in a text.

    `threshold`: whether the number of `threshold_field` is the nearest "below" or "above" that does so; `beyond`:
    whether all that were tried further on do; None where there is none.
    """

    values: Mapping[str, Json]
    left_out: tuple[int, ...]
    outcome: str
    threshold: str | None
    threshold_field: str | None
    beyond: bool | None
    certainty: str


@dataclass(frozen=True, slots=True)
class Statement:
    """What is told of one result. `replay`: how exactly it was repeated, None where nothing ran."""

    system: str
    version: int
    outcome: str
    verdict: str
    reasons: tuple[str, ...]
    replay: str | None
    details: tuple[Detail, ...] = ()
    changes: tuple[Alternative, ...] = ()
    protected: tuple[str, ...] = ()
    tried: int = 0
    wordings: int = 0
    seed: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The result that is explained: of which system and version, and its recorded outcome."""

    system: str
    version: int
    outcome: str


def withheld(result: Result, reason: str, replay: str | None = None) -> Statement:
    """The statement where nothing was measured."""
    return Statement(result.system, result.version, result.outcome, "withheld", (reason,), replay)


def state(result: Result, manifest: Manifest, values: Mapping[str, Json], explained: Explained) -> Statement:
    """The statement of what was measured. `values` by field id, as recorded."""
    found = explained.found
    if found is None:
        unable = explained.replay_verdict == "not_replayable"  # the weights are not here, or this build cannot run them
        return withheld(result, "model_missing" if unable else "not_repeated", explained.replay_verdict)
    told = found.verdict == "explained"
    aside = found.verdict == "set_aside"
    return Statement(
        system=result.system,
        version=result.version,
        outcome=result.outcome,
        verdict=found.verdict,
        reasons=found.reasons if found.verdict == "withheld" else (),
        replay=explained.replay_verdict,
        details=_details(found, values) if told else (),
        changes=tuple(_change(one, found, manifest) for one in found.changes) if told else (),
        protected=tuple(dict.fromkeys(name for one in found.protected for name, _ in one.values)) if aside else (),
        tried=found.tried.variants,
        wordings=found.tried.wordings,
        seed=found.seed,
    )


def _details(found: Found, values: Mapping[str, Json]) -> tuple[Detail, ...]:
    """The strongest first; those that could change the outcome alone before all others."""
    deciding = {one.values[0][0] for one in found.changes if len(one.values) == 1}
    largest = max((abs(one.used) for one in found.effects), default=0)
    ordered = sorted(found.effects, key=lambda one: (one.field not in deciding, -abs(one.used)))
    return tuple(_detail(one, found, values, largest, decided=one.field in deciding) for one in ordered)


def _detail(effect: Effect, found: Found, values: Mapping[str, Json], largest: int, *, decided: bool) -> Detail:
    least = _FLOORS * found.floor
    sign = _sign(effect.used, least)
    agreeing = sum(_sign(one, least) == sign for one in effect.effects)
    return Detail(
        field=effect.field,
        value=values.get(effect.field),
        direction={1: "for", -1: "against", 0: "none"}[sign],
        strength="decided" if decided else _strength(abs(effect.used), least, largest),
        certainty=_certainty(agreeing, len(effect.effects)),
        effect_millinats=int(effect.used / 1000),
    )


def _sign(effect: int, least: int) -> int:
    if abs(effect) < least:
        return 0
    return 1 if effect > 0 else -1


def _strength(size: int, least: int, largest: int) -> str:
    if size < least:
        return "none"
    if 2 * size >= largest:
        return "strong"
    return "some" if 5 * size >= largest else "little"


def _certainty(agreeing: int, wordings: int) -> str:
    if agreeing == wordings:
        return "all_wordings"
    return "most_wordings" if 2 * agreeing > wordings else "own_wording"


def _change(change: Change, found: Found, manifest: Manifest) -> Alternative:
    threshold = change.threshold
    return Alternative(
        values={name: cast("Json", value) for name, value in change.values},
        left_out=change.left_out,
        outcome=change.outcome,
        threshold=None if threshold is None else threshold.side,
        threshold_field=None if threshold is None else threshold.field,
        # Beyond the bound of the schema there is no number that could have been tried.
        beyond=None if threshold is None or _is_bound(manifest, threshold.field, threshold.value) else threshold.beyond,
        certainty=_certainty(change.agreeing, found.tried.wordings),
    )


def _is_bound(manifest: Manifest, name: str, value: int) -> bool:
    schema: Any = next((field.schema for field in manifest.fields if field.id == name), {})
    return value in (schema.get("minimum"), schema.get("maximum"))


def format_statement(statement: Statement) -> dict[str, Json]:
    """As the JSON object that is committed."""
    made = {"format": FORMAT, **asdict(statement)}
    return cast("dict[str, Json]", _lists(made))


def _lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _lists(one) for name, one in value.items()}
    return [_lists(one) for one in value] if isinstance(value, list | tuple) else value


def parse_statement(value: Json) -> Statement:
    """What `format_statement` wrote. Raises FormatError for anything else, with the member's name."""
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise FormatError(f"is not {FORMAT}", field="statement.format")
    members: Any = {name: one for name, one in value.items() if name != "format"}
    try:
        statement = Statement(
            **{
                **members,
                "reasons": tuple(members["reasons"]),
                "details": tuple(Detail(**one) for one in members["details"]),
                "changes": tuple(
                    Alternative(**{**one, "left_out": tuple(one["left_out"])}) for one in members["changes"]
                ),
                "protected": tuple(members["protected"]),
            }
        )
    except (TypeError, KeyError):
        raise FormatError("lacks a member, or has one more", field="statement") from None
    _demand_codes(statement)
    return statement


def _demand_codes(statement: Statement) -> None:
    if statement.verdict not in VERDICTS:
        raise FormatError(f"must be one of {', '.join(VERDICTS)}", field="statement.verdict")
    if any(reason not in REASONS for reason in statement.reasons):
        raise FormatError("has a code that is no reason", field="statement.reasons")
    if any(one.strength not in STRENGTHS or one.certainty not in CERTAINTIES for one in statement.details):
        raise FormatError("has a code that is no strength, or no certainty", field="statement.details")
    if any(one.certainty not in CERTAINTIES for one in statement.changes):
        raise FormatError("has a code that is no certainty", field="statement.changes")


def differing(earlier: Mapping[str, Json], later: Mapping[str, Json]) -> list[str]:
    """Names of the members in which two statements (as JSON) differ, in the order of the alphabet."""
    shared = earlier.keys() & later.keys()
    return sorted(
        (earlier.keys() ^ later.keys()) | {one for one in shared if _bytes(earlier[one]) != _bytes(later[one])}
    )


def _bytes(value: Json) -> bytes:
    return format_canonical(value, fractions=True)
