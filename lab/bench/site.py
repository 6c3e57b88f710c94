"""The public site over HTTP, in front of a register of a country's size: how long a page takes, and how much it weighs.

A page's weight is what a browser fetches that has nothing kept yet: the page, and the style sheet, script and icon that
it names, as they come over the wire.
"""

from __future__ import annotations

import contextlib
import os
import platform
import random
import re
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import uvicorn

from cli.demo.run import CASES
from home.greffier import Greffier
from home.settings import PROFILE_FILE
from lab.bench import register
from lab.bench.append import percentile
from lab.bench.scene import own_schema
from registry.parts.subjects import THEMES
from service.wiring import create_home, open_home
from web.server import config

TIMES: Final = 60
TARGET_BYTES: Final = 100_000
_ASSET: Final = re.compile(r'(?:href|src)="((?:/static/|/theme)[^"]+)"')
_FORM: Final = {"reference": "1b4e28ba-2fa1-4d2b-883f-0016d3cca427", "code": "0000-0000-0000"}
Ask = Callable[[httpx.Client, random.Random], httpx.Response]


def run(
    systems: int, database_url: str | None = None, *, report: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Fill a home with so many systems, serve it, ask for its pages, and remove it. Times in milliseconds."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="greffier-bench-")))
        url = None if database_url is None else stack.enter_context(own_schema(database_url))
        home, now = folder / "home", [register.FIRST]
        create_home(home, "bench-agency", "bench.example/log", database_url=url, clock=lambda: now[0])
        shutil.copyfile(CASES / PROFILE_FILE, home / PROFILE_FILE)
        with open_home(home, clock=lambda: now[0]) as g:
            register.fill(g, systems, now, report)
            report("asking")
            client = stack.enter_context(_served(g))
            pages = {name: _page(client, ask) for name, ask in _pages(systems).items()}
    return {
        "bench": "site",
        "database": "sqlite" if database_url is None else "postgresql",
        "systems": systems,
        "versions": register.VERSIONS,
        "pages": pages,
        "targets": {"system_p95_ms": 50, "list_p95_ms": 100, "transferred_bytes": TARGET_BYTES},
        "heaviest_bytes": max(page["transferred_bytes"] for page in pages.values()),
        "times": TIMES,
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def _pages(systems: int) -> dict[str, Ask]:
    def slug(rng: random.Random) -> str:
        return register.slug_of(rng.randrange(systems))

    def day(rng: random.Random) -> str:
        return (register.FIRST.date() + timedelta(days=rng.randrange(5, 280))).isoformat()

    return {
        "home": lambda client, _: client.get("/"),
        "register": lambda client, _: client.get("/register"),
        "search": lambda client, rng: client.get("/register", params={"q": rng.choice(("lening", "zorg", "water"))}),
        "facets": lambda client, rng: client.get("/register", params={"theme": rng.choice([*THEMES.codes])}),
        "system": lambda client, rng: client.get(f"/register/{slug(rng)}"),
        "duties": lambda client, rng: client.get(f"/register/{slug(rng)}/duties"),
        "past_day": lambda client, rng: client.get(f"/register/{slug(rng)}/history", params={"as_of": day(rng)}),
        "check": lambda client, _: client.get("/check"),
        "ask": lambda client, _: client.get("/explanations"),
        "wrong_code": lambda client, _: client.post("/check", data=_FORM),
        "rights": lambda client, _: client.get("/rights"),
    }


def _page(client: httpx.Client, ask: Ask) -> dict[str, float | int]:
    rng = random.Random(7)
    times, weight = [], 0
    for _ in range(TIMES):
        began = time.perf_counter()
        answer = ask(client, rng)
        times.append((time.perf_counter() - began) * 1000)
        if answer.status_code not in (200, 422, 429):
            raise RuntimeError(f"a page was answered with {answer.status_code}")
        weight = max(weight, answer.num_bytes_downloaded)
    assets = {path: client.get(path).num_bytes_downloaded for path in sorted(set(_ASSET.findall(answer.text)))}
    return {
        "first_ms": round(times[0], 2),
        "p50_ms": round(statistics.median(times[1:]), 2),
        "p95_ms": round(percentile(times[1:], 95), 2),
        "page_bytes": weight,
        "transferred_bytes": weight + sum(assets.values()),
    }


@contextlib.contextmanager
def _served(g: Greffier) -> Iterator[httpx.Client]:
    """A client of a server over this home, in a thread of this process."""
    server = uvicorn.Server(config(g))
    thread = threading.Thread(target=server.run, name="bench-site", daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        host, port = server.servers[0].sockets[0].getsockname()
        with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False, timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(timeout=30)
