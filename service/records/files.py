"""Exports of queries as CSV and Parquet, written as the rows come."""

from __future__ import annotations

import csv
import io
from typing import IO, Any, Final

from auditlog.store.decisions import decision_table
from auditlog.store.rollup import event_table
from service.records.query import Export

FORMATS: Final = ("csv", "parquet")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write_csv(export: Export, file: IO[bytes]) -> int:
    """RFC 4180 with a header line, in UTF-8; returns the number of rows.

    A text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection).
    """
    text, count = io.TextIOWrapper(file, encoding="utf-8", newline=""), 0
    writer = csv.writer(text)
    writer.writerow(export.columns)
    for batch in export.batches:
        writer.writerows([csv_cell(value) for value in row] for row in batch)
        count += len(batch)
    text.flush()
    text.detach()
    return count


def write_parquet(export: Export, file: IO[bytes]) -> int:
    """Row groups of 65,536, with log, size and root as metadata; returns the number of rows."""
    from auditlog.store import parquet  # noqa: PLC0415 (a portal need not hold its libraries in memory)

    table = event_table if "kind" in export.columns else decision_table
    said = {"origin": export.log.origin, "size": str(export.log.size), "root": export.log.root}
    return parquet.write_parquet(file, parquet.schema_of(table, export.columns, said), export.batches)


def csv_cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
