"""What self-tests found, kept from boot to boot: `selftest.json` in the run folder.

Keyed by all that could change a result, so that a file of another machine, build or model finds no use. What is damaged
is measured anew; nothing is ever believed that does not fit its own checksum.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from runtime.verdict import CLASSES, Measured, format_measured, parse_measured

_FORMAT = 1
_MOST = 64  # results that are kept; the oldest go first


def key(*facts: str) -> str:
    """A name for model, context, build, processor features, device and threads."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def read(path: Path, name: str) -> Measured | None:
    """The result under a key; None where there is none, or the file is damaged."""
    found = _results(path).get(name)
    if not isinstance(found, dict):
        return None
    try:
        measured = parse_measured(found)
    except TypeError:
        return None
    return measured if _sound(measured) else None


def write(path: Path, name: str, measured: Measured) -> None:
    """Adds a result. A file that cannot be written costs a measurement at the next boot, nothing else."""
    results = {**_results(path), name: format_measured(measured)}
    kept = dict(sorted(results.items(), key=lambda item: int(item[1]["measured_s"]), reverse=True)[:_MOST])
    data = {"format": _FORMAT, "results": kept, "check": _check(kept)}
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".selftest-", delete=False) as fresh:
            json.dump(data, fresh, indent=2, sort_keys=True)
        Path(fresh.name).replace(path)


def _results(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
        results = data["results"]
        sound = data["format"] == _FORMAT and data["check"] == _check(results)
        sound = sound and all(type(one["measured_s"]) is int for one in results.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return dict(results) if sound else {}


def _check(results: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(results, sort_keys=True).encode()).hexdigest()


def _sound(measured: Measured) -> bool:
    numbers = (measured.rows, measured.measured_s, measured.elapsed_us)
    texts = (measured.model, measured.context, measured.build, measured.device)
    return (
        measured.determinism in CLASSES[1:]
        and all(type(value) is int and value >= 0 for value in numbers)
        and all(type(value) is str for value in texts)
    )
