"""Sheets as people send them: merged cells, wrong encoding, formulas, ten megabytes, columns nobody knows."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import date

import pytest
from openpyxl import Workbook

from registry.errors import FormatError
from registry.exchange import sheet
from registry.exchange.sheet import guarded, unguarded
from registry.exchange.transfer import Imported

SECRET = "Piet Jansen"


def table(*rows: list[str], delimiter: str = ",") -> bytes:
    output = io.StringIO()
    csv.writer(output, delimiter=delimiter).writerows(rows)
    return output.getvalue().encode()


def book(*rows: list[object]) -> Workbook:
    made = Workbook()
    assert made.active is not None
    for row in rows:
        made.active.append(row)
    return made


def packed(made: Workbook) -> bytes:
    output = io.BytesIO()
    made.save(output)
    return output.getvalue()


def refused(data: bytes, read: object = sheet.from_csv) -> str:
    with pytest.raises(FormatError) as found:
        read(data)
    assert SECRET not in str(found.value)
    return str(found.value)


def test_encodings_that_are_not_utf_8_are_named_with_their_line() -> None:
    assert "line 2" in refused("slug,name.nl\nx,ë\n".encode("cp1252"))
    assert "UTF-16" in refused("slug,name.nl\nx,ë\n".encode("utf-16"))
    assert sheet.from_csv(b"\xef\xbb\xbfslug,name.nl\r\nx,\xc3\xab\r\n")[0].draft["name"] == {"nl": "ë"}


def test_a_dutch_spreadsheet_separates_by_semicolon() -> None:
    assert sheet.from_csv(table(["slug", "name.nl"], ["x", "een, twee"], delimiter=";"))[0].draft["name"] == {
        "nl": "een, twee"
    }


def test_merged_cells_formulas_and_errors_are_named_by_their_cell() -> None:
    merged = book(["slug", "name.nl"], ["x", "y"])
    merged.active.merge_cells("A2:B2")
    assert "A2:B2" in refused(packed(merged), sheet.from_xlsx)
    assert "formula in cell B2" in refused(packed(book(["slug", "name.nl"], ["x", '=HYPERLINK("a")'])), sheet.from_xlsx)


def test_cells_that_a_spreadsheet_typed_are_read_as_their_values() -> None:
    (one,) = sheet.from_xlsx(packed(book(
        ["slug", "first_use", "target_latency_ms", "use.profiling"], ["x", date(2026, 1, 2), 5.0, True])))  # fmt: skip
    assert one.draft["first_use"] == "2026-01-02"
    assert one.draft["target_latency_ms"] == 5
    assert one.draft["use"] == {"profiling": True}


def test_two_cells_far_apart_do_not_fill_the_memory() -> None:
    """Small in the file, and large once somebody makes an object of each cell between them."""
    far = book(["slug", "name.nl"])
    far.active.cell(19_000, 1_900, "x")
    assert "delete empty lines and columns" in refused(packed(far), sheet.from_xlsx)


def test_what_is_no_workbook_or_unpacks_to_too_much_is_refused() -> None:
    assert "no XLSX workbook" in refused(b"slug,name\n", sheet.from_xlsx)
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("xl/workbook.xml", b"0" * 300_000_000)
    assert "unpacks" in refused(other.getvalue(), sheet.from_xlsx)
    assert "10 MB" in refused(b"slug\n" + b"x" * 10_000_001)
    assert "131,072" in refused(table(["slug", "name.nl"], ["x", "y" * 200_000]))


def test_each_wrong_line_is_told_with_its_column_and_without_the_value() -> None:
    found = sheet.from_csv(table(
        ["slug", "use.profiling", "target_latency_ms", "website", "themes.1", "secret " + SECRET],
        ["a", "true", "5", "https://x.example", "traffic", ""],
        ["b", SECRET, SECRET, SECRET, SECRET, ""],
        ["a", "", "", "", "", ""],
        ["Not a slug", "", "", "", "", "", "more"],
    ))  # fmt: skip
    assert [one.line for one in found] == [2, 3, 4, 5]
    assert not found[0].faults
    assert {fault.field for fault in found[1].faults} == {"use.profiling", "target_latency_ms", "website", "themes[0]"}
    assert "line 2" in found[2].faults[0].message
    assert {fault.field for fault in found[3].faults} == {"slug", "line"}
    assert all(one.unknown == ("column 6",) for one in found)
    assert SECRET not in str([one.faults for one in found])


def test_markup_and_directions_are_kept_as_text() -> None:
    text = "<script>alert(1)</script> \u202eשלום e\u0301"
    (one,) = sheet.from_csv(table(["slug", "name.nl"], ["x", text]))
    assert one.draft["name"] == {"nl": text}


@pytest.mark.parametrize(
    "cell", ["=1", "+1", "-1", "@x", "\t=1", "\n=1", "  =1", "'=1", "''=1", "＝1", "'", "'x", "x=1", ""]
)
def test_formulas_go_out_as_text_and_come_back(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    assert guarded(cell)[:1] not in {"=", "+", "-", "@", "\t", "\n", "＝"}


def test_slug_and_header_are_demanded() -> None:
    assert "slug" in refused(table(["name.nl"], ["x"]))
    assert "twice" in refused(table(["slug", "slug"], ["x", "y"]))
    assert "ids" in refused(b"")
    assert sheet.from_csv(b"slug\n") == ()
    assert isinstance(sheet.from_csv(b"slug\nx\n")[0], Imported)
