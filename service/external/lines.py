"""One decision made elsewhere, as its sender states it: read strictly, member by member.

Either the content is handed in (`Reported`: we commit to it and seal it), or the sender keeps it and hands in
commitments alone (`Committed`). Errors name the member; what stood in it is never repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias, cast

from auditlog.core.entries.vocabulary import ENERGY_METHODS, FIELD_ID, INPUT_PREFIX, MAX_UINT, PATTERNS
from auditlog.core.formats.canonical import Json
from auditlog.vault.references import Refs
from auditlog.vault.subjects import normalise_all
from home.errors import UsageError, asked

MAX_SUBJECTS: Final = 16
FIXED: Final = ("output", "outcome", "subjects", "parent", "usage", "run", "times")
"""What a decision commits to beside its input fields."""
NUMBERS: Final = (
    "prompt_tokens",
    "output_tokens",
    "queue_us",
    "first_us",
    "total_us",
    "energy_uj",
    "cost_millionths",
)

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_CODE: Final = re.compile(r"[a-z0-9_]{1,40}")
_HEX: Final = re.compile(r"[0-9a-f]*")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_COMMON: Final = frozenset({"system", "source", "n", "version"})
_TOLD: Final = _COMMON | {
    *("decided", "input", "output", "outcome", "subjects", "case", "conversation", "parent", "usage"),
}
_COMMITTED: Final = _COMMON | {"commitments"}
_BEGIN: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Reported:
    """A decision with its content. `version`: the one that decided; None for the running one. `decided` is in UTC."""

    system: str
    source: str
    n: int
    version: int | None
    decided: datetime
    inputs: dict[str, Json] = field(repr=False)
    output: Json = field(repr=False)
    outcome: str = field(repr=False)
    subjects: tuple[str, ...] = field(repr=False)
    case: str | None = field(repr=False)
    conversation: str | None = field(repr=False)
    parent: str | None = field(repr=False)
    usage: dict[str, Json] | None = field(repr=False)

    @property
    def refs(self) -> Refs:
        """Case and conversation, as they were given."""
        return Refs(self.case, self.conversation)


@dataclass(frozen=True, slots=True)
class Committed:
    """A decision whose content stays with its sender. `commitments`: field → 64 hex digits."""

    system: str
    source: str
    n: int
    version: int | None
    commitments: dict[str, str]


Line: TypeAlias = "Reported | Committed"


def parse_line(value: Json, *, system: str | None = None) -> Line:
    """A line from its JSON value. `system`: the one that all lines are of; a line may leave it out then.

    Raises UsageError with the member's name.
    """
    if not isinstance(value, dict):
        raise UsageError("must be a JSON object, one for each decision")
    committed = "commitments" in value
    unknown = value.keys() - (_COMMITTED if committed else _TOLD)
    if unknown:
        # Their names are the sender's words.
        beside = " beside its commitments, which stand instead of content" if committed else ""
        raise UsageError(f"has {len(unknown)} member(s) that a record does not have{beside}")
    given = {"system": system, **value} if system is not None else value
    slug = _matching(given, "system", PATTERNS["slug"], "the system's slug")
    if system is not None and slug != system:
        raise UsageError("is another system than the one that was named", field="system")
    source = _matching(given, "source", PATTERNS["slug"], "1 to 64 of a-z, 0-9 and -")
    n = _whole(given, "n", 1)
    version = None if given.get("version") is None else _whole(given, "version", 1)
    if committed:
        return Committed(slug, source, n, version, _commitments(given["commitments"]))
    return Reported(
        slug,
        source,
        n,
        version,
        decided=_moment(given),
        inputs=_object(given, "input"),
        output=_output(given),
        outcome=_matching(given, "outcome", _CODE, "the code of an outcome"),
        subjects=_subjects(given.get("subjects")),
        case=_reference(given, "case"),
        conversation=_reference(given, "conversation"),
        parent=_parent(given),
        usage=None if given.get("usage") is None else _usage(_object(given, "usage")),
    )


def _needed(given: Mapping[str, Json], name: str) -> Json:
    value = given.get(name)
    if value is None:
        raise UsageError("is missing", field=name)
    return value


def _output(given: Mapping[str, Json]) -> Json:
    """Null only where there was none: its outcome says then why, which the version's schema decides."""
    if "output" not in given:
        raise UsageError("is missing", field="output")
    return given["output"]


def _matching(given: Mapping[str, Json], name: str, pattern: re.Pattern[str], what: str) -> str:
    value = _needed(given, name)
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise UsageError(f"must be {what}", field=name)
    return value


def _whole(given: Mapping[str, Json], name: str, least: int) -> int:
    value = _needed(given, name)
    if type(value) is not int or not least <= value <= MAX_UINT:
        raise UsageError(f"must be a whole number from {least} to 2^53-1", field=name)
    return value


def _object(given: Mapping[str, Json], name: str) -> dict[str, Json]:
    value = _needed(given, name)
    if not isinstance(value, dict):
        raise UsageError("must be an object", field=name)
    return value


def _moment(given: Mapping[str, Json]) -> datetime:
    value = _needed(given, "decided")
    if isinstance(value, str) and _TIME.fullmatch(value) is not None:
        try:
            moment = datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        else:
            if moment >= _BEGIN:
                return moment
    raise UsageError("must be a time since 2000 with its zone, such as 2026-11-24T08:15:00Z", field="decided")


def _subjects(value: Json) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_SUBJECTS:
        raise UsageError(f"must be a list of at most {MAX_SUBJECTS} references", field="subjects")
    texts = tuple(one for one in value if isinstance(one, str))
    if len(texts) < len(value):
        raise UsageError("must be a list of texts", field="subjects")
    return _normalisable(texts, "subjects")


def _reference(given: Mapping[str, Json], name: str) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise UsageError("must be a text", field=name)
    return _normalisable((value,), name)[0]


def _normalisable(texts: tuple[str, ...], name: str) -> tuple[str, ...]:
    try:
        with asked():
            normalise_all(texts)
    except UsageError as error:
        raise UsageError(str(error).removeprefix(f"{error.field}: "), field=name) from None
    return texts


def _parent(given: Mapping[str, Json]) -> str | None:
    if given.get("parent") is None:
        return None
    return _matching(given, "parent", PATTERNS["id"], "the id of the record of the step before")


def _usage(given: dict[str, Json]) -> dict[str, Json]:
    """All members of a record's usage but the tariff's date; null where nothing was stated."""
    unknown = given.keys() - {*NUMBERS, "energy_method", "currency"}
    if unknown:
        raise UsageError(f"has {len(unknown)} member(s) that usage does not have", field="usage")
    for name in NUMBERS:
        value = given.get(name)
        if value is not None and (type(value) is not int or not 0 <= value <= MAX_UINT):
            raise UsageError("must be a whole number from 0 to 2^53-1, or null", field=f"usage.{name}")
    _demand_code(given, "energy_method", lambda text: text in ENERGY_METHODS, f"one of {', '.join(ENERGY_METHODS)}")
    _demand_code(given, "currency", _CURRENCY.fullmatch, "three capital letters, such as EUR")
    for one, other in (("cost_millionths", "currency"), ("energy_uj", "energy_method")):
        if given.get(one) is not None and given.get(other) is None:
            raise UsageError(f"is needed beside {one}", field=f"usage.{other}")
    if given.get("currency") is not None and given.get("cost_millionths") is None:
        raise UsageError("is needed beside currency", field="usage.cost_millionths")
    return {name: given.get(name) for name in (*NUMBERS, "energy_method", "currency")}


def _demand_code(given: Mapping[str, Json], name: str, fits: Callable[[str], Any], what: str) -> None:
    value = given.get(name)
    if value is not None and not (isinstance(value, str) and fits(value)):
        raise UsageError(f"must be {what}, or null", field=f"usage.{name}")


def _commitments(value: Json) -> dict[str, str]:
    """Names of a decision's fields and well-formed digests; which inputs there are, the version says."""
    if not isinstance(value, dict):
        raise UsageError("must be an object: field → commitment", field="commitments")
    if _are_fields(frozenset(value)) and _are_digests([*value.values()]):
        return cast("dict[str, str]", value)  # what follows would find nothing, member by member
    for name in FIXED:
        if name not in value:
            raise UsageError("is missing", field=f"commitments.{name}")
    for name, digest in value.items():
        if name not in FIXED and not _is_input(name):
            raise UsageError("has a member that is no field of a decision", field="commitments")
        if not isinstance(digest, str) or PATTERNS["hash"].fullmatch(digest) is None:
            raise UsageError("must be 64 lower-case hex digits", field=f"commitments.{name}")
    return cast("dict[str, str]", value)


@lru_cache(maxsize=256)
def _are_fields(names: frozenset[str]) -> bool:
    return names.issuperset(FIXED) and all(map(_is_input, names.difference(FIXED)))


def _is_input(name: str) -> bool:
    return name.startswith(INPUT_PREFIX) and FIELD_ID.fullmatch(name, len(INPUT_PREFIX)) is not None


def _are_digests(values: Sequence[Json]) -> bool:
    if not all(type(value) is str and len(value) == 64 for value in values):
        return False
    return _HEX.fullmatch("".join(cast("Sequence[str]", values))) is not None
