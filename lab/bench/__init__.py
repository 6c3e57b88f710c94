"""Benchmarks, each a function that returns a JSON object, run by `greffier bench KIND`.

`KINDS` are those of writers: (writers, seconds, database URL or None, own options). `OF_SIZE` take a number of entries,
`ON_DATABASE` a number of decisions and a database URL or None, `OVER_HTTP` seconds and a database URL or None.
`decide` and `replay` run the model, and have options of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from lab.bench import append, audit, query, records, seal

KINDS: Final[dict[str, Callable[..., dict[str, Any]]]] = {"append": append.run}
OF_SIZE: Final[dict[str, Callable[[int], dict[str, Any]]]] = {"audit": audit.run, "seal": seal.run}
ON_DATABASE: Final[dict[str, Callable[..., dict[str, Any]]]] = {"query": query.run}
OVER_HTTP: Final[dict[str, Callable[..., dict[str, Any]]]] = {"records": records.run}
ALONE: Final = {"register": 10_000, "site": 10_000, "report": 1_000_000}
"""Name → its size. Each is a module `lab.bench.<name>` that is imported when it runs, since it holds what no other
needs: `run(size, database URL or None, report=…)`."""
NAMES: Final = (*KINDS, *OF_SIZE, *ON_DATABASE, *OVER_HTTP, "decide", "replay", "explain", *ALONE)
