"""An answer that is read while it grows: opened in the log before its first word, and ended there whatever happens.

A stream begins with an `opened/1` entry, integrated before anything is sent, and ends with one of two: the decision, or
an `unfinished/1` that holds what had been sent.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import cast

from auditlog.core.formats.canonical import Json
from auditlog.vault.references import Refs
from auditlog.vault.subjects import normalise_all
from auditlog.writing.log import Check, Unit
from home.errors import Unfinished, UsageError
from home.greffier import Greffier
from registry.lifecycle import Gate
from registry.manifest import Manifest
from registry.store import systems as register_store
from runtime.capture import Generation, Piece
from runtime.worker.stream import Began, Event, Stream
from service.deciding import chat, decide
from service.deciding import generation as generating
from service.deciding.run_options import RunOptions
from service.deciding.unanswered import unfinished


@dataclass(eq=False)
class Live:
    """One stream. `said` are the members of the output that are sent, `sent` the text of them that left; `why` it is to
    end early (a code of `unfinished/1`), if it is."""

    g: Greffier
    gate: Gate
    case: decide.Case
    values: dict[str, Json] = field(repr=False)
    turn: chat.Turn | None = field(repr=False)
    stream: Stream
    said: tuple[str, ...]
    opened: str | None = None
    began: Began | None = None
    sent: dict[str, str] = field(default_factory=dict, repr=False)
    tokens: int = 0
    why: str | None = None
    settled: bool = False
    ended: Future[Generation | Exception] = field(default_factory=Future)

    def listen(self, told: Callable[[Event | Exception], None]) -> None:
        """Hand every event to `told`, in the thread that reads from the worker, and keep number and end.

        Whoever sees to the end knows the number then, whatever became of the one who was to hear of it.
        """

        def heard(event: Event | Exception) -> None:
            if isinstance(event, Began):
                self.began = event
            if isinstance(event, Generation | Exception):
                self.ended.set_result(event)
            told(event)

        self.stream.listen(heard)

    def stop(self, why: str) -> None:
        """End it early; the first reason counts. Its end comes as an event."""
        self.why = self.why or why
        self.stream.cancel()

    def open(self, began: Began) -> None:
        """Record that the stream was opened; returns when that is integrated. Raises CannotRecord, GateClosed."""
        gate = self.gate
        entry = self.g.make(
            "opened/1",
            system=gate.system,
            version=gate.version,
            manifest=gate.manifest_digest,
            capture="runtime",
            mode=gate.mode,
            boot=began.boot,
            n=began.n,
        )
        key = (gate.system, gate.manifest_digest, gate.mode)
        check = Check(key, lambda conn: register_store.gate_again(conn, gate))
        self.g.log.append(Unit((entry,), check=check)).result()
        self.opened = entry.id

    def note(self, piece: Piece) -> None:
        """A piece was sent."""
        self.sent[piece.output] = self.sent.get(piece.output, "") + piece.text
        self.tokens += len(piece.tokens)

    def finish(self, generation: Generation) -> decide.Answer:
        """Record the decision; what was not sent whole is unfinished.

        Raises Unfinished, Refused (an entry exists), CannotRecord (it is owed).
        """
        self._settle()
        made = generating.of_runtime(self.gate, generation)
        made = replace(made, reached=self.reached(), opened=self.opened)
        whole = {name: generation.output[name] for name in self.said if name in generation.output}
        if not all(_is_all_of(self.sent.get(name, ""), value) for name, value in whole.items()):
            self.why = self.why or "output_invalid"
            self.give_up(self.why)
            raise Unfinished("the answer was not sent to its end", reason=self.why)
        return decide.record(self.g, self.gate, self.case, made, self.values, turn=self.turn)

    def fail(self, error: Exception) -> Exception:
        """What to raise for a stream that came to no decision, once that is recorded. Raises CannotRecord."""
        self._settle()
        if self.began is None and self.why == "client_left":
            # It had no number yet, and no rule refused it: there is nothing to record.
            return Unfinished("the client left before its turn", reason="client_left")
        self.why = self.why or getattr(error, "reason", None)
        return generating.failed(
            self.g,
            self.gate,
            error,
            reason=self.why,
            reached=self.reached(),
            opened=self.opened,
            refs=self.refs,
        )

    def _settle(self) -> None:
        """Its end is recorded once, whoever sees to it."""
        if self.settled:
            raise Unfinished("its end is recorded already", reason="duplicate")
        self.settled = True

    @property
    def refs(self) -> Refs:
        """What leads to the record. A conversation has turns of decisions alone, hence no number."""
        return replace(self.turn.refs if self.turn else self.case.refs, turn=None)

    def reached(self) -> Json:
        """What an `unfinished` entry commits: what was sent, and of whom."""
        kept = self.values if self.turn is None else self.turn.kept
        return {
            "output_tokens": self.tokens,
            "output": cast("Json", dict(self.sent)),
            "input": dict(kept),
            "subjects": [*normalise_all(self.case.subjects)],
        }

    def give_up(self, reason: str) -> None:
        """Record that no decision came of it."""
        if self.began is not None:
            unfinished(
                self.g,
                self.gate,
                self.began.boot,
                self.began.n,
                reason=reason,
                reached=self.reached(),
                opened=self.opened,
                refs=self.refs,
            )


def _is_all_of(sent: str, value: Json) -> bool:
    """Whether the text that was sent is a member of the output; one that is no text was sent as JSON."""
    if isinstance(value, str):
        return sent == value
    try:
        return bool(json.loads(sent) == value)
    except ValueError:
        return False


def said_of(manifest: Manifest, *, as_json: bool) -> tuple[str, ...]:
    """The members of the output that a stream sends."""
    return tuple(step.output for step in manifest.steps) if as_json else (chat.spoken(manifest),)


def demand_streaming(gate: Gate) -> None:
    """Raise UsageError where a version's answers leave whole, after their record: then nothing is streamed."""
    if gate.model is None:
        raise UsageError("is not for systems that somebody else runs: ask without it", field="stream")
    if not gate.running.manifest.streaming or gate.record.classification.annex_iii:
        raise UsageError("is not allowed by this version, whose answers leave whole: ask without it", field="stream")


def new_case(
    g: Greffier,
    slug: str,
    inputs: Mapping[str, Json],
    *,
    subjects: tuple[str, ...],
    refs: Refs,
    lang: str,
    options: RunOptions,
) -> decide.Case:
    """A case that comes in now."""
    return decide.Case(slug, inputs, subjects, refs, None, lang, g.clock(), str(uuid.uuid4()), options)
