"""The register as a sheet, CSV (RFC 4180, UTF-8) or XLSX, out and in: a row a system, columns by `columns`.

What a spreadsheet would run as a formula goes out as text (CWE-1236) and comes back as it was. A file that was changed
elsewhere is taken by line: each wrong line says what is wrong with it, and the action takes all lines or none.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from registry.canonical import Json
from registry.errors import FormatError
from registry.exchange import workbook
from registry.exchange.columns import Column, cells, find_column, read_row
from registry.exchange.drafts import checked, leaves
from registry.exchange.transfer import Exported, Fault, Imported, Lost, Source
from registry.system import format_system

MOST_BYTES: Final = 10_000_000
MOST_ROWS: Final = 20_000
MOST_COLUMNS: Final = 2_000
_FORMULA: Final = re.compile(r"'*\s*[=+\-@＝＋－＠]|'*[\t\r\n]")


def to_csv(sources: Sequence[Source]) -> Exported:
    """The records as CSV with a line of ids and a line a system."""
    output = io.StringIO()
    writer = csv.writer(output)
    header, rows = _table(sources)
    writer.writerow(header)
    writer.writerows([guarded(text) for text in row] for row in rows)
    data = output.getvalue().encode()
    return Exported(data, (), _lost(sources, from_csv(data)))


def to_xlsx(sources: Sequence[Source]) -> Exported:
    """The records as a workbook with one sheet, each cell a text; a second sheet says what each column is."""
    header, rows = _table(sources)
    columns = [column for column in (find_column(path) for path in header) if column is not None]
    data = workbook.write([header, *rows], [(column.path, column.label) for column in columns])
    return Exported(data, (), _lost(sources, from_xlsx(data)))


def from_csv(data: bytes) -> tuple[Imported, ...]:
    """Drafts out of CSV, one a line, comma or semicolon. Raises FormatError where it is no table that can be read."""
    text = _decoded(data)
    first = text.split("\n", 1)[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        what = "is no CSV that can be read: a quote is not closed, or a cell has more than 131,072 characters"
        raise FormatError(what, field="file") from None
    return _drafts([[unguarded(cell) for cell in row] for row in rows])


def from_xlsx(data: bytes) -> tuple[Imported, ...]:
    """Drafts out of the first sheet of a workbook. Raises FormatError where it is no table that can be read."""
    if len(data) > MOST_BYTES:
        raise FormatError(f"is larger than {MOST_BYTES // 1_000_000} MB; split it", field="file")
    return _drafts(workbook.read(data, rows=MOST_ROWS, columns=MOST_COLUMNS))


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe before what begins like one."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """The cell without the apostrophe that `guarded` put before it."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def _table(sources: Sequence[Source]) -> tuple[list[str], list[list[str]]]:
    found = [cells(format_system(source.system)) for source in sources]
    header = sorted({path for row in found for path in row}, key=_place)
    return header, [[row.get(path, "") for path in header] for row in found]


def _place(path: str) -> tuple[object, ...]:
    """Slug first; then the members by name, with numbers counted."""
    parts = [(0, int(name), "") if name.isdigit() else (1, 0, name) for name in path.split(".")]
    return (path != "slug", parts)


def _decoded(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise FormatError(f"is larger than {MOST_BYTES // 1_000_000} MB; split it", field="file")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:1_000]:
        raise FormatError("is UTF-16; save it as CSV UTF-8", field="file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FormatError(f"is not UTF-8 (line {line}); save it as CSV UTF-8", field="file") from None


def _drafts(rows: Sequence[Sequence[str]]) -> tuple[Imported, ...]:
    if not rows or not any(cell.strip() for cell in rows[0]):
        raise FormatError("has no line of column ids; the first line names them, as slug and name.en", field="file")
    if len(rows) > MOST_ROWS or len(rows[0]) > MOST_COLUMNS:
        raise FormatError(f"has more than {MOST_ROWS} lines or {MOST_COLUMNS} columns; split it", field="file")
    header = [cell.strip() for cell in rows[0]]
    columns = [find_column(path) for path in header]
    _demand_columns(header, columns)
    found = [
        _draft(header, columns, row, line) for line, row in enumerate(rows[1:], 2) if any(cell.strip() for cell in row)
    ]
    return tuple(_unique(found))


def _demand_columns(header: Sequence[str], columns: Sequence[Column | None]) -> None:
    if "slug" not in header:
        raise FormatError("has no column slug: by it each line finds its system", field="file")
    names = [path for path, column in zip(header, columns, strict=True) if column is not None]
    twice = sorted({path for path in names if names.count(path) > 1})
    if twice:
        raise FormatError(f"has the column {twice[0]} twice; keep one", field="file")


def _draft(header: Sequence[str], columns: Sequence[Column | None], row: Sequence[str], line: int) -> Imported:
    cells_given = [*row, *[""] * (len(header) - len(row))]
    known = [(column, text) for column, text in zip(columns, cells_given, strict=False) if column is not None]
    draft, faults = read_row([column for column, _ in known], [text for _, text in known], line)
    if any(cell.strip() for cell in row[len(header) :]):
        faults.append(Fault("line", "has more cells than the first line has columns; put quotes around commas", line))
    # A column that the register does not know is named by its place: its name is the file's, and may be anything.
    odd = (index for index, column in enumerate(columns) if column is None and header[index])
    unknown = tuple(f"column {index + 1}" for index in odd)
    found = checked(Imported(draft, unknown=unknown, faults=tuple(faults), line=line))
    return replace(found, faults=tuple(replace(fault, line=line) for fault in found.faults))


def _unique(found: Iterable[Imported]) -> list[Imported]:
    """The same slug on two lines is a mistake of the second."""
    seen: dict[Json, int | None] = {}
    result: list[Imported] = []
    for item in found:
        slug = item.draft.get("slug")
        if slug is not None and slug in seen:
            fault = Fault("slug", f"stands on line {seen[slug]} already; keep one of the lines", item.line)
            result.append(replace(item, faults=(*item.faults, fault)))
            continue
        seen[slug] = item.line
        result.append(item)
    return result


def _lost(sources: Sequence[Source], back: Sequence[Imported]) -> tuple[Lost, ...]:
    """What does not come back: characters that the format cannot hold; and what was withheld."""
    found = [Lost(name, "withheld") for source in sources for name in sorted(source.withheld)]
    for source, item in zip(sources, back, strict=True):
        returned = dict(leaves(item.draft))
        record = leaves(format_system(source.system))
        found += [Lost(path, "in_words") for path, value in record if value is not None and returned.get(path) != value]
    return tuple(dict.fromkeys(found))
