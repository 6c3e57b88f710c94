"""Charts as SVG: what they draw, that they say it in words as well, and that no name can break out of them."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from markupsafe import Markup

from reports.charts import WIDTH, bar_chart

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*bars: tuple[str, int | None, str], **more: object) -> ET.Element:
    text = str(bar_chart("one", "Results", bars, **more))
    return ET.fromstring(text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def widths(chart: ET.Element) -> list[float]:
    return [float(rect.get("width", "")) for rect in chart.iter(f"{SVG}rect") if rect.get("class") == "bar"]


def test_bars_are_as_long_as_their_numbers():
    assert widths(drawn(("a", 100, "100"), ("b", 25, "25"), ("c", 0, "0"))) == [WIDTH, WIDTH / 4, 0]


def test_a_small_number_beside_a_large_one_is_still_seen():
    assert widths(drawn(("a", 10**9, "much"), ("b", 1, "1"))) == [WIDTH, 1.0]


def test_what_is_not_shown_has_a_frame_and_no_bar():
    chart = drawn(("a", 40, "40"), ("b", None, "fewer than 10"))
    assert len(widths(chart)) == 1
    assert [rect.get("class") for rect in chart.iter(f"{SVG}rect")] == ["bar", "unknown"]
    assert "fewer than 10" in "".join(chart.itertext())


def test_the_chart_is_said_in_words_and_named():
    chart = drawn(("good", 3, "3"), ("poor", 1, "1"))
    assert chart.get("role") == "img"
    assert chart.get("aria-labelledby") == "one-title one-told"
    assert [(chart.find(f"{SVG}{tag}")).text for tag in ("title", "desc")] == ["Results", "good: 3; poor: 1"]


def test_a_target_is_a_line_at_its_place():
    chart = drawn(("half", 100, "at most 100 ms"), target=200, target_text="target 200 ms")
    (line,) = chart.iter(f"{SVG}line")
    assert float(line.get("x1", "")) == WIDTH
    assert widths(chart) == [WIDTH / 2]
    assert "target 200 ms" in "".join(chart.itertext())


def test_long_names_are_wrapped_and_none_leaves_the_chart():
    chart = drawn(("word " * 40, 1, "1"), ("x" * 90, 1, "1"))
    assert all(len(text.text or "") <= 34 for text in chart.iter(f"{SVG}text"))
    lowest = max(float(text.get("y", "")) for text in chart.iter(f"{SVG}text"))
    assert lowest < float(chart.get("viewBox", "").split()[3])


def test_marks_in_a_name_are_words():
    hostile = '</svg><script>alert("1")</script>'
    text = str(bar_chart("one", hostile, ((hostile, 1, hostile),)))
    assert "<script" not in text
    assert "&lt;script" in text


def test_a_name_in_another_language_loses_its_mark_only():
    marked = Markup('<span lang="nl">goede kans &amp; meer</span>')
    assert "goede kans & meer: 1" in "".join(drawn((marked, 1, "1")).itertext())


def test_a_chart_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one bar"):
        bar_chart("one", "Results", ())


def test_a_chart_of_noughts_has_no_length():
    assert widths(drawn(("a", 0, "0"))) == [0]


def test_the_same_numbers_give_the_same_bytes():
    made = [str(bar_chart("one", "Results", (("a", 1, "1"), ("b", 3, "3")))) for _ in range(2)]
    assert made[0] == made[1]
    assert re.search(r"[0-9]\.[0-9]{2}", made[0]) is None
