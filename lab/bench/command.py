"""`greffier bench`: the command, which the command line offers where this folder lies beside it."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Annotated

import typer

from cli.options import print_json, progress
from home.errors import UsageError
from lab import bench as benches
from lab.bench import processes as several


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("bench")(bench)


def bench(
    what: Annotated[str, typer.Argument(help=", ".join(benches.NAMES))],
    writers: Annotated[str, typer.Option(help="Numbers of writers, with commas.")] = "1,16,64",
    seconds: Annotated[float, typer.Option(min=0.2, max=600)] = 5.0,
    database_url: Annotated[
        str | None, typer.Option(help="PostgreSQL URL; a temporary SQLite file by default.")
    ] = None,
    decisions: Annotated[bool, typer.Option(help="Whole sealed decisions of 8 fields instead of entries.")] = False,
    grow: Annotated[int, typer.Option(min=0, help="Fill the log to so many entries first.")] = 0,
    processes: Annotated[int, typer.Option(min=1, max=64, help="So many processes, each with the writers.")] = 1,
    entries: Annotated[
        int | None,
        typer.Option(min=10, max=20_000_000, help="Size of the log that is audited or asked; decisions replayed."),
    ] = None,
    server: Annotated[str | None, typer.Option(help="The program llama-server, to compare with.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Rounds of decide, replay and explain.")] = 3,
    cases: Annotated[int, typer.Option(min=1, max=250, help="Cases of each rule that explain is held against.")] = 200,
    slots: Annotated[str, typer.Option(help="Numbers of requests at once, with commas.")] = "1,4,8,16",
) -> None:
    """Measure; prints JSON with medians and spread, and for append the device's fsync time."""
    if what in ("decide", "replay", "explain"):
        from lab.bench import decide, explain, replay  # noqa: PLC0415 (nobody else here holds llama.cpp in memory)

        if what == "decide":
            print_json(decide.run(server, _numbers(slots, "--slots"), rounds, report=progress))
        elif what == "explain":
            print_json(explain.run(cases, rounds, report=progress))
        else:
            print_json(replay.run(entries or 0, rounds, report=progress))
        return
    if what in benches.ALONE:
        measure_alone = import_module(f"lab.bench.{what}").run
        print_json(measure_alone(entries or benches.ALONE[what], database_url, report=progress))
        return
    entries = 160_000 if entries is None else entries
    if what in benches.OF_SIZE:
        print_json(benches.OF_SIZE[what](entries))
        return
    if what in benches.ON_DATABASE:
        print_json(benches.ON_DATABASE[what](entries, database_url, report=progress))
        return
    if what in benches.OVER_HTTP:
        print_json(benches.OVER_HTTP[what](seconds, database_url, report=progress))
        return
    if what not in benches.KINDS:
        raise UsageError(f"must be one of {', '.join(benches.NAMES)}", field="what")
    counts = _numbers(writers, "--writers")
    if processes > 1:
        print_json([several.run(processes, count, seconds, database_url) for count in counts])
        return
    measure = benches.KINDS[what]
    print_json(measure(counts, seconds, database_url, decisions=decisions, grow=grow, report=progress))


def _numbers(text: str, option: str) -> list[int]:
    if not re.fullmatch(r"[1-9]\d{0,3}(,[1-9]\d{0,3})*", text):
        raise UsageError("must be numbers with commas, such as 1,16,64", field=option)
    return [int(n) for n in text.split(",")]
