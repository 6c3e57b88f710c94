"""Tables in XLSX workbooks, read strictly and written without a formula. `openpyxl` is loaded only here, when used."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from registry.errors import FormatError

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

MOST_UNPACKED: Final = 200_000_000
# The reader makes an object of each, empty ones between two that are filled too: these take some 200 MiB.
MOST_CELLS: Final = 1_000_000
# What XML 1.0 cannot say, and the escapes that readers of workbooks take for a character.
_UNSAYABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_ESCAPE: Final = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_WRITTEN: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - a workbook has no zone; the same records give the same bytes


def write(rows: Sequence[Sequence[str]], legend: Sequence[tuple[str, str]]) -> bytes:
    """A workbook with the sheets `systems` and `columns`; each cell is a text, also what begins like a formula."""
    from openpyxl import Workbook  # noqa: PLC0415 - heavy, and only a workbook needs it

    book = Workbook(write_only=False)
    sheet = book.active
    assert sheet is not None
    sheet.title = "systems"
    _fill(sheet, rows)
    _fill(book.create_sheet("columns"), [("column", "what it says"), *legend])
    book.properties.created = _WRITTEN
    book.properties.modified = _WRITTEN
    packed = io.BytesIO()
    book.save(packed)
    return _repacked(packed.getvalue())


def _fill(sheet: Worksheet, rows: Sequence[Sequence[str]]) -> None:
    for number, row in enumerate(rows, 1):
        for place, text in enumerate(row, 1):
            if text == "":
                continue
            cell = sheet.cell(number, place)
            cell.value = _sayable(text)
            cell.data_type = "s"
            cell.quotePrefix = True
    sheet.freeze_panes = "B2"


def _sayable(text: str) -> str:
    return _ESCAPE.sub("_x005F_", _UNSAYABLE.sub("\ufffd", text))


def _repacked(data: bytes) -> bytes:
    """The same files with one date, so that the same records give the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>2000-01-01T00:00:00Z", content)
            new.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), content)
    return packed.getvalue()


def read(data: bytes, *, rows: int, columns: int) -> list[list[str]]:
    """The cells of the first sheet as texts, line by line. Raises FormatError: no workbook, formula, merged cells."""
    from openpyxl import load_workbook  # noqa: PLC0415 - heavy, and only a workbook needs it

    _demand_workbook(data)
    try:
        book = load_workbook(io.BytesIO(data), data_only=False, keep_links=False)
    except Exception:
        # Files of others break a reader in many ways; what it says may hold their content.
        raise FormatError(
            "is no XLSX workbook that can be read; save it again, or as CSV UTF-8", field="file"
        ) from None
    if not book.worksheets:
        raise FormatError("has no sheet with cells; put the systems on the first sheet", field="file")
    sheet = book.worksheets[0]
    if sheet.max_row > rows or sheet.max_column > columns:
        raise FormatError(f"has more than {rows} lines or {columns} columns; split it", field="file")
    if sheet.max_row * sheet.max_column > MOST_CELLS:
        message = f"reaches over more than {MOST_CELLS} cells; delete empty lines and columns, or split it"
        raise FormatError(message, field="file")
    merged = sorted(str(item) for item in sheet.merged_cells.ranges)
    if merged:
        raise FormatError(f"has merged cells ({merged[0]}): unmerge them, a line is one system", field="file")
    found = [[_text(cell) for cell in row] for row in sheet.iter_rows()]
    while found and not any(found[-1]):
        found.pop()
    return found


def _demand_workbook(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            size = sum(item.file_size for item in packed.infolist())
    except zipfile.BadZipFile:
        raise FormatError("is no XLSX workbook; save it as XLSX, or as CSV UTF-8", field="file") from None
    if size > MOST_UNPACKED:
        raise FormatError("unpacks to far more than a register needs; save it again without pictures", field="file")


def _text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        raise FormatError(f"holds a formula in cell {cell.coordinate}; write its value", field="file")
    if cell.data_type == "e":
        raise FormatError(f"holds an error in cell {cell.coordinate}; write a value", field="file")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if not (value.hour or value.minute) else value.isoformat(" ", "minutes")
    if isinstance(value, date):
        return value.isoformat()
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), str(value))
