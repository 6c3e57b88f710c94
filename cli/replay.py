"""`greffier replay`: recorded decisions run again, one or a sample; what another version would have said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from auditlog.core.entries.vocabulary import VERDICTS
from auditlog.store.replays import REPLAY
from cli.options import AsJson, Home, ReadAs, plain, print_json, print_rows, progress, reader_as, reserved_file
from home.errors import UsageError
from home.greffier import Greffier
from runtime.replay.tolerance import LEAST
from runtime.verdict import PASSES
from service.records import reading
from service.replaying import calibrate as replay_calibrate
from service.replaying import health as replay_health
from service.replaying import replay, what_if
from service.replaying import sample as replay_sample
from service.replaying.order import How
from service.replaying.replay import Verdict
from service.systems import register
from service.wiring import open_home

COLUMNS = ("system", "version", "verdict", "reason", "record", "id")
_FOUND = 0
_DIFFERENT = 1


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("replay")(run_again)


def run_again(
    home: Home,
    record_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Id of a decision, to run it again; or of an earlier replay.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="So many decisions, drawn so that anyone can draw them again.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="Slug of a system; by default all.")] = None,
    other: Annotated[
        int | None, typer.Option("--what-if", metavar="VERSION", min=1, help="What this version would have said.")
    ] = None,
    calibrate: Annotated[
        str | None, typer.Option(metavar="SYSTEM", help="Measure how far honest replays lie from their records here.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File for --calibrate.")] = None,
    health: Annotated[
        bool, typer.Option("--health", help="How replays ended in the last year, and self-tests.")
    ] = False,
    passes: Annotated[str | None, typer.Option(help="one_pass (the default), or alone: generated anew.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, max=512, help="Other than the version's number.")] = None,
    read_as: ReadAs = "auditor",
    as_json: AsJson = False,
) -> int:
    """Run recorded decisions again and record the verdict; exit 1 where one came out otherwise."""
    mode = _demand_one(ID=record_id, **{"--sample": None if other or calibrate else sample, "--what-if": other,
                                        "--calibrate": calibrate, "--health": health or None})  # fmt: skip
    _demand_fit(mode, {"--sample": sample, "--system": system, "-o": output, "--passes": passes, "--threads": threads})
    reader = reader_as(read_as)
    if health:
        with open_home(home, tolerant=True) as g:
            _show_health(g, system, as_json=as_json)
        return _FOUND
    if calibrate is not None:
        return _calibrate(home, reader, calibrate, output, sample)
    with open_home(home) as g:
        if other is not None:
            return _what_if(g, reader, system, other, sample)
        if sample is not None:
            return _sample(g, reader, sample, system, How(passes or PASSES[0], threads, "sample"), as_json=as_json)
        return _one(g, reader, str(record_id), How(passes or PASSES[0], threads))


def _one(g: Greffier, reader: reading.Reader, id_: str, how: How) -> int:
    entry = reading.find(g, id_).entry
    verdict = replay.show(g, reader, id_) if entry.kind == REPLAY else replay.replay(g, reader, id_, how)
    print_json(replay.as_json(verdict))
    return _code([verdict])


def _sample(g: Greffier, reader: reading.Reader, count: int, system: str | None, how: How, *, as_json: bool) -> int:
    found = replay_sample.sample(g, reader, count, system=system, how=how, told=_counted(count, "run again"))
    if as_json:
        print_json({**plain(found), "counts": found.counts})
    else:
        print_rows([plain(one) for one in found.verdicts], as_json=False, columns=COLUMNS)
    told = ", ".join(f"{verdict} {number}" for verdict, number in sorted(found.counts.items())) or "nothing"
    drawn = found.drawn
    progress(f"{told}; {found.erased} erased and {found.restricted} restricted ones were passed over")
    progress(
        f"drawn from {drawn.population} among the first {drawn.size} entries of log {drawn.log}, root {drawn.root}"
    )
    return _code(found.verdicts)


def _what_if(g: Greffier, reader: reading.Reader, system: str | None, version: int, sample: int | None) -> int:
    if system is None or sample is None:
        raise UsageError("needs --system and --sample", field="--what-if")
    told = _counted(sample, "compared")
    print_json(plain(what_if.what_if(g, reader, system, version, sample, told=lambda _: told(None))))
    return _FOUND


def _calibrate(home: Path, reader: reading.Reader, system: str, output: Path | None, sample: int | None) -> int:
    if output is None:
        raise UsageError("name a file for the calibration", field="-o")
    count = LEAST if sample is None else sample
    told = _counted(count, "measured")
    with reserved_file(output, "-o") as write, open_home(home) as g:
        write(replay_calibrate.calibrate(g, reader, system, count, lambda _: told(None)))
    return _FOUND


def _show_health(g: Greffier, system: str | None, *, as_json: bool) -> None:
    if system is not None:
        register.show(g, system)
    rows = [plain(one) for one in replay_health.all_systems(g) if system in (None, one.system)]
    if as_json:
        print_json(rows)
        return
    flat = [{**row, **row["counts"]} for row in rows]
    print_rows(flat, as_json=False, columns=("system", "version", "determinism", "measured", "device", *VERDICTS))


def _counted(whole: int, word: str) -> Callable[[Any], None]:
    done = 0

    def told(_: Any) -> None:
        nonlocal done
        done += 1
        if done == whole or done % max(1, whole // 10) == 0:
            progress(f"{done} of {whole} {word}")

    return told


def _code(verdicts: tuple[Verdict, ...] | list[Verdict]) -> int:
    return _DIFFERENT if any(one.verdict == "mismatch" for one in verdicts) else _FOUND


# What each way of asking takes beside itself.
_TAKES = {
    "ID": {"--passes", "--threads"},
    "--sample": {"--sample", "--system", "--passes", "--threads"},
    "--what-if": {"--sample", "--system"},
    "--calibrate": {"--sample", "-o"},
    "--health": {"--system"},
}


def _demand_fit(mode: str, options: dict[str, object]) -> None:
    """Raise UsageError for an option that would change nothing: whoever gave it expects that it does."""
    for name, value in options.items():
        if value is not None and name not in _TAKES[mode]:
            raise UsageError(f"is not taken with {mode}: leave it out", field=name)


def _demand_one(**given: object) -> str:
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise UsageError(f"give one of {', '.join(given)}", field="replay")
    return named[0]
