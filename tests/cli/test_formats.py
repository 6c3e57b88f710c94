"""Bad notes, tiles, proofs, receipts, register files, entries and queries: named by place, repeated nowhere."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.__main__ import main as verifier
from auditlog.core.entries.record import make_entry, parse_entry
from auditlog.core.errors import FormatError, TooLarge
from auditlog.writing.log import Unit
from cli.demo.run import CASES
from service.wiring import open_home

pytestmark = pytest.mark.enable_socket

LOAN = "social-loan-check"
PERSON = "Piet Jansen"
HEX = "0" * 64


# --- entries ----------------------------------------------------------------------------------------------------------


def many_fields(count: int) -> dict[str, str]:
    fixed = ("output", "outcome", "subjects", "parent", "usage", "run", "times")
    return dict.fromkeys((*fixed, *(f"in_field_{number}" for number in range(count))), HEX)


def decision(**changes: Any) -> Any:
    members: dict[str, Any] = {
        "system": LOAN, "version": 1, "manifest": f"sha256:{HEX}", "capture": "runtime", "mode": "live",
        "boot": str(uuid.uuid4()), "source": None, "n": 1, "opened": None, "commitments": many_fields(1),
    }  # fmt: skip
    return make_entry(
        "decision/1", id=str(uuid.uuid4()), agency="waterveen", time=datetime.now(UTC), **(members | changes)
    )


def test_an_entry_above_65535_bytes_never_reaches_the_log(home: Path, unchanged: Any) -> None:
    assert len(decision(commitments=many_fields(700)).data) < 65_535
    with unchanged(home), open_home(home), pytest.raises(TooLarge, match=r"entry: is \d+ bytes long; at most 65535"):
        decision(commitments=many_fields(800))


def test_an_id_that_is_taken_is_refused_and_the_next_unit_is_not(home: Path, record_id: str) -> None:
    with open_home(home) as g:
        size = g.log.state().size
        taken = g.make("pulse/1", id=record_id, boots=[], recording="ok")
        with pytest.raises(FormatError, match="use a new random id"):
            g.log.append(Unit((taken,))).result()
        assert g.log.append(Unit((g.make("pulse/1", boots=[], recording="ok"),))).result().size == size + 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"kind":"pulse/1", "id":"x"}', "canonical form"),
        (b'{"a":1,"a":1,"kind":"x/1"}', "twice"),
        (b'{"a":0.5,"kind":"x/1"}', "fraction"),
        (b'{"a":1e3,"kind":"x/1"}', "fraction"),
        (b'{"a":"\\ud800","kind":"x/1"}', "surrogate"),
        (b'{"a":9007199254740993,"kind":"x/1"}', "integer"),
        (b'{"kind":"x/1"}\n', "canonical form"),
        (b'\xef\xbb\xbf{"kind":"x/1"}', "byte order mark"),
        (b"[]", "must be a JSON object"),
        (b'{"kind":"Piet Jansen"}', "kind"),
        (b'{"Piet Jansen":1,"kind":"pulse/1"}', "agency: is missing"),
    ],
)
def test_an_entry_that_is_not_canonical(data: bytes, says: str) -> None:
    with pytest.raises(FormatError, match=says) as told:
        parse_entry(data)
    assert PERSON not in str(told.value)


@pytest.mark.parametrize("value", [0.5, -1, 2**53, True, PERSON, None])
def test_a_number_in_an_entry_is_a_whole_one(value: Any) -> None:
    with pytest.raises(FormatError, match=r"^n: must be") as told:
        decision(n=value)
    assert PERSON not in str(told.value)


# --- receipts, notes, proofs, tiles -----------------------------------------------------------------------------------


def changed(part: str, old: str, new: str) -> Any:
    def change(receipt: dict[str, Any]) -> bytes:
        assert old in receipt[part], part
        return json.dumps(receipt | {part: receipt[part].replace(old, new, 1)}).encode()

    return change


RECEIPTS: dict[str, tuple[Any, str]] = {
    "no JSON": (lambda _: b"{", "receipt"),
    "a list": (lambda _: b"[]", "receipt"),
    "empty": (lambda _: b"", "receipt"),
    "not UTF-8": (lambda _: b"\xff\xfe", "receipt"),
    "a member more": (lambda r: json.dumps(r | {PERSON: 1}).encode(), "receipt"),
    "a member less": (lambda r: json.dumps({"entry": r["entry"]}).encode(), "receipt"),
    "a key twice": (lambda _: b'{"entry": "", "entry": "", "openings": [], "proof": ""}', "receipt"),
    "entry not canonical": (changed("entry", ":", ": "), "entry"),
    "entry cut": (lambda r: json.dumps(r | {"entry": r["entry"][:-5]}).encode(), "entry"),
    "entry of a fraction": (changed("entry", '"n":1', '"n":1.5'), "entry"),
    "proof cut": (lambda r: json.dumps(r | {"proof": r["proof"][:40]}).encode(), "proof"),
    "proof's index": (changed("proof", "index ", "index 0"), "proof"),
    "note without signatures": (lambda r: json.dumps(r | {"proof": r["proof"].split("\n\u2014")[0]}).encode(), "proof"),
    "note's signature": (
        changed("proof", "\u2014 waterveen.example/log/1 ", "\u2014 waterveen.example/log/1 A"),
        "proof",
    ),
    "openings no list": (lambda r: json.dumps(r | {"openings": {}}).encode(), "openings"),
    "opening without salt": (lambda r: json.dumps(r | {"openings": [{"field": "x"}]}).encode(), "openings[0]"),
    "opened twice": (lambda r: json.dumps(r | {"openings": r["openings"][:1] * 2}).encode(), "openings"),
}


@pytest.fixture
def receipt(home: Path, record_id: str, command: Any, tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "sound.json"
    assert command("receipt", "--home", home, record_id, "-o", path).code == 0
    return dict(json.loads(path.read_bytes()))


def test_a_malformed_receipt_fails_offline_by_its_part(
    home: Path, receipt: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, keys = tmp_path / "receipt.json", str(home / "keys" / "log.vkey")
    path.write_text(json.dumps(receipt))
    assert verifier(["verify", str(path), "--vkey", keys]) == 0
    for name, (change, part) in RECEIPTS.items():
        path.write_bytes(change(receipt))
        capsys.readouterr()
        assert verifier(["verify", str(path), "--vkey", keys]) == 1, name
        said = "".join(capsys.readouterr())
        assert said.startswith(f"FAILED: {part}"), (name, said)
        assert said.count("\n") == 1, name
        assert PERSON not in said


@pytest.mark.parametrize("keys", [b"", b"no keys\n", b"\xff\n", None])
def test_verifier_keys_that_are_none(
    receipt: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: bytes | None
) -> None:
    path, vkey = tmp_path / "receipt.json", tmp_path / "log.vkey"
    path.write_text(json.dumps(receipt))
    if keys is not None:
        vkey.write_bytes(keys)
    capsys.readouterr()
    assert verifier(["verify", str(path), "--vkey", str(vkey)]) == 2
    assert re.match(r"error: \S*log\.vkey[: ]", capsys.readouterr().err)


@pytest.mark.parametrize("file", ["checkpoint", "tile/0/000.p/11", "tile/entries/000.p/11"])
@pytest.mark.parametrize("data", [b"", b"\xff", b"letters"])
def test_a_malformed_note_or_tile_fails_the_audit_by_its_place(
    home: Path, command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, data: bytes
) -> None:
    export = tmp_path / "export"
    assert command("log", "export", "--home", home, "--to", export).code == 0
    (path,) = [export / file] if file == "checkpoint" else (export / file).parent.iterdir()
    path.write_bytes(data)
    capsys.readouterr()
    assert verifier(["audit", str(export), "--vkey", str(home / "keys" / "log.vkey")]) == 1
    assert capsys.readouterr().out.startswith(f"FAILED: {path.relative_to(export)}")


def test_over_http(home: Path, portals: Any, receipt: dict[str, Any], unchanged: Any) -> None:
    with portals.served(home) as portal, portal.client() as client:
        auditor = portal.key("auditor")
        client.get("/log/1/checkpoint")  # publishes
        with unchanged(home):
            for path in ("x", "0/000.p/0", "0/000.p/257", "0/999", "64/000", "0/0", "entries/../x", "0/000.p/%00"):
                answer = client.get(f"/log/1/tile/{path}", headers={"accept": "application/json"})
                assert answer.status_code in {403, 404, 422}, path
                assert answer.headers["content-type"] == "application/problem+json"
            for path, status in (
                ("/log/2/checkpoint", 404),
                (f"/api/receipts/{uuid.uuid4()}", 404),
                ("/api/receipts/Piet%20Jansen", 422),
                ("/api/decisions?cursor=Piet%20Jansen", 422),
                ("/api/decisions?limit=0", 422),
                ("/api/decisions?since=Piet%20Jansen", 422),
                ("/api/decisions?outcome=Piet%20Jansen", 422),
            ):
                answer = client.get(path, headers=auditor)
                assert answer.status_code == status, path
                assert answer.headers["content-type"] == "application/problem+json"
                assert "Jansen" not in answer.text
            for name, (change, _) in RECEIPTS.items():
                answer = client.post("/check", data={"receipt": change(receipt).decode("latin-1")})
                assert answer.status_code in {200, 422}, name
                assert PERSON not in answer.text


# --- register files, queries and options ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"{", "file"),
        (b"\xff", "file"),
        (b'{"Piet Jansen": 1, "Piet Jansen": 2}', "file"),
        (b"[" * 9999, "file"),
        (b'{"format": "greffier-system/1", "system": "\\ud800"}', "file"),
        (b"[]", "format"),
        (b'{"format": "greffier-system/9"}', "format"),
        (b'{"format": "greffier-system/1"}', "system"),
        (b'{"format": "greffier-system/1", "system": {"Piet Jansen": 1}}', "system"),
        (b'{"format": "greffier-system/1", "system": {}, "Piet Jansen": 1}', "file"),
    ],
)
def test_a_register_file_that_cannot_be_read(
    home: Path, tmp_path: Path, command: Any, unchanged: Any, data: bytes, field: str
) -> None:
    path = tmp_path / "system.json"
    path.write_bytes(data)
    with unchanged(home):
        told = command("system", "register", "--home", home, path)
    assert told.code == 2
    assert told.line.startswith(f"{field}: ")


# arguments (HOME and ID are filled in), exit code, beginning of the line
OPTIONS: list[tuple[tuple[str, ...], int, str]] = [
    (("receipt", PERSON, "-o", "OUT"), 2, "id: "),
    (("receipt", "ID", "-o", "/nowhere/at/all"), 2, "-o: "),
    (("review", "x" * 40_000), 2, "id: "),
    (("review", "ID", "--action", PERSON, "--decision", "x", "--reasons", "y"), 2, "action: "),
    (("review", "ID", "--action", "confirm"), 2, "--decision"),
    (("review", "ID", "--action", "confirm", "--decision", "x", "--reasons", "\udcff"), 2, "command line: "),
    (
        ("review", "ID", "--action", "confirm", "--decision", "x", "--reasons", "y", "--notified", "2026-02-30"),
        2, "notified: ",
    ),
    (("erase", str(uuid.UUID(int=0)), "--ground", "objection"), 2, "id: "),
    (("erase", "ID", "--ground", PERSON), 2, "--ground: "),
    (("stop", "nowhere"), 3, "system: "),
    (("stop", LOAN, "--reason", PERSON), 3, "reason: "),
    (("resume", LOAN), 3, "state: "),
    (("system", "state", LOAN, PERSON), 3, "state: "),
    (("decisions", "--cursor", PERSON), 2, "cursor: "),
    (("decisions", "--cursor", "eyJiZWZvcmUiOjEsInF1ZXJ5IjoiMDAwMDAwMDAwMDAwMDAwMCJ9"), 2, "cursor: belongs"),
    (("decisions", "--since", PERSON), 2, "since: "),
    (("decisions", "--until", "2026-13-45"), 2, "until: "),
    (("decisions", "--limit", "0"), 2, "Invalid value for '--limit'"),
    (("decisions", "--format", PERSON), 2, "--format: "),
    (("report", "transparency", "--period", PERSON, "-o", "OUT"), 2, "--period: "),
    (("report", "transparency", "--period", "0000", "-o", "OUT"), 2, "--period: "),
    (("report", "transparency", "--period", "9999", "-o", "OUT"), 2, "--period: "),
    (("report", "transparency", "--lang", "xx", "-o", "OUT"), 2, "lang: "),
    (("report", "transparency", PERSON, "-o", "OUT"), 2, "FILE: "),
    (("report", "transparency"), 2, "-o: "),
    (("report", "transparency", "--publish", "-o", "OUT"), 2, "--period: has not ended"),
    (("report", "transparency", "--published", "-o", "OUT"), 2, "--published: "),
    (("report", "system", "--of", LOAN, "--publish", "-o", "OUT"), 2, "--publish: "),
    (("report", "verify"), 2, "FILE: "),
    (("report", "verify", "/nowhere"), 2, "FILE: "),
    (("report", "verify", str(CASES / "agency.json")), 1, "report: must have the members"),
    (("report", "letter", "--of", PERSON, "-o", "OUT"), 2, "id: "),
    (("report", "system", "-o", "OUT"), 2, "--of: "),
    (("report", PERSON, "-o", "OUT"), 2, "KIND: "),
    (("serve", "--port", "0"), 2, "Invalid value for '--port'"),
    (("serve", "--port", "99999"), 2, "Invalid value for '--port'"),
    (("serve", "--port", "eighty"), 2, "Invalid value for '--port'"),
    (("key", "add", "--role", PERSON), 2, "role: "),
    (("log", "export", "--to", "HOME"), 2, "HOME"),
    (("model", "add", "/nowhere"), 2, "FILE: "),
    (("model", "add", str(CASES / "agency.json")), 3, "model: "),
    (("system", "register", "/nowhere"), 2, "FILE: "),
    (("system", "register", str(CASES / f"{LOAN}.json")), 3, "version: "),
    (("decide", LOAN), 2, "Missing option '--input'"),
    (("nonsense",), 2, "No such command"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "begins"),
    OPTIONS,
    ids=[" ".join(row[0]).encode("ascii", "replace").decode()[:60] for row in OPTIONS],
)
def test_an_option_that_makes_no_sense(
    home: Path, record_id: str, tmp_path: Path, command: Any, unchanged: Any,
    arguments: tuple[str, ...], code: int, begins: str,
) -> None:  # fmt: skip
    places = {"ID": record_id, "OUT": str(tmp_path / "out"), "HOME": str(home)}
    given = [places.get(one, one) for one in arguments]
    words = 2 if given[0] in {"system", "key", "log", "model"} else 1
    with unchanged(home):
        told = command(*given[:words], *(() if begins.startswith("No such") else ("--home", home)), *given[words:])
    assert told.code == code
    assert told.line.startswith(places.get(begins, begins))
    assert {path.name for path in tmp_path.iterdir()} == {"home"}
