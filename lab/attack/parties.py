"""Everybody who looks at Waterveen's log, each with the check that they really have. None of it knows the attack.

`examine` gives party → the first sentence that it would act on; a party that noticed nothing is not in it.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from auditlog.core.__main__ import main as verifier
from auditlog.core.checking.audit import read_entries
from auditlog.core.checking.tree import tree_reader
from auditlog.core.errors import AuditLogError, CannotRecord, GuardError
from auditlog.core.formats.keyring import format_key_ring
from auditlog.peers.fetch import Unreachable, Withheld
from auditlog.peers.mirror import name_of
from home.errors import AppError
from home.greffier import Greffier
from lab.attack.forgery import database, origin
from lab.attack.scene import MAX_AGE, Scene, advance, portal
from service.keeping import fsck
from service.logs import export as log_action
from service.logs import mirror, monitor, publish, timestamp

AUDIT: Final = "audit"
CHECKPOINT: Final = "older checkpoint"
GAPS: Final = "gaps"
RECEIPT: Final = "receipt"
LETTER: Final = "letter"
FSCK: Final = "fsck"
GUARD: Final = "guard"
START: Final = "start"
WITNESS: Final = "witness"
MONITOR: Final = "monitor"
MIRROR: Final = "mirror"
COMPARISON: Final = "comparison"
STAMP: Final = "time stamp"
PARTIES: Final = (
    AUDIT, CHECKPOINT, GAPS, RECEIPT, LETTER, FSCK, GUARD, START, WITNESS, MONITOR, MIRROR, COMPARISON, STAMP,
)  # fmt: skip
Noticed = dict[str, str]


@dataclass(frozen=True, slots=True)
class Told:
    """What `python -m auditlog … --json` said."""

    code: int
    facts: Mapping[str, Any]

    @property
    def sentence(self) -> str:
        return str(self.facts.get("error", ""))


def verify(*arguments: str | Path) -> Told:
    """The offline verifier's command line, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = verifier([str(one) for one in arguments] + ["--json"])
    if code == 2:
        return Told(code, {"error": err.getvalue().strip().removeprefix("error: ")})
    return Told(code, json.loads(out.getvalue()))


# --- with nothing but files -------------------------------------------------------------------------------------------


def examine_exports(s: Scene, exports: list[Path]) -> Iterator[tuple[str, str]]:
    """Auditor and citizens, offline. `exports`: the agency's logs, oldest first."""
    told = verify("audit", *exports, "--policy", s.folder / "policy")
    if told.code:
        yield AUDIT, told.sentence
    elif told.facts.get("times_before_start"):
        yield AUDIT, f"{told.facts['times_before_start']} entries are dated before the log began"
    # Who compares with what they kept first reads the export: what is wrong with that the audit says already.
    for party, sentence in (*_earlier(s, exports[0]), *_receipts(s, exports), *_stamps(s, exports[0])):
        if sentence != told.sentence:
            yield party, sentence
    yield from _gaps(exports)


def _earlier(s: Scene, export: Path) -> Iterator[tuple[str, str]]:
    """An auditor who kept a cosigned checkpoint of the middle."""
    yield from _against(s, export, "early.checkpoint", s.early, CHECKPOINT)
    told = verify("consistency", s.folder / "early.checkpoint", export, "--policy", s.folder / "policy")
    if not told.code and told.facts["dated_before_witnessed"]:
        late = told.facts["dated_before_witnessed"]
        yield CHECKPOINT, f"{late} entries are dated before it was witnessed without them"


def _against(s: Scene, export: Path, name: str, note: bytes, party: str) -> Iterator[tuple[str, str]]:
    """A checkpoint that somebody kept, held against today's export."""
    path = s.folder / name
    path.write_bytes(note)
    told = verify("consistency", path, export, "--vkey", _vkey(s))
    if told.code:
        yield party, told.sentence


def _gaps(exports: list[Path]) -> Iterator[tuple[str, str]]:
    for export in exports:
        told = verify("gaps", export)
        if told.code:
            continue  # a log that does not hold is the audit's to tell
        found = told.facts["gaps"]
        for boot in found["boots"]:
            if boot["missing"]:
                yield GAPS, f"boot: number {boot['missing'][0][0]} has no entry"
                return
        for source in found["sources"]:
            if source["missing"]:
                yield GAPS, f"source {source['source']}: number {source['missing'][0][0]} has no entry"
                return
        if found["silent"]:
            yield GAPS, f"silent for {found['silent'][0]['hours']} hours, no outage explains it"
            return


def _receipts(s: Scene, exports: list[Path]) -> Iterator[tuple[str, str]]:
    """Each citizen's receipt by itself, its checkpoint against the export, and the reference that a letter names."""
    known = {json.loads(data).get("id") for export in exports for data in _all_entries(export)}
    noticed: Noticed = {}
    for name, receipt in s.letters.items():
        if not receipt:
            if name not in known:
                noticed.setdefault(LETTER, "the log holds no entry with the reference of the letter")
            continue
        path = s.folder / "a.receipt.json"
        path.write_bytes(receipt)
        told = verify("verify", path, "--vkey", _vkey(s))
        if told.code:
            noticed.setdefault(RECEIPT, told.sentence)
            continue
        if told.facts["openings"].get("outcome") != s.texts[name]:
            noticed.setdefault(LETTER, "the letter tells another outcome than the receipt opens")
        checkpoint = str(json.loads(receipt)["proof"]).partition("\n\n")[2].encode()
        for party, sentence in _against(s, exports[0], "receipt.checkpoint", checkpoint, RECEIPT):
            noticed.setdefault(party, sentence)
    yield from noticed.items()


def _vkey(s: Scene) -> Path:
    """The keys that citizens were given: those of the policy."""
    path = s.folder / "log.vkey"
    path.write_text(format_key_ring(s.policy.logs), "utf-8")
    return path


def _all_entries(export: Path) -> Iterator[bytes]:
    with contextlib.suppress(AuditLogError, ValueError, OSError):
        size = int((export / "checkpoint").read_text("utf-8").split("\n")[1])
        for _, data in read_entries(tree_reader(export), size):
            yield data


def _stamps(s: Scene, export: Path) -> Iterator[tuple[str, str]]:
    """Every token beside the export, under the CA that the reader chose, and its checkpoint against the log."""
    if s.authority is None:
        return
    for token in sorted((export / "timestamps").glob("*.tsr")):
        note = token.with_suffix(".checkpoint").read_bytes()
        try:
            timestamp.verify(note, token.read_bytes(), s.authority.ca, s.policy.logs)
        except (AppError, AuditLogError) as error:
            yield STAMP, str(error)
            return
        for party, sentence in _against(s, export, "stamped.checkpoint", note, STAMP):
            yield party, sentence
            return


# --- beside the installation ------------------------------------------------------------------------------------------


def examine(s: Scene) -> Noticed:
    """Everybody's check, once the attack is done and the operator has published as well as they can."""
    noticed: Noticed = {}
    for party, sentence in _all(s):
        if party != COMPARISON or sentence != noticed.get(AUDIT):
            noticed.setdefault(party, sentence)
    return {party: noticed[party] for party in PARTIES if party in noticed}


def _all(s: Scene) -> Iterator[tuple[str, str]]:
    yield from _start(s)  # no witness answers yet: this is the program's own word
    with s.witness():
        with s.opened(tolerant=True) as g:
            yield from _witnesses(s, g)
            yield from ((FSCK, f"{one.place}: {one.message}") for one in fsck.check_all(g)[:1])
            exports = [_export(s, g, number) for number in s.numbers]
            yield from _outside(s, g)
        yield from examine_exports(s, exports)
    yield from _comparison(s)


def _start(s: Scene) -> Iterator[tuple[str, str]]:
    """The program itself, when it is started as it is."""
    try:
        with s.opened():
            pass
    except GuardError as error:
        yield GUARD, str(error)
    except CannotRecord as error:
        if error.cause != "closed":
            yield START, str(error)


def _witnesses(s: Scene, g: Greffier) -> Iterator[tuple[str, str]]:
    """What the witness answers at the start, and when the operator publishes."""
    try:
        if isinstance(g.problem, GuardError) and g.problem.field == "witness":
            raise g.problem
        publish.ask_at_start(g)
    except GuardError as error:
        yield WITNESS, str(error)
    if g.problem is None and not s.silent:
        advance(g)
        state = publish.state(g)
        if not state.met or state.published < state.integrated:
            yield WITNESS, "; ".join(dict.fromkeys(state.missing.values())) or "has not cosigned it"


def publish_anyway(s: Scene) -> None:
    """Without cosignatures an operator can still serve what they like."""
    with database(s.home) as conn:
        head = conn.execute("SELECT size, note FROM auditlog_head WHERE log = 1 AND name = 'integrated'").fetchone()
        conn.execute("UPDATE auditlog_head SET size = ?, note = ? WHERE log = 1 AND name = 'published'", head)


def _export(s: Scene, g: Greffier, number: int) -> Path:
    to = s.folder / f"export-{number}"
    if to.exists():
        shutil.rmtree(to)
    log_action.export_log(g, to, number=number)
    s.after_export(to)
    return to


def _outside(s: Scene, g: Greffier) -> Iterator[tuple[str, str]]:
    """Monitor and mirror, over HTTP; each may be shown something of its own."""
    with portal(g) as own, contextlib.ExitStack() as others:
        shown = {party: others.enter_context(s.shown[party]()) for party in s.shown}
        yield from _try(MONITOR, lambda: _follow(s, shown.get(MONITOR, own)))
        yield from _try(MIRROR, lambda: _mirror(s, shown.get(MIRROR, own)))


def _try(party: str, look: Callable[[], str | None]) -> Iterator[tuple[str, str]]:
    try:
        sentence = look()
    except (Unreachable, Withheld) as error:
        sentence = str(error)
    except (AppError, AuditLogError) as error:
        sentence = str(error)
    if sentence is not None:
        yield party, sentence


def _follow(s: Scene, url: str) -> str | None:
    """`greffier monitor URL --max-age --entries --follow`, from cron."""
    # Without the policy's own addresses, which lead to a real server: a successor is found beside its predecessor.
    policy = replace(s.policy, log_urls={})
    found = monitor.follow(
        f"{url}/log/1", policy, s.folder / "monitor", now=int(s.clock.posix()), max_age=MAX_AGE, entries=True,
        successors=True,
    )  # fmt: skip
    return next((report.sentence for report in found.reports if not report.holds), None)


def _mirror(s: Scene, url: str) -> str | None:
    for number in s.numbers:
        with mirror.open_source(f"{url}/log/{number}") as sources:
            taken = mirror.mirror(sources, s.folder / "mirror", s.policy.logs, now=int(s.clock.posix()))
        for one in taken:
            if one.problem is not None:
                return one.problem
    return None


def _comparison(s: Scene) -> Iterator[tuple[str, str]]:
    """Monitor and mirror lay side by side what each of them was shown."""
    copies = [s.folder / one / name_of(origin()) for one in ("monitor", "mirror")]
    small, large = sorted(copies, key=lambda one: _size((one / "checkpoint").read_bytes()))
    path = s.folder / "compared.checkpoint"
    path.write_bytes((small / "checkpoint").read_bytes())
    told = verify("consistency", path, large, "--vkey", _vkey(s))
    if told.code:
        yield COMPARISON, told.sentence


def _size(note: bytes) -> int:
    return int(note.split(b"\n")[1])
