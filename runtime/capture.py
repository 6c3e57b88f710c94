"""What one generation leaves behind: the answer, its usage, and what a replay needs. Integers only, no fractions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, and times in µs by our own monotonic clock, each counted from the moment the request was handed in.

    `first_us` is when the first token (or answer) was chosen, `total_us` when the output was complete; `queue_us` is
    the wait before the first decode, model loading included. `energy_uj` in micro-joules, null where it was not
    measured. `busy_us` is the request's share of the device's time, by rows: shares sum to that time. `cached_tokens`
    are those of the prompt that a provider says it had kept. Both are null where they are not known.
    """

    prompt_tokens: int
    output_tokens: int
    queue_us: int
    first_us: int
    total_us: int
    energy_uj: int | None
    energy_method: str
    busy_us: int | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What determined the output. Tokens and log-probabilities (micro-nats) hold one list for each step of the version.

    `alternatives` has the log-probability of every outcome's text given the prompt, without bias, by outcome code.
    `rows` holds for each step the first 8 bytes of SHA-256 over every row of logits that was asked for (its float32
    values, little-endian), in the order of asking, as hex; `digest` chains the whole digests: h = SHA-256(h + row's),
    from 32 zero bytes, over all steps. Both are empty in the throughput lane. `occupancy`: the most requests that
    shared a batch with this one, itself included; `reused`: tokens of the first prompt that were not decoded again.
    `prompt_digests` stand for the prompts' tokens (then empty lists) in a record that does not keep them.
    `max_tokens` and `stop` are the request's own limits. `determinism` is the class that was measured, for this model,
    context, build and device.
    """

    prompt_tokens: tuple[tuple[int, ...], ...]
    output_tokens: tuple[tuple[int, ...], ...]
    logprobs: tuple[tuple[int, ...], ...]
    alternatives: Mapping[str, int]
    seed: str | None
    sampler: str
    threads: int
    build: str
    model: str
    slot: int
    device: str = "cpu"
    occupancy: int = 1
    reused: int = 0
    rows: tuple[tuple[str, ...], ...] = ()
    digest: str | None = None
    determinism: str = "not_measured"
    prompt_digests: tuple[str, ...] = ()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenText:
    """One token of an answer as it is told: text, bytes as hex, log-probability in micro-nats, and the likeliest
    alternatives at its place, best first, in the same three terms."""

    text: str
    data: str
    logprob: int
    top: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """What an answer has grown by: text that fills the member `output` of the output. Text never ends within a
    character; `tokens` are those whose text is in this piece."""

    id: str
    output: str
    text: str
    tokens: tuple[TokenText, ...] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """One finished generation. `finish` is stop, length or invalid; for the last two `outcome` is that code.

    `output` holds the JSON value of each step; where one was cut or could not be read, its text as far as it goes.
    """

    id: str
    boot: str
    n: int
    output: Mapping[str, Any]
    outcome: str
    finish: str
    usage: Usage
    run: Run


def format_generation(generation: Generation) -> dict[str, Any]:
    """As the JSON object that crosses the pipe; `usage` and `run` have the members that the record commits."""
    return {**_members(generation), "usage": _members(generation.usage), "run": _members(generation.run)}


def _members(one: Generation | Usage | Run | Piece | TokenText) -> dict[str, Any]:
    """Its members as they are; `asdict` would copy every number of every list."""
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def parse_generation(data: dict[str, Any]) -> Generation:
    """What `format_generation` wrote."""
    members = dict(data)
    run = dict(members.pop("run"))
    usage = Usage(**members.pop("usage"))
    return Generation(**members, usage=usage, run=parse_run(run))


def parse_run(data: Mapping[str, Any]) -> Run:
    """The run in a JSON object: a worker's, or that of a record (one made before a member existed has its default)."""
    run = dict(data)
    for name in ("prompt_tokens", "output_tokens", "logprobs", "rows"):
        run[name] = tuple(tuple(step) for step in run.get(name, ()))
    for name in ("stop", "prompt_digests"):
        run[name] = tuple(run.get(name, ()))
    return Run(**run)


def format_piece(piece: Piece) -> dict[str, Any]:
    """As the JSON object that crosses the pipe."""
    return {**_members(piece), "tokens": [_members(token) for token in piece.tokens]}


def parse_piece(data: Mapping[str, Any]) -> Piece:
    """What `format_piece` wrote."""
    tokens = (
        TokenText(one["text"], one["data"], one["logprob"], tuple((t, d, p) for t, d, p in one["top"]))
        for one in data["tokens"]
    )
    return Piece(data["id"], data["output"], data["text"], tuple(tokens))


def token_digest(tokens: Iterable[int]) -> str:
    """SHA-256 (hex) over token ids, four bytes each, little-endian."""
    return hashlib.sha256(b"".join(token.to_bytes(4, "little") for token in tokens)).hexdigest()
