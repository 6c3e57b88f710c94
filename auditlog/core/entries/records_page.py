"""`docs/records.md`, made from the table of kinds and from nothing else. Pure; the verifier does not need it."""

from __future__ import annotations

from auditlog.core.entries.kinds import COMMON, KINDS, Kind, Member
from auditlog.core.entries.vocabulary import INPUT_PREFIX, MEANING


def _cell(member: Member) -> str:
    shape = f"list of {member.type}" if member.many else member.type
    return shape + (" or null" if member.nullable else "")


def _rows(members: tuple[Member, ...], prefix: str = "") -> list[str]:
    rows = []
    for member in members:
        codes = f": {', '.join(f'`{code}`' for code in member.codes)}" if member.codes else ""
        rows.append(f"| `{prefix}{member.name}` | {_cell(member)} | {member.doc}{codes} |")
        rows.extend(_rows(member.members, f"{prefix}{member.name}."))
    return rows


def _section(kind: Kind) -> list[str]:
    lines = [f"## `{kind.name}`", "", kind.doc, ""]
    if kind.members:
        lines += ["| member | type | meaning |", "|---|---|---|", *_rows(kind.members), ""]
    if kind.one_of:
        lines += [f"Exactly one of {' and '.join(f'`{name}`' for name in kind.one_of)} is not null.", ""]
    if kind.together:
        lines += [f"{' and '.join(f'`{name}`' for name in kind.together)} are null together.", ""]
    if kind.committed:
        lines += ["| `commitments.` | the value behind it |", "|---|---|"]
        if kind.inputs:
            lines.append(f"| `{INPUT_PREFIX}<field>` | one per declared input field; null where it was not given |")
        lines += [*(f"| `{one.name}` | {one.doc} |" for one in kind.committed), ""]
    return lines


def describe() -> str:
    """`docs/records.md`: the table as Markdown, made from nothing else."""
    lines = [
        "# Records: the kinds of entries",
        "",
        "<!-- Made from auditlog/core/entries/kinds.py by records_page.py. Change the table, not this page. -->",
        "",
        "An entry is one JSON object in RFC 8785 form, at most 65,535 bytes long, without fractions. All members of",
        "its kind are there, `null` where they have nothing to say; others are errors. A list is in strictly rising",
        "order.",
        "A commitment is 64 lower-case hex digits. Kinds and versions that a reader does not know are opaque to it.",
        "",
        "| type | a value is |",
        "|---|---|",
        *(f"| {name} | {meaning} |" for name, meaning in MEANING.items()),
        "",
        "## In every entry",
        "",
        "| member | type | meaning |",
        "|---|---|---|",
        *_rows(COMMON),
        "",
    ]
    for kind in KINDS.values():
        lines += _section(kind)
    return "\n".join(lines).rstrip("\n") + "\n"
