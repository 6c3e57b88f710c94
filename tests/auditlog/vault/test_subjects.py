"""References of persons: one spelling, and tags that tell nothing without the key."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.errors import FormatError
from auditlog.vault.subjects import normalise, normalise_all, tag


@pytest.mark.parametrize(
    "spellings",
    [
        ["WV-004711", "wv 004711", " WV.004/711 ", "ＷＶ００４７１１", "wv\u00ad004711", "wv\n004711"],
        ["Zoë", "ZOE\u0308", "zoë"],
        ["STRASSE 9", "straße 9"],
    ],
)
def test_spellings_of_one_reference_meet(spellings):
    assert len({normalise(spelling) for spelling in spellings}) == 1


def test_different_references_stay_apart():
    assert normalise("WV-004711") == "s1:wv004711"
    assert len({normalise(f"WV-{number:06}") for number in range(500)}) == 500
    assert normalise("Zoë") != normalise("Zoe")


@given(st.text(max_size=60))
def test_normalising_again_changes_nothing(reference):
    try:
        once = normalise(reference)
    except FormatError:
        return
    assert normalise(once.removeprefix("s1:")) == once


@pytest.mark.parametrize("reference", ["", " ", "--/--", "\u200b", "…"])
def test_what_is_no_reference(reference):
    with pytest.raises(FormatError, match=r"^subject: "):
        normalise(reference)


def test_a_text_is_no_reference_and_is_not_repeated():
    with pytest.raises(FormatError, match=r"^subject: ") as error:
        normalise("she called about her late payments " * 10)
    assert "payments" not in str(error.value)


def test_each_person_once_in_order():
    assert normalise_all(["b-2", "A 1", "a1"]) == ["s1:a1", "s1:b2"]
    assert normalise_all([]) == []


def test_tags_depend_on_key_and_reference_alone():
    one = tag(b"k" * 32, normalise("A 1"))
    assert len(one) == 32
    assert one == tag(b"k" * 32, normalise("a1"))
    assert one != tag(b"K" * 32, normalise("A 1"))
    assert one != tag(b"k" * 32, normalise("A 2"))


def test_a_tag_is_made_of_a_normalised_reference_only():
    with pytest.raises(FormatError, match="not normalised"):
        tag(b"k" * 32, "A 1")


@given(st.text(st.characters(max_codepoint=127), min_size=1, max_size=40))
def test_the_short_way_of_ascii_is_the_long_one(reference):
    dropped = {"Z", "P", "C"}
    kept = "".join(char for char in reference.casefold() if unicodedata.category(char)[0] not in dropped)
    if kept:
        assert normalise(reference) == f"s1:{kept}"
    else:
        with pytest.raises(FormatError):
            normalise(reference)
