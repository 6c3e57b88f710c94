"""Writes kinds.mjs: the table of entry kinds (auditlog/core/entries, docs/records.md) for the JavaScript verifier.

Run `python clients/js/make_kinds.py` after a change of the table; `tests/js/test_verify_js.py` compares.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from auditlog.core.entries.kinds import COMMON, KINDS, Member
from auditlog.core.entries.vocabulary import FIELD_ID, INPUT_PREFIX, KIND_NAME, MEANING, PATTERNS

FILE = Path(__file__).with_name("kinds.mjs")
HEAD = """\
// Made by make_kinds.py from the table of entry kinds; do not edit. The table is part of the format; the code that
// reads entries by it is in entry.mjs.
"""


def _member(member: Member) -> dict[str, object]:
    shown: dict[str, object] = {"name": member.name, "type": member.type}
    if member.nullable:
        shown["nullable"] = True
    if member.many:
        shown["many"] = True
    if member.codes:
        shown["codes"] = list(member.codes)
    if member.members:
        shown["members"] = [_member(one) for one in member.members]
    return shown


def build() -> str:
    """The text of kinds.mjs."""
    kinds = {
        kind.name: {
            "members": [_member(member) for member in kind.members],
            "commits": list(kind.commits),
            "inputs": kind.inputs,
            "oneOf": list(kind.one_of),
            "together": list(kind.together),
        }
        for kind in KINDS.values()
    }
    patterns = {name: pattern.pattern for name, pattern in PATTERNS.items()}
    words = {"KIND_NAME": KIND_NAME.pattern, "FIELD_ID": FIELD_ID.pattern, "INPUT_PREFIX": INPUT_PREFIX}
    parts = [HEAD]
    for name, value in {
        **words,
        "PATTERNS": patterns,
        "MEANING": MEANING,
        "COMMON": [_member(member) for member in COMMON],
        "KINDS": kinds,
    }.items():
        parts.append(f"export const {name} = {json.dumps(value, indent=1)};\n")
    return "".join(parts)


if __name__ == "__main__":
    FILE.write_text(build(), encoding="utf-8")
