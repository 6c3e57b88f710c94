"""The outcomes as a table on a terminal, as JSON, and as the tables of `docs/trust.md`.

The page's tables stand between markers. Its sentences have ids, sizes, roots, times and paths taken out, so that the
same attack writes the same line every time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from lab.attack.attacks import ATTACKS, GROUPS
from lab.attack.play import Outcome

TRUST: Final = "**needs trust**"
_BEGIN: Final = "<!-- attacks: {} -->"
_END: Final = "<!-- end of attacks -->"
_LONGEST: Final = 110
# What differs from run to run, and what stands for it.
_VARYING: Final = (
    (re.compile(r"[.,;]? ?(?:the copy stays as it was, )?evidence: \S+", re.IGNORECASE), ""),
    (re.compile(r"https?://[0-9.:]+"), "the witness"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "…"),
    (re.compile(r"[A-Za-z0-9+/]{43}="), "…"),
    (re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]+Z"), "…"),
    (re.compile(r"\b[0-9a-f]{8}\b"), "…"),
    (re.compile(r"\b[0-9]{5,}\b"), "…"),
)


def plain(sentence: str) -> str:
    """A finding's first sentence or so, the same on every run."""
    for pattern, short in _VARYING:
        sentence = pattern.sub(short, sentence)
    if len(sentence) > _LONGEST:
        sentence = sentence[:_LONGEST].rsplit(" ", 1)[0].rstrip(",;:(") + " …"
    return sentence.replace("|", "\\|").replace("`", "'")


def by_group(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """In the order of the page."""
    listed = list(outcomes)
    return {group: found for group in GROUPS if (found := [one for one in listed if one.attack.group == group])}


def table(outcomes: Sequence[Outcome]) -> str:
    """For a terminal: each attack, and below it who noticed and what they were told."""
    lines = []
    for group, found in by_group(outcomes).items():
        lines += ["", f"{group}:"]
        for one in found:
            lines += ["", f"  {one.attack.what} ({one.attack.name})"]
            lines += [f"    {party:<17} {plain(sentence)}" for party, sentence in one.noticed.items()]
            lines += [] if one.noticed else ["    nobody: needs trust"]
    trusted = [one.attack.name for one in outcomes if not one.noticed]
    lines += ["", f"{len(outcomes)} attacks, {len(outcomes) - len(trusted)} noticed by somebody."]
    if trusted:
        lines.append(f"Nobody noticed: {', '.join(trusted)}.")
    return "\n".join(lines).lstrip("\n") + "\n"


def as_json(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Everything, sentences as they were."""
    return [
        {"name": o.attack.name, "group": o.attack.group, "attack": o.attack.what, "noticed": o.noticed}
        for o in outcomes
    ]


def markdown(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Group → its table."""
    tables = {}
    for group, found in by_group(outcomes).items():
        lines = ["| attack | who notices | what the first of them says | case |", "|---|---|---|---|"]
        for one in found:
            who = ", ".join(one.noticed) or TRUST
            said = next((plain(sentence) for sentence in one.noticed.values()), "–")
            lines.append(f"| {one.attack.what} | {who} | {said} | `{one.attack.name}` |")
        tables[group] = "\n".join(lines) + "\n"
    return tables


def written(page: str, tables: Mapping[str, str]) -> str:
    """The page with these tables between its markers. Raises ValueError where a group has no place in it."""
    for group, text in tables.items():
        begin = _BEGIN.format(group)
        head, found, rest = page.partition(begin)
        _, ended, tail = rest.partition(_END)
        if not found or not ended:
            raise ValueError(f"the page has no place for the attacks of: {group}")
        page = f"{head}{begin}\n{text}{_END}{tail}"
    return page


def claims(page: str) -> dict[str, tuple[str, ...]]:
    """What the page says: attack → who notices it."""
    rows = re.findall(r"^\| .* \| (.*) \| .* \| `([a-z0-9_]+)` \|$", page, re.MULTILINE)
    return {name: () if who == TRUST else tuple(who.split(", ")) for who, name in rows}


def differences(page: str, outcomes: Sequence[Outcome]) -> list[str]:
    """What the page claims of these attacks and is not so, and what it leaves out."""
    said, wrong = claims(page), []
    for one in outcomes:
        name, noticed = one.attack.name, set(one.noticed)
        if name not in said:
            wrong.append(f"{name}: is not on the page")
            continue
        claimed = set(said[name])
        wrong += [
            f"{name}: the page says that it is noticed by {party}, and it was not"
            for party in sorted(claimed - noticed)
        ]
        wrong += [f"{name}: was noticed by {party}, which the page does not say" for party in sorted(noticed - claimed)]
    wrong += [f"{name}: is on the page and no attack of that name" for name in sorted(set(said) - set(ATTACKS))]
    return wrong
