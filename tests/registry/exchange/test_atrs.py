"""The UK standard: version 4.0 out, 3.0 and 4.0 in, by attribute or by number."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from registry.errors import FormatError
from registry.exchange.atrs import HEADER, from_atrs, to_atrs
from registry.exchange.atrs_fields import FIELDS
from registry.exchange.transfer import Source
from registry.system import parse_system


def table(*rows: tuple[str, ...]) -> bytes:
    output = io.StringIO()
    csv.writer(output).writerows(rows)
    return output.getvalue().encode()


def test_version_4_has_each_field_once_in_order(document: dict[str, Any], parse: Any) -> None:
    exported = to_atrs(Source(parse(document).system, "pilot"))
    rows = list(csv.reader(io.StringIO(exported.data.decode())))
    assert tuple(rows[0]) == HEADER
    assert rows[1][1:] == ["standard_version", "Standard version", "4.0"]
    assert [row[1] for row in rows[2:]] == [field.attribute for field in FIELDS]
    assert {row[1]: row[3] for row in rows}["phase"] == "Private beta"
    assert "phase" in {one.field for one in to_atrs(Source(parse(document).system, "suspended")).missing}
    numbers = [field.v4 for field in FIELDS if field.v4]
    assert len(set(numbers)) == len(numbers)
    assert len({field.v3 for field in FIELDS if field.v3}) == len([field for field in FIELDS if field.v3])


def test_version_3_comes_in_by_its_own_names_and_numbers() -> None:
    by_name = table(
        HEADER,
        ("0.2", "standard_version", "Standard version", "3.0"),
        ("0.11", "title", "Title", "Benefit checker"),
        ("2.2.3", "benefit", "Benefit", "Faster."),
        ("2.3.1", "process_integration", "Process integration", "It sorts."),
        ("2.1.4.1", "external_supplier", "External supplier", "Maker Ltd"),
        ("2.2.2", "scope", "Scope", "Only letters."),
        ("2.1.2", "team", "Team", "N/A"),
    )
    by_number = table(
        ("reference number", "value"),
        ("0.11", ""), ("1.1", "Benefit checker"), ("2.2.3", "Faster."), ("2.3.1", "It sorts."),
        ("2.1.4.1", "Maker Ltd"),
    )  # fmt: skip
    for data in (by_name, by_number):
        (one,) = from_atrs(data)
        assert one.draft["name"] == {"en": "Benefit checker"}
        assert one.draft["proportionality"] == {"en": "Faster."}
        assert one.draft["decision_process"] == {"en": "It sorts."}
        assert one.draft["supplier"] == {"name": "Maker Ltd"}
        assert "owner" not in one.draft
    assert from_atrs(by_name)[0].unknown == ("scope",)


def test_version_4_numbers_mean_what_version_4_says() -> None:
    (one,) = from_atrs(table(("reference number", "value"), ("2.2.2", "Faster."), ("2.3.2", "A clerk looks.")))
    assert one.draft["proportionality"] == {"en": "Faster."}
    assert one.draft["human_oversight"] == {"en": "A clerk looks."}


def test_formulas_are_guarded(document: dict[str, Any]) -> None:
    system = parse_system(document["system"] | {"purpose": {"en": "=cmd|' /C calc'!A0"}})
    exported = to_atrs(Source(system))
    assert b"'=cmd" in exported.data
    (one,) = from_atrs(exported.data)
    assert one.draft["purpose"] == {"en": "=cmd|' /C calc'!A0"}


@pytest.mark.parametrize("bad", [b"", b"a,b\n1,2\n", "name,value\nx,\xe9\n".encode("latin-1"), b"x" * 10_000_001])
def test_what_is_no_table_of_the_standard_is_refused(bad: bytes) -> None:
    with pytest.raises(FormatError):
        from_atrs(bad)


def test_a_published_record_is_read_by_the_names_of_its_fields() -> None:
    (one,) = from_atrs(table(
        ("reference number", "name", "value"),
        ("1", "Name", "Consult"), ("1.2", "Team", "Incubator"), ("1.4.1", "External supplier", "Maker Ltd"),
        ("2.3", "Benefit", "Faster."), ("3.4", "Human decisions and review", "A clerk looks."), ("9", "Odd", "x"),
    ))  # fmt: skip
    assert one.draft["name"] == {"en": "Consult"}
    assert one.draft["owner"] == {"unit": "Incubator"}
    assert one.draft["supplier"] == {"name": "Maker Ltd"}
    assert one.draft["proportionality"] == {"en": "Faster."}
    assert one.draft["human_oversight"] == {"en": "A clerk looks."}
    assert one.unknown == ("field 9",)
