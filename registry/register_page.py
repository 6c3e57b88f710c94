"""`docs/register.md`, made from the declarations of a record: what each member holds, and which rule asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from registry import declaration
from registry.declaration import Many, Part
from registry.parts.publication import withholdable
from registry.system import AISystem
from registry.values import Code, Day, Flag, Integer, Kind, Multilingual, Text, say

_HEAD: Final = """# The public record of a system

Made from the declarations in `registry/system.py` and `registry/parts/`: a new member is one line there, and is in
the file format, in the checks, on the pages and in the JSON Schema (`/register/schema.json`) by it. Run `python -c
"from registry.register_page import describe; print(describe(), end='')" > docs/register.md` after a change.

*must*: every record has it. *null*: it must be there, and null says that there is none. *may*: left out where there
is none. **W**: the public may be kept from it for a stated reason (`publication`); that it is withheld, why and until
when is public.

What holds between members, and is named with its rule when it does not: `first_use` is not after `ended`; a high-risk
system of Annex III that is in use since 2027-12-02 or later is in the EU database before its first use (AI Act 26(8),
49(3)); the authority is told after the assessment was made (27(3)); a paper does not end before it came; each path in
`machine_translated` leads to a text that has another language, too; reason `article_49_4` is for Annex III points 1,
6 and 7 in law enforcement, migration, asylum and border control. A text has at most the number of characters given;
control characters are refused; all else, of any script, is kept as it is.
"""


def describe() -> str:
    """The page as Markdown."""
    parts: dict[str, type[Any]] = {}
    lines = [*_table(AISystem, parts, withheld=set(withholdable(AISystem)))]
    done: set[str] = set()
    while open_ := [name for name in parts if name not in done]:
        for name in open_:
            done.add(name)
            lines += ["", f"## `{name}`", "", (parts[name].__doc__ or "").split("\n\n")[0].replace("\n    ", " "), ""]
            lines += _table(parts[name], parts)
    return _HEAD + "\n" + "\n".join(lines) + "\n"


def _table(record: type[Any], parts: dict[str, type[Any]], withheld: set[str] | None = None) -> Iterator[str]:
    yield "| member | what | holds | source |"
    yield "|---|---|---|---|"
    for member in declaration.fields(record):
        presence = {"required": "must", "nullable": "null", "omitted": "may"}[member.presence]
        mark = " **W**" if withheld and member.name in withheld else ""
        label = f"{say(member.label, 'en')} · {say(member.label, 'nl')}"
        what = f"{label}. {member.doc}" if member.doc else label
        yield f"| `{member.name}` *{presence}*{mark} | {what} | {_holds(member.kind, parts)} | {member.article} |"


def _holds(kind: Kind, parts: dict[str, type[Any]]) -> str:
    if isinstance(kind, Part):
        parts[kind.record.__name__] = kind.record
        return f"`{kind.record.__name__}`"
    if isinstance(kind, Many):
        return f"list of at most {kind.most}: {_holds(kind.kind, parts)}"
    return _holds_one(kind)


def _holds_one(kind: Kind) -> str:
    if isinstance(kind, Code):
        return ", ".join(f"`{code}` ({say(words, 'en')})" for code, words in kind.codes.items())
    if isinstance(kind, Multilingual):
        return f"text per language, at most {kind.longest}"
    if isinstance(kind, Text):
        return f"text, at most {kind.longest}" + (f": {kind.example}" if kind.example else "")
    if isinstance(kind, Integer):
        return f"number, {kind.low} to {kind.high}" + (f", in 1/{kind.scale}" if kind.scale != 1 else "")
    return {Flag: "yes or no", Day: "day"}.get(type(kind), "value")
