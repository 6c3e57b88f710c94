"""A mark for each number of a report that nothing else gives again, so that a change is found and named. Pure.

Figures of systems are counted again from cells, replays and hours from entries. What remains (a comparison with a case
system, a price) stands under the digest of the whole alone: by these marks a reader learns which number differs. They
help to find, and prove nothing by themselves: that the report is the published one, its digest in the log says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

LEFT_OUT: Final = ("marks", "tallies", "total")
"""Members whose numbers are checked otherwise: cells by their commitments, figures by the cells."""
_LENGTH: Final = 16


def marks(report: Mapping[str, Any]) -> dict[str, str]:
    """Path of each number in a report's form for machines → 16 hex digits of SHA-256 over path and number."""
    numbers = dict(_numbers({name: value for name, value in report.items() if name not in LEFT_OUT}, ""))
    return {path: _mark(path, number) for path, number in numbers.items()}


def changed(report: Mapping[str, Any]) -> Iterator[str]:
    """The paths of numbers that are not as they were marked."""
    stated, made = report.get("marks") or {}, marks(report)
    for path in sorted(stated.keys() | made.keys()):
        if stated.get(path) != made.get(path):
            yield path


def _numbers(value: Any, path: str) -> Iterator[tuple[str, int]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            if name != "figures":
                yield from _numbers(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from _numbers(member, f"{path}[{place}]")
    elif isinstance(value, int) and not isinstance(value, bool):
        yield path, value


def _mark(path: str, number: int) -> str:
    return sha256(f"{path}\0{number}".encode()).hexdigest()[:_LENGTH]
