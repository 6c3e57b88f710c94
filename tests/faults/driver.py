"""The program under fault injection: it forks for every order it reads, so that hundreds of runs cost one start.

An order is one JSON line, `{"phase": …, "home": …, "said": …}`; the child stops itself just before the calls in
question, so that strace can take hold of it, and writes one JSON line into `said` for everything that was promised.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cli
from auditlog.core.counting.cells import counted
from auditlog.core.errors import AuditLogError, CannotRecord
from auditlog.store import decisions as decision_store
from auditlog.store.engine import is_database_error
from auditlog.store.insert import insert_rows
from auditlog.store.sources import source_row
from auditlog.vault.record_keys import RecordKeys
from auditlog.writing.guard import Guard
from auditlog.writing.log import Integrated, Unit
from home.errors import AppError
from home.greffier import Greffier
from registry.store import systems as register_store
from service.erasing import erase
from service.logs import publish
from service.wiring import open_home

LOAN = "social-loan-check"
ORIGIN = "waterveen.example/log/1"


class Said:
    """What left the process: written at once, by one call, as an answer would."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def __call__(self, **what: Any) -> None:
        os.write(self._fd, json.dumps(what).encode() + b"\n")

    def integrated(self, done: Integrated) -> None:
        for one in done.sequenced:
            self(index=one.index, id=one.entry.id, checkpoint=done.checkpoint.decode())

    def refused(self, error: CannotRecord, g: Greffier | None = None) -> None:
        # The cause of the outage is that of its beginning; a read within it may fail by another.
        state = None if g is None else g.log.state()
        outage = None if state is None or state.recording else state.cause
        self(refused=error.cause, message=str(error), outage=outage)


class Heard(Said):
    """The same within a test, kept in a list."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []

    def __call__(self, **what: Any) -> None:
        self.all.append(what)


def stop() -> None:
    """Wait for strace: it goes on when SIGCONT comes."""
    os.kill(os.getpid(), signal.SIGSTOP)


# --- phases -----------------------------------------------------------------------------------------------------------


def appending(home: Path, said: Said) -> None:
    """Decisions, an erasure and a publication, on a home that is open already; then it is closed."""
    with open_home(home) as g:
        stop()
        work(g, said)


def erasing(home: Path, said: Said) -> None:
    """A decision that is then erased."""
    with open_home(home) as g:
        first = decide(g, said, 1)
        stop()
        said(erased=first, tombstone=erase.erase(g, first, ground="objection"))


def forgetting(home: Path, said: Said) -> None:
    """Three decisions, of which two are erased as a set, whose tombstones follow."""
    with open_home(home) as g:
        records = [decide(g, said, number) for number in range(3)]
        plan = erase.plan_set(g, records[:2], ground="objection")
        stop()
        erase.confirm(g, plan, plan.code)
        said(gone=records[:2])
        erase.write_tombstones(g, at_once=True)
        said(tombstones=True)


def saving(home: Path, said: Said) -> None:
    """`greffier backup`, into the home."""
    stop()
    said(ended=cli.run(["backup", "--home", str(home), "--to", str(home / "saved")]))


def bringing_back(home: Path, said: Said) -> None:
    """`greffier restore`, from the home's own file."""
    stop()
    said(ended=cli.run(["restore", "--home", str(home), "--from", str(home / "saved")]))


def starting(home: Path, said: Said) -> None:
    """From the closed home to one entry, and closed again."""
    stop()
    code = 0
    try:
        with open_home(home) as g:
            attempt(g, said, lambda: said.integrated(pulse(g)))
    except CannotRecord as error:
        said.refused(error)
    except Exception as error:
        # What the command line makes of it is what an operator sees.
        code = cli.exit_code(error)
        said(failed=cli.message(error), code=code, where=traceback.format_exc())
    said(ended=code)


def making(home: Path, said: Said) -> None:
    """`greffier init`."""
    stop()
    code = cli.run(["init", "--home", str(home), "--agency", "waterveen", "--origin", "waterveen.example/log"])
    said(ended=code)


def guarding(home: Path, said: Said) -> None:
    """The guard file alone."""
    stop()
    guard = Guard(home / "guard")
    for size in range(4):
        try:
            if size == 0:
                guard.create(ORIGIN)
            else:
                guard.raise_to(size, bytes([size]) * 32)
            said(guard=size)
        except (CannotRecord, OSError) as error:
            said(refused=getattr(error, "cause", "os"), message=str(error))


def keeping(home: Path, said: Said) -> None:
    """The key store alone: three keys durable, then the first one erased."""
    stop()
    path = home / "record.keys"
    try:
        RecordKeys.create(path)
        said(created=True)
        keys = RecordKeys(path)
    except (AuditLogError, OSError) as error:
        said(failed=str(error), code=1)
        return
    given: list[tuple[int, bytes]] = []
    for _ in range(3):
        try:
            slot, key = keys.allocate()
            said(given=slot)
            given.append((slot, key))
            keys.sync()
            said(durable=[(slot, key.hex()) for slot, key in given])
        except CannotRecord as error:
            said.refused(error)
    for _ in range(2 if given else 0):
        try:
            keys.overwrite([given[0][0]])
            said(erased=given[0][0])
            break
        except AuditLogError as error:
            said(failed=str(error), code=1)
    keys.close()


PHASES: dict[str, Callable[[Path, Said], None]] = {
    phase.__name__: phase
    for phase in (appending, erasing, forgetting, saving, bringing_back, starting, making, guarding, keeping)
}


# --- what an installation does all day --------------------------------------------------------------------------------


def work(g: Greffier, said: Said) -> None:
    first = attempt(g, said, lambda: decide(g, said, 1))
    attempt(g, said, lambda: decide(g, said, 2))
    if first is not None:
        attempt(g, said, lambda: said(erased=first, tombstone=erase.erase(g, first, ground="objection")))
    attempt(g, said, lambda: publish_all(g, said))
    for number in (3, 4):
        attempt(g, said, lambda number=number: decide(g, said, number))
    # As the next caller would: one more, which ends an outage that has ended.
    attempt(g, said, lambda: said.integrated(pulse(g)))


def publish_all(g: Greffier, said: Said) -> None:
    publish.advance(g, at_once=True)
    said(published=g.publisher.checkpoint().decode())


def attempt(g: Greffier, said: Said, what: Callable[[], Any]) -> Any:
    """Do it, or say how it was refused. What is neither ends the process with its traceback, which fails the test."""
    try:
        return what()
    except CannotRecord as error:
        said.refused(error, g)
    except (AuditLogError, AppError) as error:
        said(failed=str(error), code=cli.exit_code(error))
    except Exception as error:
        if not is_database_error(error):
            raise
        said(failed=type(error).__name__, code=cli.exit_code(error))


def pulse(g: Greffier) -> Integrated:
    return g.log.append(Unit((g.make("pulse/1", boots=[], recording="ok"),))).result(60)


def decide(g: Greffier, said: Said, number: int) -> str:
    """As `actions.decide` records, without a model: sealed values, entry and query row in one unit."""
    with g.reading() as conn:
        gate = register_store.gate(conn, LOAN)
    content: dict[str, Any] = {
        **{f"in_{field.id}": None for field in gate.running.manifest.fields},
        "output": {"text": "x" * 700},
        "outcome": None,
        "parent": None,
        "usage": None,
        "run": None,
        "times": None,
    }
    entry_id = g.make("pulse/1", boots=[], recording="ok").id
    prepared = g.vault.prepare(entry_id, content, ("TEST-7731",))
    entry = g.make(
        "decision/1",
        id=entry_id,
        system=gate.system,
        version=gate.version,
        manifest=gate.manifest_digest,
        capture="external",
        mode=gate.mode,
        boot=None,
        source="case-system",
        n=int.from_bytes(os.urandom(6)),
        opened=None,
        commitments=prepared.commitments,
    )

    def rows(conn: Any, sequenced: Any) -> None:
        register_store.gate_again(conn, gate)
        prepared.insert(conn)
        decision_store.insert_decision(conn, decision_store.row_from(entry, content, sequenced[0].place))
        insert_rows(conn, [source_row(entry, sequenced[0].place)])

    said.integrated(g.log.append(Unit((entry,), rows, counts=lambda _: counted(entry, content))).result(60))
    return entry_id


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 70
            try:
                for fd, suffix in ((1, ".out"), (2, ".err")):
                    os.dup2(os.open(order["said"] + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), fd)
                # The limit's signal: where every thread stood is what one wants to know.
                faulthandler.enable()
                PHASES[order["phase"]](Path(order["home"]), Said(Path(order["said"])))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
