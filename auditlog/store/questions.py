"""Ten questions of an auditor under names of their own: THE table of them, and how one is asked of the database.

Nine are answered from the roll-up that the writer keeps (`auditlog_rollup`), hence as fast over ten million decisions
as over ten thousand; one follows an index. Each stands beside the same question for DuckDB over Parquet files of
decisions and events (`auditlog.store.parquet`), with the same answer as long as nothing was erased: the roll-up counts
what is gone, too. Only results of modes live and pilot are counted. Periods are days of UTC.
"""
# ruff: noqa: S608 - the statements are put together from words that stand here

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, text

from auditlog.core.counting.figures import COUNTED_MODES, LATENCY_BOUNDS_MS, REVIEW_BOUNDS_MIN
from auditlog.core.entries.record import parse_time
from auditlog.core.entries.vocabulary import MEANING, PATTERNS
from auditlog.core.errors import FormatError, NotFound

_LONGEST = 999_999_999
"""Stands for the last bucket, which has no upper end."""
_DAYS = tuple(bound // 1440 for bound in REVIEW_BOUNDS_MIN if bound % 1440 == 0)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that a question can be asked about. Without `default` it must be given, unless it may be null."""

    name: str
    type: Literal["day", "slug", "id", "days", "limit"]
    doc: str
    default: str | int | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """`sql` is for both databases (`STARTS(cell, 'x')` in it: see `_dialect`), `parquet` for DuckDB.

    `content`: whether it counts what is in the records (outcomes, reviews), which an operator does not see.
    """

    name: str
    doc: str
    parameters: tuple[Parameter, ...]
    sql: str
    parquet: str
    content: bool = False


_PERIOD = (
    Parameter("since", "day", "first day", "0001-01-01"),
    Parameter("until", "day", "day after the last", "9999-12-31"),
    Parameter("system", "slug", "one system alone"),
)
_MODES = ", ".join(f"'{mode}'" for mode in COUNTED_MODES)
_CELLS = (
    "FROM auditlog_rollup WHERE day >= :since AND day < :until "
    "AND (CAST(:system AS TEXT) IS NULL OR system = CAST(:system AS TEXT))"
)
_COUNTED = f"{_CELLS} AND mode IN ({_MODES})"
_FILED = (
    "WHERE minute >= :since AND minute < :until "
    "AND (CAST(:system AS TEXT) IS NULL OR coalesce(system, '') = CAST(:system AS TEXT))"
)
_ROWS = f"FROM decisions {_FILED} AND mode IN ({_MODES})"
_BUCKET = (
    "CASE "
    + " ".join(f"WHEN total_us <= {bound * 1000} THEN {bound}" for bound in LATENCY_BOUNDS_MS)
    + f" ELSE {_LONGEST} END"
)


def _summed(*cells: str) -> str:
    return f"CAST(sum(CASE WHEN {' OR '.join(cells)} THEN number ELSE 0 END) AS BIGINT)"


_P95 = """, running AS (
  SELECT system, bound, sum(n) OVER (PARTITION BY system ORDER BY bound) AS reached,
         sum(n) OVER (PARTITION BY system) AS total FROM buckets)
SELECT system, CAST(max(total) AS BIGINT) AS results, min(bound) AS p95_at_most_ms FROM running
WHERE reached * 100 >= total * 95 GROUP BY system ORDER BY p95_at_most_ms DESC, system"""

QUESTIONS: tuple[Question, ...] = (
    Question(
        "volume",
        "results by month and system",
        _PERIOD,
        f"""SELECT substr(day, 1, 7) AS month, system, CAST(sum(number) AS BIGINT) AS decisions {_COUNTED}
            AND cell = 'decisions' GROUP BY substr(day, 1, 7), system ORDER BY month, system""",
        f"""SELECT substr(minute, 1, 7) AS month, system, count(*) AS decisions {_ROWS}
            GROUP BY ALL ORDER BY month, system""",
    ),
    Question(
        "outcomes",
        "outcomes by system and version, and their share in a thousand of the version's results",
        _PERIOD,
        f"""WITH counts AS (SELECT system, version, substr(cell, 10) AS outcome, sum(number) AS n {_COUNTED}
              AND STARTS(cell, 'outcomes.') GROUP BY system, version, substr(cell, 10))
            SELECT system, version, outcome, CAST(n AS BIGINT) AS decisions,
              CAST(1000 * CAST(n AS BIGINT) / CAST(sum(n) OVER (PARTITION BY system, version) AS BIGINT) AS BIGINT)
              AS permille FROM counts ORDER BY system, version, outcome""",
        f"""WITH counts AS (SELECT system, version, outcome, count(*) AS n {_ROWS} AND outcome IS NOT NULL GROUP BY ALL)
            SELECT system, version, outcome, n AS decisions,
              1000 * n // sum(n) OVER (PARTITION BY system, version) AS permille
            FROM counts ORDER BY system, version, outcome""",
        content=True,
    ),
    Question(
        "unreviewed",
        "results that nobody reviewed, by month and system, and their share in a thousand",
        _PERIOD,
        f"""WITH counts AS (SELECT substr(day, 1, 7) AS month, system, {_summed("cell = 'decisions'")} AS decisions,
              {_summed("cell = 'reviewed'")} AS reviewed {_COUNTED} AND cell IN ('decisions', 'reviewed')
              GROUP BY substr(day, 1, 7), system)
            SELECT month, system, decisions, decisions - reviewed AS unreviewed,
              1000 * (decisions - reviewed) / decisions AS permille FROM counts WHERE decisions > 0
              ORDER BY month, system""",
        f"""SELECT substr(minute, 1, 7) AS month, system, count(*) AS decisions,
              count(*) FILTER (review IS NULL) AS unreviewed,
              1000 * count(*) FILTER (review IS NULL) // count(*) AS permille {_ROWS}
            GROUP BY month, system ORDER BY month, system""",
        content=True,
    ),
    Question(
        "overrides",
        "results whose latest review overrode them, by month and system",
        _PERIOD,
        f"""WITH counts AS (SELECT substr(day, 1, 7) AS month, system, {_summed("cell = 'reviews.override'")}
              - {_summed("cell = 'reviews.replaced.override'")} AS overrides {_COUNTED}
              AND cell IN ('reviews.override', 'reviews.replaced.override') GROUP BY substr(day, 1, 7), system)
            SELECT month, system, overrides FROM counts WHERE overrides > 0 ORDER BY month, system""",
        f"""SELECT substr(minute, 1, 7) AS month, system, count(*) AS overrides {_ROWS} AND review = 'override'
            GROUP BY ALL ORDER BY month, system""",
        content=True,
    ),
    Question(
        "slowest",
        f"the time that 95 of 100 results kept within, by system, the slowest first ({_LONGEST}: above all buckets)",
        _PERIOD,
        f"""WITH buckets AS (
              SELECT system, CAST(replace(substr(cell, 9), 'longer', '{_LONGEST}') AS INTEGER) AS bound,
                sum(number) AS n {_COUNTED} AND STARTS(cell, 'latency.') AND cell <> 'latency.unknown'
              GROUP BY system, cell){_P95}""",
        f"""WITH buckets AS (
              SELECT system, {_BUCKET} AS bound, count(*) AS n {_ROWS} AND total_us IS NOT NULL GROUP BY ALL){_P95}""",
    ),
    Question(
        "refusals",
        "requests that the program refused to decide, by month, system and reason",
        _PERIOD,
        f"""SELECT substr(day, 1, 7) AS month, system, substr(cell, 10) AS reason,
              CAST(sum(number) AS BIGINT) AS refusals {_CELLS}
              AND STARTS(cell, 'refusals.') GROUP BY substr(day, 1, 7), system, cell
            ORDER BY month, system, reason""",
        f"""SELECT substr(minute, 1, 7) AS month, coalesce(system, '') AS system, code AS reason, count(*) AS refusals
            FROM events {_FILED} AND kind = 'refused/1' GROUP BY ALL ORDER BY month, system, reason""",
    ),
    Question(
        "usage",
        "tokens and cost (in millionths) by month and system",
        _PERIOD,
        f"""SELECT substr(day, 1, 7) AS month, system, cell AS measure, CAST(sum(number) AS BIGINT) AS total {_COUNTED}
            AND (cell IN ('tokens.prompt', 'tokens.output') OR (STARTS(cell, 'cost.') AND cell <> 'cost.unknown'))
            GROUP BY substr(day, 1, 7), system, cell ORDER BY month, system, measure""",
        f"""WITH chosen AS (SELECT * {_ROWS}), measures AS (
              SELECT minute, system, 'tokens.prompt' AS measure, prompt_tokens AS n FROM chosen
                WHERE prompt_tokens IS NOT NULL AND output_tokens IS NOT NULL
              UNION ALL SELECT minute, system, 'tokens.output', output_tokens FROM chosen
                WHERE prompt_tokens IS NOT NULL AND output_tokens IS NOT NULL
              UNION ALL SELECT minute, system, 'cost.' || currency, cost_millionths FROM chosen
                WHERE currency IS NOT NULL AND cost_millionths IS NOT NULL)
            SELECT substr(minute, 1, 7) AS month, system, measure, CAST(sum(n) AS BIGINT) AS total FROM measures
            GROUP BY ALL ORDER BY month, system, measure""",
    ),
    Question(
        "boot",
        "results of one worker process, the first ones first",
        (
            Parameter("boot", "id", "the worker process, as in its `boot/1` entry", required=True),
            Parameter("limit", "limit", "at most so many", 100),
        ),
        """SELECT n, minute, log, idx, system, version, mode FROM auditlog_decision
            WHERE boot = :boot ORDER BY minute, log, idx LIMIT :limit""",
        """SELECT n, minute, log, idx, system, version, mode FROM decisions
            WHERE boot = :boot ORDER BY minute, log, idx LIMIT :limit""",
    ),
    Question(
        "late-reviews",
        "results whose first review came more than so many days later, by month and system",
        (*_PERIOD, Parameter("days", "days", f"one of {', '.join(map(str, _DAYS))}", 7)),
        f"""WITH counts AS (SELECT substr(day, 1, 7) AS month, system, CAST(sum(CASE
              WHEN CAST(replace(substr(cell, 13), 'longer', '{_LONGEST}') AS INTEGER) > :days * 1440
              THEN number ELSE 0 END) AS BIGINT) AS late {_COUNTED} AND STARTS(cell, 'review_time.')
              GROUP BY substr(day, 1, 7), system)
            SELECT month, system, late FROM counts WHERE late > 0 ORDER BY month, system""",
        f"""SELECT substr(minute, 1, 7) AS month, system, count(*) AS late {_ROWS} AND waited > :days * 1440
            GROUP BY ALL ORDER BY month, system""",
        content=True,
    ),
    Question(
        "silent",
        "systems without a result since a day, with the day of their last one",
        (Parameter("since", "day", "the first day of silence", required=True),),
        f"""SELECT system, max(day) AS last FROM auditlog_rollup WHERE cell = 'decisions' AND mode IN ({_MODES})
            GROUP BY system HAVING max(day) < :since ORDER BY system""",
        f"""SELECT system, substr(max(minute), 1, 10) AS last FROM decisions WHERE mode IN ({_MODES})
            GROUP BY system HAVING last < :since ORDER BY system""",
    ),
)
BY_NAME: Mapping[str, Question] = {question.name: question for question in QUESTIONS}

_STARTS = re.compile(r"STARTS\((\w+), '([\w.]+)'\)")


def question_of(name: str) -> Question:
    """Raises NotFound that lists the names there are."""
    if name not in BY_NAME:
        raise NotFound(f"no question has this name; there are {', '.join(BY_NAME)}", field="question")
    return BY_NAME[name]


def ask(conn: Connection, question: Question, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the answer, column → value. Raises as `arguments` does."""
    sql = text(_STARTS.sub(_dialect(conn.dialect.name), question.sql))
    return [dict(row) for row in conn.execute(sql, arguments(question, given)).mappings()]


def arguments(question: Question, given: Mapping[str, Any]) -> dict[str, Any]:
    """The value of each parameter. Raises FormatError for one that is missing, not known, or of another form."""
    for name in given:
        if name not in {one.name for one in question.parameters}:
            raise FormatError(f"is no parameter of {question.name}", field=name)
    found: dict[str, Any] = {}
    for one in question.parameters:
        value = given.get(one.name)
        if value is None and one.required:
            raise FormatError(f"must be given: {one.doc}", field=one.name)
        found[one.name] = one.default if value is None else _checked(one, value)
    return found


def _checked(one: Parameter, value: Any) -> Any:
    if one.type == "day":
        try:
            parse_time(f"{value}T00:00Z")
        except FormatError:
            raise FormatError("must be a day, YYYY-MM-DD", field=one.name) from None
    elif one.type in ("days", "limit"):
        allowed: Sequence[int] = _DAYS if one.type == "days" else range(1, 1001)
        if type(value) is not int or value not in allowed:
            wanted = one.doc if one.type == "days" else "1 to 1000"
            raise FormatError(f"must be {wanted}", field=one.name)
    else:
        type_: Literal["slug", "id"] = "id" if one.type == "id" else "slug"
        if not isinstance(value, str) or PATTERNS[type_].fullmatch(value) is None:
            raise FormatError(f"must be {MEANING[type_]}", field=one.name)
    return value


def statement(sql: str, bound: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The same statement with parameters as DuckDB writes them, and those of them that it has."""
    names = {name for name in bound if re.search(rf":{name}\b", sql)}
    return re.sub(r":(\w+)", r"$\1", sql), {name: bound[name] for name in names}


def _dialect(name: str) -> str:
    """What an index can follow: GLOB on SQLite; LIKE on PostgreSQL, whose index there has text_pattern_ops."""
    return r"\1 GLOB '\2*'" if name == "sqlite" else r"\1 LIKE '\2%'"
