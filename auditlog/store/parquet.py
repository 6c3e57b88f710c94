"""Parquet files of decisions and of other entries, and an auditor's questions asked of them with DuckDB.

A file is written in row groups of 65,536 as the rows come, so that memory does not grow with their number. Its metadata
name log, size and root that it was read from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Table, Text

from auditlog.core.errors import FormatError
from auditlog.store.questions import Question, arguments, statement

_IN_MEMORY: Final[dict[str, str | bool | int | float | list[str]]] = {"temp_directory": ""}
_MANY = {"id"}
"""Texts of which no two are alike; all others repeat, and are stored as numbers of a dictionary."""


def schema_of(table: Table, columns: Sequence[str], stamp: Mapping[str, str]) -> pa.Schema:
    """Columns of a table as Parquet has them; `stamp` becomes metadata."""
    types = [(name, pa.string() if isinstance(table.c[name].type, Text) else pa.int64()) for name in columns]
    return pa.schema(types, metadata={f"greffier.{name}": value for name, value in stamp.items()})


def write_parquet(file: Any, schema: pa.Schema, batches: Iterable[Sequence[Sequence[Any]]]) -> int:
    """Write batches of rows (values in the schema's order) to a path or binary file; returns the number of rows."""
    count = 0
    repeated = [name for name in schema.names if name not in _MANY]
    with pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=repeated) as writer:
        for batch in batches:
            if batch:
                columns = [
                    pa.array(values, field.type) for values, field in zip(zip(*batch, strict=True), schema, strict=True)
                ]
                writer.write_batch(pa.record_batch(columns, schema=schema))
                count += len(batch)
    return count


def read_stamp(file: Path) -> dict[str, str]:
    """What `schema_of` noted. Raises FormatError for another file."""
    try:
        metadata = pq.read_schema(file).metadata or {}
    except (pa.ArrowInvalid, OSError):
        message = "is no Parquet file that can be read: give one that `greffier decisions --format parquet` wrote"
        raise FormatError(message, field="--parquet") from None
    prefix = b"greffier."
    return {
        key.removeprefix(prefix).decode(): value.decode() for key, value in metadata.items() if key.startswith(prefix)
    }


def names(file: Path, id_: str, place: tuple[int, int]) -> bool:
    """Whether a file has a record in it, by its id or by its place (log, index). True where it cannot be read."""
    try:
        with pq.ParquetFile(file) as opened:
            texts = [field.name for field in opened.schema_arrow if pa.types.is_string(field.type)]
            placed = [name for name in ("log", "idx") if name in opened.schema_arrow.names]
            for batch in opened.iter_batches(columns=[*texts, *placed]):
                if any(id_ in batch.column(name).to_pylist() for name in texts):
                    return True
                if len(placed) == 2 and place in zip(*[batch.column(name).to_pylist() for name in placed], strict=True):
                    return True
    except (pa.ArrowException, OSError):
        return True
    return False


def ask_files(
    question: Question, given: Mapping[str, Any], decisions: Path, events: Path | None = None
) -> list[dict[str, Any]]:
    """The answer to a question from Parquet files. Raises FormatError for a file that is missing or another one."""
    try:
        import duckdb  # noqa: PLC0415 (optional: for those who analyse files)
    except ModuleNotFoundError:
        raise FormatError("is not installed: pip install 'greffier[analysis]'", field="duckdb") from None
    needed: dict[str, Path | None] = {"decisions": decisions}
    if " events " in question.parquet:
        needed = {"events": events}
    # What does not fit into memory fails: it would lie about in a folder `.tmp`, with what the rows say.
    with duckdb.connect(config=_IN_MEMORY) as conn:
        for name, file in needed.items():
            if file is None:
                raise FormatError(f"{question.name} reads a file of entries of kind refused/1: give it", field=name)
            try:
                conn.from_parquet(str(file)).create_view(name)
            except (duckdb.Error, OSError):
                raise FormatError("is no Parquet file that can be read", field=name) from None
        sql, bound = statement(question.parquet, arguments(question, given))
        try:
            found = conn.execute(sql, bound)
            columns = [column[0] for column in found.description]
            return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
        except duckdb.BinderException:
            raise FormatError(f"lacks columns that {question.name} reads", field=next(iter(needed))) from None
        except duckdb.OutOfMemoryException:
            raise FormatError("needs more memory than there is: ask about a period", field=next(iter(needed))) from None
        except duckdb.Error:
            # Its own message may quote what stands in a row.
            message = "holds something else than was exported: export it again"
            raise FormatError(message, field=next(iter(needed))) from None
