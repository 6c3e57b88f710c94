"""Asking a witness over HTTP (c2sp.org/tlog-witness). What it answers is believed only as far as it verifies.

No redirects are followed, every request has a time limit over all of its parts, and an answer is read to a set size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeAlias

import httpx

from auditlog.core.errors import FormatError, SignatureError
from auditlog.core.formats.canonical import parse_decimal
from auditlog.core.formats.note import MAX_SIGNATURES, Signature, VerifierKey, parse_note, parse_signature
from auditlog.peers.submission import MAX_SIZE, SIZE_TYPE, format_submission

MAX_ANSWER: Final = 128 * 1024
"""Bytes of an answer: two cosignatures take 3.4 kB, and a checkpoint with a dozen witnesses some 50 kB."""
_MAX_REASON = 200
# Without an encoding, the bytes that arrive are the bytes that are counted.
_HEADERS = {"user-agent": "greffier", "accept-encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The witness's signature lines on this checkpoint; each is verified, and there is one of every key asked for."""

    lines: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Behind:
    """The size that the witness cosigned last is not the one that was named."""

    size: int


@dataclass(frozen=True, slots=True)
class TryLater:
    """No answer, or one that proves nothing (5xx, 429, too slow, too long); the reason is for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The witness refuses: 400, 403, 404, 422, or an answer that does not verify (its status)."""

    status: int
    reason: str


Outcome: TypeAlias = Cosigned | Behind | TryLater | Rejected
Prove: TypeAlias = Callable[[int], Sequence[bytes]]
"""The consistency proof from a size (at most the checkpoint's) to the checkpoint."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer: status, content type, body."""

    status: int
    content_type: str
    body: bytes


def add_checkpoint(
    url: str, old: int, proof: Sequence[bytes], note: bytes, keys: Sequence[VerifierKey], *, timeout_s: float
) -> Outcome:
    """Submit one checkpoint to the witness at submission prefix `url`; `keys` are those expected to cosign it.

    `timeout_s` bounds the whole exchange. Never raises for what the other side does.
    """
    try:
        reply = fetch("POST", f"{url.rstrip('/')}/add-checkpoint", format_submission(old, proof, note), timeout_s)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return TryLater(f"cannot be reached ({type(error).__name__})")
    except FormatError as error:
        return TryLater(str(error))
    outcome = _outcome(reply, note, keys)
    if outcome == Behind(old):
        # tlog-witness 1.0 answered 409, not 422, for another root at the size that was cosigned last.
        return Rejected(422, "another root was cosigned at this size")
    return outcome


def add_newest(
    url: str, known: int, size: int, note: bytes, *, prove: Prove, keys: Sequence[VerifierKey], timeout_s: float
) -> Outcome:
    """As `add_checkpoint` with the size that the witness is thought to have cosigned last; asks twice where it was not.

    Behind means now that the witness has cosigned a larger size than this one (or keeps changing its mind).
    """
    deadline = time.monotonic() + timeout_s
    old = known if known <= size else 0
    outcome = add_checkpoint(url, old, prove(old), note, keys, timeout_s=timeout_s)
    if isinstance(outcome, Behind) and outcome.size <= size:
        left = deadline - time.monotonic()
        if left <= 0:
            return TryLater("took too long")
        outcome = add_checkpoint(url, outcome.size, prove(outcome.size), note, keys, timeout_s=left)
    return outcome


def read_cosigned(url: str, origin: str, *, timeout_s: float) -> bytes | None:
    """The newest checkpoint of `origin` that the witness shows at monitoring prefix `url`; None where it shows none."""
    try:
        path = f"{url.rstrip('/')}/{sha256(origin.encode()).hexdigest()}/checkpoint"
        reply = fetch("GET", path, None, timeout_s)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, FormatError):
        return None
    return reply.body if reply.status == 200 else None


def fetch(method: str, url: str, content: bytes | None, timeout_s: float) -> Reply:
    """One request. Raises httpx.HTTPError, httpx.InvalidURL or OSError; FormatError for too slow or long an answer."""
    deadline = time.monotonic() + timeout_s
    timeout = httpx.Timeout(timeout_s)
    with (
        httpx.Client(timeout=timeout, follow_redirects=False, headers=_HEADERS) as client,
        client.stream(method, url, content=content) as response,
    ):
        body = b""
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > MAX_ANSWER:
                raise FormatError(f"answered with more than {MAX_ANSWER} bytes")
            if time.monotonic() > deadline:
                raise FormatError("took too long")
        return Reply(response.status_code, response.headers.get("content-type", ""), body)


def verified_lines(body: bytes, note: bytes, keys: Sequence[VerifierKey]) -> tuple[Signature, ...]:
    """The lines of an answer that these keys made over this checkpoint, one a key, in the order of `keys`.

    Lines of other keys are ignored. Raises FormatError or SignatureError where one is missing or does not verify.
    """
    text = parse_note(note).text
    if body.count(b"\n") > MAX_SIGNATURES:
        raise FormatError("has too many lines", field="answer")
    try:
        given = [parse_signature(line) for line in body.decode().removesuffix("\n").split("\n")]
    except UnicodeDecodeError:
        raise FormatError("is not UTF-8", field="answer") from None
    lines = []
    for key in keys:
        line = next((line for line in given if (line.name, line.key_id) == (key.name, key.key_id)), None)
        if line is None:
            raise SignatureError("is missing", field=f"cosignature {key.key_id.hex()} of {key.name}")
        if not key.verify(text, line.blob):
            raise SignatureError("carries no time", field=f"cosignature {key.key_id.hex()} of {key.name}")
        lines.append(line)
    return tuple(lines)


def _outcome(reply: Reply, note: bytes, keys: Sequence[VerifierKey]) -> Outcome:
    if reply.status == 200:
        return _cosigned(reply.body, note, keys)
    if reply.status == 409 and reply.content_type.partition(";")[0].strip().lower() == SIZE_TYPE:
        try:
            return Behind(parse_decimal(reply.body.decode("ascii").removesuffix("\n"), field="size", maximum=MAX_SIZE))
        except (UnicodeDecodeError, FormatError):
            return Rejected(409, "names no size")
    if reply.status in {408, 429} or reply.status >= 500:
        return TryLater(f"answered with status {reply.status}")
    return Rejected(reply.status, _reason(reply.body))


def _cosigned(body: bytes, note: bytes, keys: Sequence[VerifierKey]) -> Outcome:
    try:
        return Cosigned(verified_lines(body, note, keys))
    except (FormatError, SignatureError) as error:
        return Rejected(200, f"its answer does not verify: {error}")


def _reason(body: bytes) -> str:
    """The first line of an answer, made harmless: it is printed on a terminal."""
    line = body[: 4 * _MAX_REASON].decode("utf-8", "replace").split("\n", 1)[0][:_MAX_REASON]
    return "".join(char if char.isprintable() else "?" for char in line) or "gives no reason"
