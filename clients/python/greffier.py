"""Send decisions made elsewhere to a Greffier installation: one file, standard library only, Python 3.9 or later.

Two ways. With the content: the installation commits to it and seals it.

    client = Client("https://greffier.example", key)
    for result in client.record_many(records):
        ...

Or without: this side commits to the content and keeps it, the installation gets commitments alone.

    with Safe("openings.db") as safe:
        for result in client.record_many(safe.commit_many(records, fields)):
            ...
        whole = safe.complete(client.receipt(record_id))

A record is `{"system", "source", "n", "decided", "input", "output", "outcome"}` and, where there are, `subjects`,
`case`, `conversation`, `parent`, `usage`, `version` (docs/commands.md). `n` is the source's own counter, from 1: each
number counts once, so sending again after a failure is always safe. What happened to a record is in its `Result`;
errors that concern all of them are raised. No message repeats a value.
"""

from __future__ import annotations

import hmac
import http.client
import json
import math
import os
import sqlite3
import ssl
import time
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_BATCH = 256
MAX_BODY = 1 << 20
MAX_INTEGER = 2**53 - 1
_LOCAL = ("127.0.0.1", "localhost", "::1")
_USAGE = (
    *("prompt_tokens", "output_tokens", "queue_us", "first_us", "total_us", "energy_uj", "energy_method"),
    *("cost_millionths", "currency", "tariff_valid_from"),
)


class GreffierError(Exception):
    """Base of the errors here."""


class Refused(GreffierError):
    """The installation refused the whole request; `problem` is its answer (RFC 9457)."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{problem.get('status')} {problem.get('detail') or problem.get('title')}")
        self.problem = problem


class Unreachable(GreffierError):
    """No answer, or none but "try again", after all tries. What was sent may be recorded; sending it again is safe."""


class NumberUsed(GreffierError):
    """This safe holds another content under the same source and number."""


@dataclass(frozen=True)
class Result:
    """What became of one record: the id of its record and the index of its entry, or the problem (RFC 9457)."""

    ok: bool
    id: str | None = None
    index: int | None = None
    repeated: bool = False
    problem: Mapping[str, Any] | None = None


class Client:
    """A connection to one installation, kept open. Not for several threads at once: give each its own.

    `tries` and `sleep` (seconds) say how patiently it waits while the installation cannot record.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 60.0,
        tries: int = 5,
        context: ssl.SSLContext | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url: must begin with https:// and name a host")
        if parts.scheme == "http" and parts.hostname not in _LOCAL:
            raise ValueError("url: the key would travel in clear; use https")
        self._base = parts.path.rstrip("/")
        self._key = key
        self._tries = tries
        self._sleep = sleep
        self._connection: http.client.HTTPConnection = (
            http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
            if parts.scheme == "http"
            else http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
        )

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        self._connection.close()

    def record(self, record: Mapping[str, Any]) -> Result:
        """Record one decision."""
        return next(self.record_many([record]))

    def record_many(self, records: Iterable[Mapping[str, Any]]) -> Iterator[Result]:
        """Record decisions in batches of up to 256, and of 1 MiB, which is what one request may have.

        A result for each, in their order, as its batch is answered.
        """
        batch: list[bytes] = []
        size = 0
        for record in records:
            line = json.dumps(record, ensure_ascii=False, allow_nan=False).encode()
            if batch and (len(batch) == MAX_BATCH or size + len(line) > MAX_BODY - 64):
                yield from self._send(batch)
                batch, size = [], 0
            batch.append(line)
            size += len(line) + 1
        if batch:
            yield from self._send(batch)

    def receipt(self, record_id: str) -> dict[str, Any]:
        """The receipt of a record: its entry, the proof that it is in the log, and what the key may see opened."""
        return dict(self._ask("GET", f"/api/receipts/{urllib.parse.quote(record_id, safe='')}"))

    def source(self, source: str) -> dict[str, Any]:
        """How far the numbers of a source are recorded, and which are missing below that."""
        return dict(self._ask("GET", f"/api/records/{urllib.parse.quote(source, safe='')}"))

    def _send(self, batch: Sequence[bytes]) -> list[Result]:
        answer = self._ask("POST", "/api/records", b'{"records":[' + b",".join(batch) + b"]}")
        return [
            Result(True, one["id"], one["index"], one["status"] == 200)
            if "id" in one
            else Result(False, problem=one["problem"])
            for one in answer["results"]
        ]

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        for left in range(self._tries - 1, -1, -1):
            try:
                status, headers, data = self._once(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if not left:
                    raise Unreachable(f"no answer ({type(error).__name__})") from None
                self._sleep(1.0)
                continue
            if status != 503:
                return self._read(status, data)
            if left:
                self._sleep(_seconds(headers.get("retry-after")))
        raise Unreachable("the installation cannot record now; send it again later")

    def _once(self, method: str, path: str, body: bytes | None) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"authorization": f"Bearer {self._key}", "accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/json"
        self._connection.request(method, self._base + path, body, headers)
        response = self._connection.getresponse()
        return response.status, response.headers, response.read()

    def _read(self, status: int, data: bytes) -> Any:
        try:
            answer = json.loads(data)
        except ValueError:
            raise Unreachable(f"{status}, but no answer of a Greffier: check the address") from None
        if status >= 400:
            raise Refused(answer if isinstance(answer, dict) else {"status": status})
        return answer


class Safe:
    """Contents and secrets of committed records, in an SQLite file of this side. Use it as a context manager.

    Keep the file: without it nobody can open what was committed to, or say what it was. A content is written, synced,
    before its commitments are given out; the same record again gives the same commitments.
    """

    def __init__(self, path: str | os.PathLike[str], *, random: Callable[[int], bytes] = os.urandom) -> None:
        self._random = random
        os.close(os.open(path, os.O_CREAT, 0o600))  # where there is none: for nobody else
        self._db = sqlite3.connect(path, isolation_level=None)
        for statement in ("PRAGMA secure_delete=ON", "PRAGMA journal_mode=DELETE", "PRAGMA synchronous=FULL"):
            self._db.execute(statement)
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS kept (source TEXT, n INTEGER, secret BLOB, form BLOB, PRIMARY KEY (source, n))"
        )

    def __enter__(self) -> Safe:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def commit(self, record: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
        """Keep a record; returns what to send of it. `fields`: ids of the input fields that the version declares.

        Raises ValueError for a value that JSON cannot hold or an undeclared field, NumberUsed.
        """
        return self._commit([record], fields)[0]

    def commit_many(self, records: Iterable[Mapping[str, Any]], fields: Sequence[str]) -> Iterator[dict[str, Any]]:
        """As `commit`, in batches of 256 with one sync each."""
        batch: list[Mapping[str, Any]] = []
        for record in records:
            batch.append(record)
            if len(batch) == MAX_BATCH:
                yield from self._commit(batch, fields)
                batch = []
        yield from self._commit(batch, fields)

    def complete(self, receipt: Mapping[str, Any], fields: Sequence[str] | None = None) -> dict[str, Any]:
        """A receipt with the openings that this side holds: input, output and outcome, or the fields named.

        Raises KeyError where nothing is kept of it, ValueError where it is not what the entry commits to.
        """
        entry = json.loads(receipt["entry"])
        kept = self._kept(entry["source"], entry["n"])
        if kept is None:
            raise KeyError("nothing is kept of this record")
        secret, values = kept[0], json.loads(kept[1])
        if {name: commitment(secret, name, value) for name, value in values.items()} != entry["commitments"]:
            raise ValueError("what is kept is not what the entry commits to")
        names = fields or [name for name in values if name.startswith("in_") or name in ("output", "outcome")]
        openings = [{"field": f, "value": values[f], "salt": _salt(secret, f).hex()} for f in sorted(names)]
        return {**receipt, "openings": openings}

    def erase(self, source: str, n: int) -> bool:
        """Forget a record: its commitments can never be opened again. False where nothing was kept.

        The file is overwritten in place; copies of it elsewhere are yours to erase.
        """
        return self._db.execute("DELETE FROM kept WHERE source = ? AND n = ?", (source, n)).rowcount > 0

    def _kept(self, source: str, n: int) -> tuple[bytes, bytes] | None:
        row = self._db.execute("SELECT secret, form FROM kept WHERE source = ? AND n = ?", (source, n)).fetchone()
        return None if row is None else (bytes(row[0]), bytes(row[1]))

    def _commit(self, batch: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> list[dict[str, Any]]:
        made = []
        self._db.execute("BEGIN IMMEDIATE")
        try:
            made = [self._commit_one(record, fields) for record in batch]
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        return made

    def _commit_one(self, record: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
        source, n = record["source"], record["n"]
        values = committed_values(record, fields)
        form = canonical(values)
        kept = self._kept(source, n)
        if kept is not None and kept[1] != form:
            raise NumberUsed("n: another content is kept under this source and number")
        secret = self._random(32) if kept is None else kept[0]
        if kept is None:
            self._db.execute("INSERT INTO kept VALUES (?, ?, ?, ?)", (source, n, secret, form))
        line = {name: record[name] for name in ("system", "source", "n", "version") if record.get(name) is not None}
        return {**line, "commitments": {name: commitment(secret, name, value) for name, value in values.items()}}


def committed_values(record: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """The values that a record commits to, by the names of its commitments. Raises ValueError."""
    inputs = record.get("input") or {}
    if not set(inputs) <= set(fields):
        raise ValueError("input: holds a field that was not declared")
    usage = record.get("usage")
    return {
        **{f"in_{name}": inputs.get(name) for name in fields},
        "output": record["output"],
        "outcome": record["outcome"],
        "subjects": sorted({normalise(one) for one in record.get("subjects") or ()}),
        "parent": record.get("parent"),
        "usage": None if usage is None else {name: usage.get(name) for name in _USAGE},
        "run": None,
        "times": {"received": None, "decided": record["decided"], "recorded": None},
    }


def commitment(secret: bytes, field: str, value: Any) -> str:
    """The commitment to one value of a record, 64 hex digits; `secret` (32 bytes) is the record's own."""
    return hmac.new(_salt(secret, field), b"greffier/1/field\0" + canonical(value), "sha256").hexdigest()


def normalise(reference: str) -> str:
    """Rule s1 for references of persons: NFKC, casefold, without spaces, punctuation and controls."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", reference).casefold())
    kept = unicodedata.normalize("NFKC", "".join(c for c in folded if unicodedata.category(c)[0] not in "ZPC"))
    if not kept or len(reference) > 200:
        raise ValueError("subjects: holds no reference of 1 to 200 characters with a letter or a digit")
    return f"s1:{kept}"


def canonical(value: Any) -> bytes:
    """RFC 8785 JSON. Raises ValueError for what it cannot hold: integers beyond 2^53-1, NaN, half a surrogate pair."""
    return _canonical(value).encode("utf-8")


def _canonical(value: Any) -> str:
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise ValueError("holds an integer beyond 2^53-1: write it as a text")
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise ValueError("holds a member whose name is no text")
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{_canonical(name)}:{_canonical(value[name])}" for name in names) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_canonical, value)) + "]"
    raise ValueError(f"holds a Python {type(value).__name__}, which is no JSON")


def _number(value: float) -> str:
    """As ECMAScript writes a double: shortest digits, exponents from 1e21 up and below 1e-6."""
    if not math.isfinite(value):
        raise ValueError("holds a number that is not finite")
    if value == 0:
        return "0"
    sign, digits = ("-", repr(-value)) if value < 0 else ("", repr(value))
    mantissa, _, exponent = digits.partition("e")
    whole, _, fraction = mantissa.partition(".")
    figures = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(figures))
    figures = figures.rstrip("0")
    if 0 < point <= 21:
        text = figures.ljust(point, "0")
        return sign + text[:point] + (f".{text[point:]}" if text[point:] else "")
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{figures}"
    power = point - 1
    rest = f".{figures[1:]}" if figures[1:] else ""
    return f"{sign}{figures[0]}{rest}e{'+' if power > 0 else '-'}{abs(power)}"


def _salt(secret: bytes, field: str) -> bytes:
    return hmac.new(secret, b"greffier/1/salt\0" + field.encode("ascii"), "sha256").digest()


def _seconds(header: str | None) -> float:
    return float(header) if header is not None and header.isdigit() and len(header) < 5 else 10.0
