"""`reading.open` is the only way to plaintext, and its access entry is in the log before anything leaves.

Three ways to look: who calls what opens content (the source); every route, asked for real content; every command.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from accounts import administration
from accounts.roles import ACCOUNT_ROLES, ROLES, ROUTES
from auditlog.core.entries.record import Entry, parse_entry
from auditlog.store import decisions as decision_store
from auditlog.store import log as log_store
from auditlog.vault.references import Refs
from auditlog.writing.guard import parse_guard_line
from auditlog.writing.log import Unit
from cli import app as commands
from cli import run
from service.cases import public_requests, reviews
from service.disclosing import documents
from service.explaining import explain
from service.records import reading
from service.replaying import replay
from service.systems import incidents, register
from service.wiring import open_home
from web import create_app

pytestmark = pytest.mark.enable_socket

ROOT = Path(__file__).parents[2]
SOURCES = ("home", "accounts", "service", "web", "cli", "auditlog", "registry", "runtime", "reports")

# --- the source -------------------------------------------------------------------------------------------------------

# What opens a sealed row for somebody.
OPENS = {"service/records/reading.py"}
# The program's own reading of sealed rows, where nobody is given anything: checks, tags and rows that are made anew.
OWN = {
    "auditlog/vault/seal.py": "the vault itself",
    "auditlog/vault/check.py": "log fsck: compares, and says where something differs",
    "auditlog/vault/retag.py": "tags under a new index key",
    "auditlog/recovery/salvage.py": "log import: what an older database still has",
    "auditlog/recovery/rederive.py": "restore: rows that follow from entries and content",
    "service/cases/rebuild.py": "restore and log fsck: rows of requests and first judgements",
    "service/systems/incident_check.py": "log fsck: what an incident's step says beyond its entry",
    "service/keeping/vault_keys.py": "whether a key-encryption key is the right one",
    "lab/bench/seal.py": "a benchmark's own records",
}
RECOUNTS = {
    "service/deciding/idempotency.py": "whether a request is the one that was made under its key",
    "service/external/idempotency.py": "whether a line is the one that was recorded under its number",
    "service/figures/recount.py": "a tally held against live records",
    "service/deciding/counting.py": "cells of reviews and decisions",
    "service/figures/check.py": "log fsck: numbers of published tallies against their rows",
    "service/figures/sums.py": "log fsck: numbers of tallies against the roll-up",
    "service/figures/period_tallies.py": "tallies summed over a period: numbers, and no record's content",
    "service/invoices/calls.py": "calls that a provider may bill: numbers, and no record's content",
    "service/replaying/sample.py": "the nightly replays: a verdict, which says nothing of the content",
    "service/deciding/chat.py": "the turns before, which a client sends again, held against their records",
    "service/deciding/conversations.py": "to which conversation a record belongs, and the number of a turn",
    "service/disclosing/notices.py": "whether a notice is the one that was recorded under its key",
    "service/records/reading.py": "its definition",
    "service/records/release.py": "whether the person has been told, so that a held result opens to them",
    "service/cases/public_requests.py": "whom a record concerns: a request about it concerns them, too",
    "service/cases/notification.py": "the day on which the person was told of the decision",
    "service/cases/reviews.py": "whether a review is the one that was recorded under its key",
    "lab/attack/scene.py": "an invented past: the receipts that its citizens have",
    "lab/attack/recordings.py": "a forger at work, who leaves no access",
}


def calls(wanted: Callable[[ast.Call], bool]) -> set[str]:
    """The files with a call that `wanted` picks."""
    found = set()
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            if any(isinstance(node, ast.Call) and wanted(node) for node in ast.walk(tree)):
                found.add(str(path.relative_to(ROOT)))
    return found


def called(node: ast.Call) -> str:
    """`a.b.c` of a call `a.b.c(…)`; empty for what is no name."""
    try:
        return ast.unparse(node.func)
    except ValueError:
        return ""


def test_one_module_opens_content_for_somebody() -> None:
    assert calls(lambda node: re.search(r"vault\.open$", called(node)) is not None) == OPENS
    assert calls(lambda node: called(node).split(".")[-1] == "open_row") <= OWN.keys()


def test_the_programs_own_readings_are_these() -> None:
    assert calls(lambda node: called(node) in {"reading.recount", "recount_records"}) <= RECOUNTS.keys()
    imported = calls(lambda node: called(node) == "Record" and len(node.args) + len(node.keywords) == 4)
    assert imported == OPENS, "an opened record is made in one place"


def test_ciphertext_is_opened_in_the_vault_alone() -> None:
    allowed = {f"auditlog/{name}.py" for name in ("vault/seal", "vault/blobs", "vault/secret", "writing/keyseal")}
    assert calls(lambda node: called(node).endswith(".decrypt")) <= allowed
    assert calls(lambda node: called(node) in {"parse_payload", "payload.parse_payload"}) <= {"auditlog/vault/seal.py"}


# --- routes -----------------------------------------------------------------------------------------------------------


@dataclass
class Served:
    """The application over an open home, and how much of the log was integrated when an answer began to leave."""

    g: Any
    portals: Any
    records: Any
    reasons: str
    replay: str = ""
    explanation: str = ""
    request: str = ""
    incident: str = ""
    document: str = ""
    left_at: list[int] = field(default_factory=list)

    @property
    def guarded(self) -> int:
        return parse_guard_line(self.g.guard.path.read_bytes()).size

    def accesses(self) -> list[tuple[int, Entry]]:
        with self.g.reading() as conn:
            found = [
                (index, parse_entry(data))
                for index, data in log_store.iterate_entries(conn, 1, 0, self.g.log.state().size)
            ]
        return [(index, entry) for index, entry in found if isinstance(entry, Entry) and entry.kind == "access/1"]

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """One request to the real application; notes the guarded size when its first bytes are sent."""
        application = create_app(self.g)

        async def watched(scope: Any, receive: Any, send: Any) -> None:
            async def sent(message: Any) -> None:
                if message["type"] == "http.response.start":
                    self.left_at.append(self.guarded)
                await send(message)

            await application(scope, receive, sent)

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=watched)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                return await client.request(method, path, **request)

        return asyncio.run(ask())

    def key(self, role: str) -> dict[str, str]:
        return dict(self.portals.Portal(self.g, "").key(role))

    def headers(self, route: str, role: str | None) -> dict[str, str]:
        """What somebody of the role sends: a session where only people reach the route, else a key."""
        if role is None:
            return {}
        person = ROUTES[route].signed_in and role in ACCOUNT_ROLES
        return dict(self.portals.Portal(self.g, "").staff(role)) if person else self.key(role)

    @property
    def marks(self) -> tuple[str, ...]:
        """What stands in sealed content and nowhere else."""
        return (self.portals.INPUT["message"], self.reasons, self.portals.SUBJECT, "test0999")


@pytest.fixture(scope="module")
def served(portals: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home, records = portals.copy_of_a_home(tmp_path_factory.mktemp("reading"))
    with open_home(home) as g:
        made = Served(g, portals, records, "reasons that stand nowhere else 8812")
        reviews.record_review(g, records.held, reviews.Review("refer", "to a colleague", made.reasons))
        made.replay = replay.replay(g, reading.CLI, records.given).id
        made.explanation = explain.explain(g, reading.CLI, records.given).id
        opened = public_requests.open_request(g, right="explain", channel="web", lang="en", text=made.reasons)
        made.request = opened.request.id
        facts = incidents.Facts(what=made.reasons, harm="None.", persons=None, cause=None, measures=None)
        system, duty = portals.SYSTEM, register.show(g, portals.SYSTEM).system.role
        made.incident = incidents.open_incident(
            g, system, duty="provider" if duty == "provider" else "risk", severity="other", aware=g.clock(),
            facts=facts, role="officer",
        ).id  # fmt: skip
        made.document = documents.of_incident(incidents.find(g, made.incident))[0]
        yield made


@dataclass(frozen=True)
class Ask:
    """How a route is asked: with the id of a record where it takes one. `gives`: it gives content to these roles, with
    this status where it is no success (a form that is shown again with what is wrong)."""

    path: str
    body: Any = None
    gives: frozenset[str] = frozenset()
    headers: tuple[tuple[str, str], ...] = ()
    twice: bool = False
    status: int | None = None


OFFICER, AUDITOR = frozenset({"officer"}), frozenset({"auditor"})
INCIDENT = frozenset({"officer", "approver", "auditor"})
# Every route of the table; a new one is refused until it says here whether it gives content.
ASKS: dict[str, Ask] = {
    "GET /": Ask("/"),
    "GET /register": Ask("/register"),
    "GET /register.json": Ask("/register.json"),
    "GET /register.csv": Ask("/register.csv"),
    "GET /register/schema.json": Ask("/register/schema.json"),
    "GET /register/{slug}": Ask("/register/{system}"),
    "GET /register/{slug}.json": Ask("/register/{system}.json"),
    "GET /register/{slug}.{form}": Ask("/register/{system}.dutch"),
    "GET /open-data.json": Ask("/open-data.json"),
    "GET /register/{slug}/duties": Ask("/register/{system}/duties"),
    "GET /register/{slug}/duties.json": Ask("/register/{system}/duties.json"),
    "GET /register/{slug}/history": Ask("/register/{system}/history"),
    "GET /register/{slug}/history.json": Ask("/register/{system}/history.json"),
    "GET /check": Ask("/check"),
    "POST /check": Ask("/check", body="reference={record}"),
    "POST /check/receipt": Ask("/check/receipt", body="reference={record}&code=0000-0000-0000"),
    "GET /changes": Ask("/changes"),
    "GET /reports": Ask("/reports"),
    "GET /reports.json": Ask("/reports.json"),
    "GET /reports/{id}": Ask("/reports/{record}"),
    "GET /reports/{id}.json": Ask("/reports/{record}.json"),
    "GET /reports/{id}/proof.json": Ask("/reports/{record}/proof.json"),
    "GET /register/{slug}/fria": Ask("/register/{system}/fria"),
    "GET /accessibility": Ask("/accessibility"),
    "GET /how-to-check-us/statement": Ask("/how-to-check-us/statement"),
    "GET /explanations": Ask("/explanations"),
    "POST /explanations": Ask("/explanations", body="reference={record}&code=0000-0000-0000"),
    "GET /requests/{right}": Ask("/requests/access"),
    "POST /requests/{right}": Ask("/requests/access", body="reference={record}&contact=nobody%40test.example"),
    "GET /follow": Ask("/follow"),
    "POST /follow": Ask("/follow", body="code=0000-0000-0000-0000-0000"),
    "GET /rights": Ask("/rights"),
    "GET /how-to-check-us": Ask("/how-to-check-us"),
    "GET /open-data": Ask("/open-data"),
    "GET /theme.css": Ask("/theme.css"),
    "GET /log/{number}/checkpoint": Ask("/log/1/checkpoint"),
    "GET /log/{number}/tile/{path:path}": Ask("/log/1/tile/0/000.p/1"),
    "GET /mirror/{origin_hash}/checkpoint": Ask("/mirror/" + "0" * 64 + "/checkpoint"),
    "GET /mirror/{origin_hash}/tile/{path:path}": Ask("/mirror/" + "0" * 64 + "/tile/0/000"),
    "GET /api/systems": Ask("/api/systems"),
    "GET /api/systems/{slug}": Ask("/api/systems/{system}"),
    "GET /api/decisions": Ask("/api/decisions?system={system}", gives=frozenset({"auditor"})),
    "GET /api/questions": Ask("/api/questions"),
    "GET /api/questions/{name}": Ask("/api/questions/volume?since=2026-01-01&until=2100-01-01"),
    "POST /api/decisions": Ask(
        "/api/decisions",
        body={"system": "{system}", "input": {"message": "May I pay next month instead of now?"}, "lang": "en"},
        headers=(("idempotency-key", "a-key-of-this-test"),),
        gives=frozenset({"client", "officer"}),
        twice=True,
    ),
    "POST /api/decisions/batch": Ask(
        "/api/decisions/batch",
        body={"decisions": [{"system": "{system}", "input": {"message": "May I pay next month?"}, "lang": "en"}]},
        headers=(("idempotency-key", "a-batch-of-this-test"),),
        gives=frozenset({"client", "officer"}),
        twice=True,
    ),
    # What its own test says: tests/web/api/test_deferred.py.
    "GET /api/decisions/{id}": Ask("/api/decisions/{record}"),
    # What was decided now is given with its own record; nothing that was recorded before is read.
    "POST /v1/chat/completions": Ask(
        "/v1/chat/completions",
        body={"model": "{system}", "messages": [{"role": "user", "content": "When can I call?"}]},
    ),
    "POST /v1/completions": Ask("/v1/completions", body={"model": "{system}", "prompt": "When can I call?"}),
    "GET /v1/models": Ask("/v1/models"),
    "GET /v1/models/{slug}": Ask("/v1/models/{system}"),
    "POST /api/records": Ask("/api/records", body={"records": []}),
    "GET /api/records/{source}": Ask("/api/records/cases"),
    "GET /api/receipts/{id}": Ask("/api/receipts/{record}", gives=frozenset({"client", "officer", "auditor"})),
    "POST /api/lookups": Ask(
        "/api/lookups", body={"subject": "test 0999", "receipts": True}, gives=frozenset({"officer", "auditor"})
    ),
    "POST /api/replays": Ask("/api/replays", body={"id": "{record}"}, gives=frozenset({"auditor", "officer"})),
    "GET /api/replays": Ask("/api/replays?system={system}"),
    "GET /api/replays/{id}": Ask("/api/replays/{replay}", gives=frozenset({"auditor", "officer"})),
    "POST /api/explanations": Ask(
        "/api/explanations", body={"id": "{record}"}, gives=frozenset({"auditor", "officer"})
    ),
    "GET /api/explanations": Ask("/api/explanations?system={system}"),
    "GET /api/explanations/{id}": Ask("/api/explanations/{explanation}", gives=frozenset({"auditor", "officer"})),
    "POST /api/requests": Ask("/api/requests", body={"right": "explain", "lang": "en", "text": "Why was that so?"}),
    # With the right code they are given to the person: tests/service/cases/test_officer_requests.py.
    "POST /api/requests/status": Ask("/api/requests/status", body={"code": "2222-2222-2222-2222-2222"}),
    "POST /api/requests/reply": Ask("/api/requests/reply", body={"code": "2222-2222-2222-2222-2222", "text": "And?"}),
    "POST /api/requests/withdrawal": Ask("/api/requests/withdrawal", body={"code": "2222-2222-2222-2222-2222"}),
    "GET /api/requests": Ask("/api/requests", gives=frozenset({"officer", "approver", "auditor"})),
    "GET /api/requests/{id}": Ask("/api/requests/{request}", gives=frozenset({"officer", "approver", "auditor"})),
    "POST /api/requests/{id}/steps": Ask(
        "/api/requests/{request}/steps", body={"step": "asked", "version": 99, "text": "Which year?"}
    ),
    "POST /api/codes": Ask("/api/codes", body={"id": "{record}"}),
    "GET /api/reviews": Ask("/api/reviews", gives=frozenset({"client", "officer", "approver", "auditor"})),
    "POST /api/reviews": Ask(
        "/api/reviews",
        body={"id": "{record}", "action": "confirm", "decision": "as suggested", "reasons": "an invented case"},
    ),
    "GET /api/notices": Ask("/api/notices?system={system}"),
    "POST /api/notices": Ask(
        "/api/notices",
        body={
            "system": "{system}",
            "duty": "affected_person",
            "channel": "post",
            "day": "2026-11-02",
            "reference": "{record}",
        },
    ),
    "GET /health": Ask("/health"),
    "GET /metrics": Ask("/metrics"),
    "GET /operator": Ask("/operator"),
    "GET /openapi.json": Ask("/openapi.json"),
    # Accounts of staff: nothing of a record.
    "GET /sign-in": Ask("/sign-in"),
    "POST /sign-in": Ask("/sign-in", body="login={record}&password=x&code=000000"),
    "GET /sign-in/first": Ask("/sign-in/first"),
    "POST /sign-in/first": Ask("/sign-in/first", body="login={record}&code=x"),
    "GET /sign-in/second-factor": Ask("/sign-in/second-factor"),
    "POST /sign-in/second-factor": Ask("/sign-in/second-factor", body="password={record}"),
    "POST /sign-out": Ask("/sign-out", body=""),
    "GET /console": Ask("/console"),
    "GET /account": Ask("/account"),
    "POST /account/password": Ask("/account/password", body="old={record}"),
    "POST /account/recovery-codes": Ask("/account/recovery-codes", body="old={record}"),
    "POST /account/sessions": Ask("/account/sessions", body=""),
    "GET /operator/live": Ask("/operator/live"),
    "GET /operator/systems/{slug}": Ask("/operator/systems/{system}"),
    "GET /operator/devices": Ask("/operator/devices"),
    "GET /console/reviews": Ask("/console/reviews", gives=OFFICER),
    "POST /console/reviews": Ask("/console/reviews", body="record={held}&assignment=0&do=take"),
    "GET /console/reviews/{id}": Ask("/console/reviews/{held}", gives=OFFICER),
    "POST /console/reviews/{id}": Ask("/console/reviews/{held}", body="do=decide", gives=OFFICER, status=422),
    "POST /console/reviews/{id}/letter": Ask("/console/reviews/{record}/letter", body="format=html", gives=OFFICER),
    "GET /console/requests": Ask("/console/requests", gives=OFFICER),
    "POST /console/requests": Ask("/console/requests", body="right=explain"),
    "GET /console/requests/new": Ask("/console/requests/new"),
    "GET /console/requests/{id}": Ask("/console/requests/{request}", gives=OFFICER),
    # Without an answer in it: the request is shown again with what is wrong.
    "POST /console/requests/{id}": Ask(
        "/console/requests/{request}", body="do=answer&version=1", gives=OFFICER, status=422
    ),
    # It asks for something else: the request is shown again. Of one that asks: tests/web/pages/staff.
    "POST /console/requests/{id}/access-file": Ask(
        "/console/requests/{request}/access-file", body="format=html&version=1&person=x", gives=OFFICER, status=409
    ),
    "GET /console/systems": Ask("/console/systems"),
    "GET /console/systems/{slug}": Ask("/console/systems/{system}"),
    "POST /console/systems/{slug}": Ask("/console/systems/{system}", body="to=suspended"),
    "GET /console/incidents": Ask("/console/incidents?system={system}"),
    "GET /console/incidents/new": Ask("/console/incidents/new?system={system}"),
    "POST /console/incidents": Ask("/console/incidents", body="system={system}&duty=risk"),
    "GET /console/incidents/{id}": Ask("/console/incidents/{incident}"),
    "POST /console/incidents/{id}": Ask("/console/incidents/{incident}", body="do=told&steps=1"),
    "POST /console/incidents/{id}/content": Ask("/console/incidents/{incident}/content", body="x=", gives=INCIDENT),
    "POST /console/incidents/{id}/document": Ask(
        "/console/incidents/{incident}/document", body="document={document}&format=html", gives=INCIDENT
    ),
    "GET /audit": Ask("/audit?find=yes&system={system}", gives=AUDITOR),
    "GET /audit/decisions/{id}": Ask("/audit/decisions/{record}"),
    "POST /audit/decisions/{id}": Ask("/audit/decisions/{record}", body="do=open&purpose=evidence", gives=AUDITOR),
    "GET /audit/decisions/{id}/receipt.json": Ask("/audit/decisions/{record}/receipt.json"),
    "GET /audit/evidence": Ask("/audit/evidence"),
    "POST /audit/evidence": Ask("/audit/evidence", body="record={record}", gives=AUDITOR),
    "GET /audit/samples": Ask("/audit/samples"),
    "POST /audit/samples": Ask("/audit/samples", body="count=1"),
    "GET /admin/accounts": Ask("/admin/accounts"),
    "POST /admin/accounts": Ask("/admin/accounts", body="login={record}"),
    "GET /admin/accounts/{account}": Ask("/admin/accounts/u000000000000"),
    "POST /admin/accounts/{account}": Ask("/admin/accounts/u000000000000", body="do=reset"),
}


def test_every_route_says_whether_it_gives_content() -> None:
    assert ASKS.keys() == ROUTES.keys()


@pytest.mark.parametrize("role", [*ROLES, None])
@pytest.mark.parametrize("route", sorted(ASKS))
def test_the_access_is_in_the_log_before_the_answer_leaves(served: Served, route: str, role: str | None) -> None:
    ask = ASKS[route]
    names = {
        "{record}": served.records.given,
        "{held}": served.records.held,
        "{system}": served.portals.SYSTEM,
        "{replay}": served.replay,
    }
    names["{explanation}"] = served.explanation
    names["{request}"] = served.request
    names |= {"{incident}": served.incident, "{document}": served.document}

    def filled(text: str) -> str:
        return re.sub(r"\{[a-z]+\}", lambda match: names[match[0]], text)

    request: dict[str, Any] = {"headers": dict(ask.headers) | served.headers(route, role)}
    if isinstance(ask.body, str):
        request |= {"content": filled(ask.body)}
        request["headers"] |= {"content-type": "application/x-www-form-urlencoded"}
    elif ask.body is not None:
        request |= {"json": json.loads(filled(json.dumps(ask.body)))}
    method = route.split(maxsplit=1)[0]
    if ask.twice:
        served.ask(method, filled(ask.path), **request)  # made; now it is read back
    before, served.left_at = served.guarded, []
    answer = served.ask(method, filled(ask.path), **request)
    new = [(index, entry) for index, entry in served.accesses() if index >= before]
    if role not in ask.gives:
        assert new == []
        assert not [mark for mark in served.marks if mark in answer.text]
        return
    assert answer.is_success if ask.status is None else answer.status_code == ask.status, answer.text
    assert new, "content was given, and no access says so"
    assert {entry.members["role"] for _, entry in new} == {role}
    assert all(index < served.left_at[0] for index, _ in new), "an answer left before its access was integrated"


def test_an_answer_that_cannot_be_noted_does_not_leave(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(served.g.log, "_before_commit", full)
    for route, role in (("GET /api/receipts/{id}", "officer"), ("POST /api/lookups", "auditor")):
        ask = ASKS[route]
        path = ask.path.replace("{record}", served.records.given)
        answer = served.ask(route.split()[0], path, json=ask.body, headers=served.key(role))
        assert answer.status_code == 503
        assert not [mark for mark in served.marks if mark in answer.text]


# --- commands ---------------------------------------------------------------------------------------------------------

# Commands that give content, and how each is asked for it; `{…}` is filled in.
GIVING: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("receipt", ("{record}", "-o", "{out}/x.receipt.json")),
    ("review", ("{held}",)),
    ("decisions", ("--system", "{system}", "--format", "json")),
    ("decisions", ("--system", "{system}", "--format", "csv")),
    ("view run", ("mine", "--format", "json")),
    ("conversation", ("{turn}",)),
    ("find", ("--subject-file", "{who}", "--receipts", "{folder}")),
    ("access-file", ("--subject-file", "{who}", "-o", "{out}/file.json")),
    ("access-file", ("--subject-file", "{who}", "--format", "html", "-o", "{out}/file.html")),
    ("report", ("letter", "--of", "{record}", "-o", "{out}/letter.html")),
    ("evidence", ("{record}", "-o", "{out}/evidence")),
    ("replay", ("{record}",)),
    ("explain", ("{record}",)),
    ("request list", ()),
    ("request show", ("{request}",)),
    ("request status", ("--code-file", "{tracking}")),
    ("reviews list", ()),
)
# Commands that give none, asked about the same record.
SILENT: dict[str, tuple[str, ...]] = {
    "doctor": (),
    "ask": ("volume",),
    "view save": ("other", "--system", "{system}"),
    "view list": (),
    "view show": ("mine",),
    "view delete": ("mine",),
    "reconcile": ("--from", "{cases}"),
    "invoice check": ("{bill}",),
    "migrate": (),
    "system list": (),
    "system find": ("municipal",),
    "system as-of": ("{system}", "2100-01-01"),
    "system steps": ("{system}",),
    "duties": ("{system}",),
    "incident list": (),
    "system show": ("{system}",),
    "system export": ("{system}", "--to", "dutch"),
    "key list": (),
    "account add": ("test.person", "--name", "Tess Voorbeeld", "--role", "officer"),
    "account list": (),
    "account change": ("nobody.voorbeeld", "--role", "auditor"),
    "account reset": ("nobody.voorbeeld",),
    "account end": ("nobody.voorbeeld",),
    "key add": ("--role", "auditor"),
    "key revoke": ("000000000000",),
    "log fsck": (),
    "log gaps": (),
    "log publish": (),
    "log export": ("--to", "{out}/export"),
    "log timestamps": (),
    "tally run": (),
    "tally recount": (),
    "sample list": (),
    "sample show": ("{record}",),
    "hold": ("{record}", "--ground", "inquiry"),
    "erase": ("{record}", "--ground", "objection"),
    "expire": (),
    "tombstones": (),
    "notice": ("{system}", "--duty", "affected_person", "--channel", "post", "--of", "{record}"),
    "backup": ("--to", "{out}/copy"),
    "mirrors": (),
    "vault retag": (),
    "vault sweep": (),
    "correct": ("{record}", "--from", "{wrong}"),
    "request open": ("--right", "explain", "--channel", "post", "--text-file", "{cases}"),
    "request assign": ("{request}", "--version", "1", "--to", "{officer}"),
    "request extend": ("{request}", "--version", "1", "--ground", "many", "--text-file", "{cases}"),
    "request ask": ("{request}", "--version", "1", "--text-file", "{cases}"),
    "request answer": ("{request}", "--version", "1", "--text-file", "{cases}", "--identity", "not_needed"),
    "request refuse": ("{request}", "--version", "1", "--ground", "unfounded", "--text-file", "{cases}"),
    "request reply": ("--code-file", "{cases}", "--text-file", "{cases}"),
    "request withdraw": ("--code-file", "{cases}"),
    "request code": ("{record}",),
    "request statistics": ("--first", "2026-01-01", "--last", "2100-01-01"),
    "reviews assign": ("{held}", "--assignment", "0", "--to", "{officer}"),
    "reviews agreement": ("--first", "2026-01-01", "--last", "2100-01-01"),
    "reviews first": ("{held}", "--outcome", "grant", "--reasons-file", "{cases}"),
    "stop": ("{system}", "--reason", "incident"),
    "resume": ("{system}",),
    "system state": ("{system}", "active"),
}
# How those end that find something, or that a rule refuses; the others end well.
ENDS = {
    "doctor": 1,
    "request reply": 3,
    "request withdraw": 3,
    "reviews first": 3,
    "reconcile": 1,
    "invoice check": 1,
    "key revoke": 2,
    "account change": 2,
    "account reset": 2,
    "account end": 2,
    "sample show": 2,
    "vault retag": 2,
    "vault sweep": 2,
    "resume": 3,
    "system state": 3,
}
# Commands that open no record: they make an installation, run programs, take a file in, or ask others.
OTHER = {
    "init": "makes a home",
    "serve": "the routes above",
    "demo": "a home of its own",
    "bench": "homes of their own",
    "decide": "gives what it decides; with the key of an earlier request see tests/promises/test_repeated_requests.py",
    "restore": "into an empty home",
    "record": "takes a file in",
    "monitor": "other logs",
    "reviews notify": "writes a review anew with the day; shows its id",
    "marks": "opens no home",
    "mirror": "other logs",
    "system register": "takes a file in",
    "system import": "takes a file in",
    "classify": "takes a file in",
    "incident open": "takes a file in",
    "incident told": "takes a file in",
    "incident close": "takes a file in",
    "incident show": "what happened, no person's record; access first: tests/service/systems/duties/test_incidents.py",
    "system fitness": "invented cases",
    "model add": "takes a file in",
    "log rotate": "keys",
    "log succeed": "ends a log",
    "log import": "builds a database anew",
    "log timestamp": "asks an authority",
    "log timestamp-verify": "opens no home",
    "log seal-keys": "keys",
    "log unseal-keys": "keys",
    "vault encrypt-keys": "keys",
    "sample begin": "needs a witness; what it writes has no content",
    "sample draw": "needs a witness; what it writes has no content",
    **dict.fromkeys(
        [f"witness {name}" for name in ("init", "serve", "show", "trust", "distrust", "logs", "evidence", "peer")],
        "a program without records",
    ),
}


def command_names() -> set[str]:
    def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, (*path, name))
        else:
            yield " ".join(path)

    return set(walk(typer.main.get_command(commands)))


def test_every_command_says_whether_it_gives_content() -> None:
    stated = {name for name, _ in GIVING}, SILENT.keys(), OTHER.keys()
    assert command_names() == set().union(*stated)
    assert sum(len(names) for names in stated) == len(set().union(*stated))


@dataclass
class Desk:
    """A closed home, and what a command that runs over it lets out: each text or file with the guarded size then."""

    home: Path
    names: dict[str, str]
    marks: tuple[str, ...]
    left: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def guarded(self) -> int:
        return parse_guard_line((self.home / "guard" / "log-1.guard").read_bytes()).size

    def accesses(self) -> list[tuple[int, str]]:
        with open_home(self.home, tolerant=True) as g, g.reading() as conn:
            found = [
                (index, parse_entry(data)) for index, data in log_store.iterate_entries(conn, 1, 0, g.log.state().size)
            ]
        return [
            (index, str(one.members["purpose"]))
            for index, one in found
            if isinstance(one, Entry) and one.kind == "access/1"
        ]

    def run(self, name: str, arguments: tuple[str, ...]) -> int:
        filled = [re.sub(r"\{[a-z]+\}", lambda match: self.names[match[0]], one) for one in arguments]
        with contextlib.redirect_stdout(Watched(self)):
            return run([*name.split(), "--home", str(self.home), *filled])


class Watched(io.StringIO):
    """Standard output, which notes the guarded size at each text."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    @property
    def buffer(self) -> Any:
        return WatchedBytes(self._desk)

    def write(self, text: str) -> int:
        self._desk.left.append((self._desk.guarded, text.encode()))
        return len(text)


class WatchedBytes(io.BytesIO):
    """The same, of a command that writes bytes."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def write(self, data: Any) -> int:
        self._desk.left.append((self._desk.guarded, bytes(data)))
        return len(data)


def first_turn(g: Any, record: str) -> str:
    """The id of a decision like that record, with which a conversation begins; no model runs for it."""
    (like,) = reading.recount(g, [record])
    values = {name: value for name, value in like.values.items() if name != "subjects"}
    prepared = g.vault.prepare(str(uuid.uuid4()), values, (), refs=Refs(conversation="TEST-C-1", turn=1))
    members = {**like.entry.members, "n": 4417, "commitments": prepared.commitments}
    entry = g.make("decision/1", id=prepared.id, **members)

    def rows(sequenced: Any) -> list[Any]:
        return [*prepared.rows(), *decision_store.decision_rows(entry, values, sequenced[0].place)]

    g.log.append(Unit((entry,), rows=rows)).result()
    return str(prepared.id)


@pytest.fixture
def desk(portals: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A home with a given and a held decision; what leaves is watched where it is written."""
    home, records = portals.copy_of_a_home(tmp_path / "in")
    reasons = "reasons that stand nowhere else 8812"
    with open_home(home) as g:
        reviews.record_review(g, records.held, reviews.Review("refer", "to a colleague", reasons))
    with open_home(home) as g:
        opened = public_requests.open_request(g, right="explain", channel="web", lang="en", text=reasons)
        officer = administration.add(
            g, login="test.officer", name="Tess Voorbeeld", role="officer", systems=(), by=None
        )
    (tmp_path / "tracking").write_text(opened.tracking_code, "utf-8")
    out, folder, who, wrong = (tmp_path / name for name in ("out", "folder", "who", "wrong"))
    out.mkdir()
    folder.mkdir()
    who.write_text(portals.SUBJECT, "utf-8")
    cases = tmp_path / "cases.csv"
    cases.write_text("case,id,decided\nTEST-1,,2026-11-24T10:00Z\n", "utf-8")
    bill = tmp_path / "bill.csv"
    bill.write_text(
        "ProviderName,BilledCost,BillingCurrency,ChargeCategory,ChargePeriodStart,ChargePeriodEnd\n"
        "Nobody,1.00,EUR,Usage,2026-11-01T00:00:00Z,2026-12-01T00:00:00Z\n",
        "utf-8",
    )
    wrong.write_text('{"values": {"bill_year": 2025}, "reasons": "it was a slip"}', "utf-8")
    names = {
        "{record}": records.given,
        "{held}": records.held,
        "{system}": portals.SYSTEM,
        "{who}": str(who),
    }
    names |= {"{out}": str(out), "{folder}": str(folder), "{wrong}": str(wrong), "{cases}": str(cases)}
    names["{bill}"] = str(bill)
    names |= {"{request}": opened.request.id, "{tracking}": str(tmp_path / "tracking"), "{officer}": officer.account.id}
    desk = Desk(home, names, (portals.INPUT["message"], reasons, "test0999"))

    write_bytes = Path.write_bytes

    def watched(path: Path, data: bytes) -> int:
        if path.is_relative_to(out) or path.is_relative_to(folder):
            desk.left.append((desk.guarded, bytes(data)))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", watched)
    assert desk.run("view save", ("mine", "--system", "{system}")) == 0
    desk.left.clear()
    return desk


@pytest.mark.parametrize(("name", "arguments"), GIVING, ids=[" ".join((name, *given[-1:])) for name, given in GIVING])
def test_a_command_that_gives_content_notes_it_first(desk: Desk, name: str, arguments: tuple[str, ...]) -> None:
    with open_home(desk.home) as g:
        desk.names["{turn}"] = first_turn(g, desk.names["{record}"]) if "{turn}" in arguments else ""
    before = desk.guarded
    assert desk.run(name, arguments) == 0
    new = [index for index, _ in desk.accesses() if index >= before]
    assert new, "content was given, and no access says so"
    ids = [desk.names[one].encode() for one in ("{record}", "{held}", "{turn}", "{request}") if desk.names[one]]
    mine = [(size, data) for size, data in desk.left if any(id_ in data for id_ in ids) or _marked(desk, data)]
    assert mine, "the test does not see what leaves"
    assert min(size for size, _ in mine) > max(new), "something left before its access was integrated"


@pytest.mark.parametrize("name", sorted(SILENT))
def test_a_command_that_gives_none_lets_nothing_out(
    desk: Desk, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = desk.accesses()
    assert desk.run(name, SILENT[name]) == ENDS.get(name, 0)
    assert desk.accesses() == before
    said = capsys.readouterr()
    files = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    for data in (*files, said.out.encode(), said.err.encode(), *(text for _, text in desk.left)):
        assert not _marked(desk, data)


def _marked(desk: Desk, data: bytes) -> bool:
    return any(mark.encode() in data for mark in desk.marks)
