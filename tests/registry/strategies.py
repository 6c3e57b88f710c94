"""Whole records of invented systems for hypothesis, made from the declarations: a new member is in them by itself."""

from __future__ import annotations

import re
from datetime import date
from json import dumps
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from registry import declaration
from registry.declaration import Declared, Many, Part
from registry.errors import FormatError
from registry.system import AISystem, parse_system
from registry.values import AnyValue, Code, Day, Flag, Integer, Multilingual, Object, Text

LANGUAGES = ("en", "nl", "de", "ar")
# What breaks formats: markup, formulas, quotes, separators, right to left, combining marks, what looks like a value.
TRICKY = (
    "<b>bold</b> & co", "&amp;lt;", "=1+1", "'=1+1", "+31", "-", "@sum", "a;b,c\"d\"", "none", "true", "1", "null",
    "\u202eabc\u202c", "שלום", "e\u0301a\u0308", "  two  spaces ", "_x0041_", "’s avonds", "[]", "{}", "𝔘𝔫𝔦", "\\n",
)  # fmt: skip
LINES = ("one\ntwo", "one\n\ntwo\n\n\nthree", "- a\n- b", "\ttab", "ends\n", "\nbegins", "a\u2028b")
_LETTERS = st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"))


def texts(kind: Text) -> st.SearchStrategy[str]:
    """Texts of a declared kind."""
    if kind.pattern:
        found = st.from_regex(kind.pattern, fullmatch=True, alphabet=_LETTERS)
    else:
        tricky = TRICKY + (LINES if kind.lines else ())
        found = st.sampled_from(tricky) | st.text(_LETTERS, min_size=1, max_size=8)
    return found.map(lambda text: text[: kind.longest]).filter(lambda text: _fits(kind, text))


def _fits(kind: Any, value: Any) -> bool:
    try:
        kind.parse(value, "")
    except FormatError:
        return False
    return True


def values(kind: Any) -> st.SearchStrategy[Any]:
    """JSON values that a declared kind reads."""
    if isinstance(kind, Text):
        return texts(kind)
    if isinstance(kind, Multilingual):
        words = texts(Text(longest=kind.longest, lines=True))
        return st.dictionaries(st.sampled_from(LANGUAGES), words, min_size=1, max_size=2)
    if isinstance(kind, Code):
        return st.sampled_from(list(kind.codes))
    if isinstance(kind, Integer):
        return st.integers(kind.low, kind.high)
    if isinstance(kind, Flag):
        return st.booleans()
    if isinstance(kind, Day):
        return st.dates(date(2020, 1, 1), date(2032, 12, 31)).map(date.isoformat)
    if isinstance(kind, Part):
        return objects(kind.record)
    if isinstance(kind, Many):
        most = min(kind.most, max(kind.fewest, 2))
        return st.lists(values(kind.kind), min_size=kind.fewest, max_size=most, unique_by=_form)
    if isinstance(kind, Object):
        return st.dictionaries(st.sampled_from(("a", "b")), st.integers(0, 9), min_size=1)
    assert isinstance(kind, AnyValue), f"strategies.py: no values for {type(kind).__name__} yet"
    return st.just({"type": "string"}) if kind.objects else st.sampled_from(["x", 1, True])


def _form(value: Any) -> str:
    return dumps(value, sort_keys=True)


def objects(record: type[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects of a declared record class; members that may be missing sometimes are."""
    required = {m.name: values(m.kind) for m in declaration.fields(record) if m.presence != "omitted"}
    nullable = {m.name for m in declaration.fields(record) if m.presence == "nullable"}
    required = {name: (st.none() | one if name in nullable else one) for name, one in required.items()}
    optional = {m.name: values(m.kind) for m in declaration.fields(record) if m.presence == "omitted"}
    return st.fixed_dictionaries(required, optional=optional)


@st.composite
def systems(draw: st.DrawFn, **given: Any) -> AISystem:
    """Records that the register takes. `given`: members as JSON that are so in each (None: left out)."""
    value: dict[str, Any] = draw(_WHOLE)
    value = {name: item for name, item in (value | given).items() if item is not None or name not in given}
    for _ in range(60):
        try:
            return parse_system(value)
        except FormatError as error:
            _mend(value, error.field or "", given)
    assume(False)
    raise AssertionError


_MEMBERS: dict[str, Declared] = {member.name: member for member in declaration.fields(AISystem)}
_WHOLE = objects(AISystem)
_NOTICE = {"application": {"en": "request"}, "estimates": {"en": "a chance"}, "human": "before"}


def _mend(value: dict[str, Any], field: str, given: dict[str, Any]) -> None:
    """Leave out what contradicts another member: rules between members are many, and each may change."""
    names = re.findall(r"[a-z_0-9]+", field.removeprefix("system."))
    root = names[0] if names else ""
    assume(root in _MEMBERS and root not in given)
    if root == "notice":
        value["notice"] = _NOTICE
    elif root == "classification":
        value["classification"] = {**value["classification"], "exit_6_3": None}
    else:
        assume(_MEMBERS[root].presence != "required")
        value.pop(root, None)
