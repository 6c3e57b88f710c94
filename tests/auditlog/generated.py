"""A generator of entries, made from the table of kinds: whatever the table says can be an entry, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from auditlog.core.entries.kinds import COMMON, KINDS, Kind, Member
from auditlog.core.entries.vocabulary import FIELD_ID, INPUT_PREFIX, MAX_UINT, PATTERNS

HASHES = st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")
WHOLE: dict[str, st.SearchStrategy[str]] = {
    # Long fixed forms are built, since generating them from their patterns is slow; test_record parses them strictly.
    "id": st.uuids(version=4).map(str),
    "hash": HASHES,
    "digest": HASHES.map(lambda digits: f"sha256:{digits}"),
    **{name: st.from_regex(PATTERNS[name], fullmatch=True) for name in ("slug", "origin", "release", "feature")},
}
# Times with five digits of freedom too many are no times: built from the calendar instead.
MINUTES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
FIELDS = st.from_regex(FIELD_ID, fullmatch=True).map(lambda field: INPUT_PREFIX + field)


def value(member: Member) -> st.SearchStrategy[Any]:
    """Values of one member, as `make_entry` takes them."""
    if member.type == "uint":
        one: st.SearchStrategy[Any] = st.integers(0, MAX_UINT)
    elif member.type == "code":
        one = st.sampled_from(member.codes)
    elif member.type == "time":
        one = MINUTES
    elif member.type == "day":
        one = MINUTES.map(lambda minute: minute.strftime("%Y-%m-%d").rjust(10, "0"))
    elif member.type == "object":
        one = st.fixed_dictionaries({inner.name: value(inner) for inner in member.members})
    else:
        one = WHOLE[member.type]
    if member.many:
        key = (lambda item: item[member.members[0].name]) if member.type == "object" else (lambda item: item)
        one = st.lists(one, max_size=4, unique_by=key)
    return st.none() | one if member.nullable else one


@st.composite
def members(draw: st.DrawFn, kind: Kind) -> dict[str, Any]:
    """The members of an entry of one kind, common ones included, keyword arguments of `make_entry`."""
    found: dict[str, Any] = {member.name: draw(value(member)) for member in (*COMMON[1:], *kind.members)}
    if kind.one_of:
        kept = draw(st.sampled_from(kind.one_of))
        for name in kind.one_of:
            member = next(m for m in kind.members if m.name == name)
            found[name] = draw(value(member).filter(lambda v: v is not None)) if name == kept else None
    if kind.together and any(found[name] is None for name in kind.together):
        found.update(dict.fromkeys(kind.together))
    if kind.committed:
        names = set(kind.commits) | (draw(st.sets(FIELDS, max_size=3)) if kind.inputs else set())
        found["commitments"] = {name: draw(WHOLE["hash"]) for name in sorted(names)}
    return found


def entries() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """(kind, members) over all kinds."""
    return st.sampled_from(sorted(KINDS)).flatmap(lambda name: st.tuples(st.just(name), members(KINDS[name])))
