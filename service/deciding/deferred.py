"""Decisions that are asked for now and fetched later. What waits is in memory alone: a restart forgets it.

What was decided is in the log whether it is fetched or not, and is answered from its record once memory has let it go.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from auditlog.core.formats.canonical import Json
from auditlog.vault.references import NO_REFS, Refs
from home.errors import KeyConflict, UnknownRecord
from home.greffier import Greffier
from runtime.errors import Busy
from service.deciding import decide, idempotency
from service.records import reading

LENGTH: Final = 1_000
THREADS: Final = 16
# How long an end that nobody fetched is kept in memory.
KEPT_S: Final = 600.0
_GRACE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """One decision as it was asked for. `reader`: the API key, by its public id, which alone is given the answer."""

    system: str
    inputs: Mapping[str, Json] = field(repr=False)
    reader: reading.Reader
    subjects: tuple[str, ...] = field(default=(), repr=False)
    refs: Refs = field(default=NO_REFS, repr=False)
    lang: str = "en"
    key: idempotency.Key | None = field(default=None, repr=False)


@dataclass(slots=True)
class _Job:
    id: str
    asked: DecisionRequest
    received: datetime
    began: bool = False
    ended: float | None = None
    answer: decide.Answer | None = None
    error: Exception | None = None


class Queue:
    """What waits, runs, and was not fetched yet. Thread-safe; its threads come with the first decision."""

    def __init__(self, g: Greffier, *, length: int = LENGTH, threads: int = THREADS) -> None:
        self._g, self._length = g, length
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="greffier-queue")
        self._jobs: OrderedDict[str, _Job] = OrderedDict()
        self._keys: dict[bytes, tuple[str, bytes]] = {}  # of those that wait: id, digest of what was asked
        self._changed = threading.Condition()
        self._closed = False

    def put(self, asked: DecisionRequest) -> str:
        """Take a decision in; returns the id that its record will have.

        Asked again with the same key while it waits, it is the same one. Raises Busy where too many wait, UsageError
        where it makes no sense, KeyConflict where something else waits under its key.
        """
        g = self._g
        decide.demand_sense(g, asked.subjects, asked.refs, asked.lang)
        job = _Job(str(uuid.uuid4()), asked, g.clock())
        tag, digest = _named(g, asked)
        with self._changed:
            self._forget()
            if tag is not None and asked.key is not None and tag in self._keys:
                waiting, other = self._keys[tag]
                if other != digest:
                    message = "waits with another request: send a new key with a new request"
                    raise KeyConflict(message, field=asked.key.field)
                return waiting
            if self._closed or sum(one.ended is None for one in self._jobs.values()) >= self._length:
                raise Busy(f"{self._length} decisions wait already", fix="ask again later, or without waiting")
            self._jobs[job.id] = job
            if tag is not None:
                self._keys[tag] = job.id, digest
        self._threads.submit(self._run, job, tag)
        return job.id

    def fetch(self, reader: reading.Reader, record_id: str, key: idempotency.Key | None) -> decide.Answer | None:
        """The answer, or None while it waits. Raises what ended it otherwise, and UnknownRecord where nobody asked.

        An answer is taken from memory once, later from its record; Erased where that is gone. For another key of the
        API than the one that asked there is nothing here. `key`: the idempotency key that was sent with it, if one was.
        """
        with self._changed:
            self._forget()
            job = self._jobs.get(record_id)
            if job is not None and job.asked.reader.account != reader.account:
                job = None
            if job is not None and job.ended is None:
                return None
            if job is not None and job.error is not None:
                raise job.error
            if job is not None:
                del self._jobs[record_id]
        if job is not None and job.answer is not None:
            reading.find_live(self._g, job.answer.id)  # what was erased meanwhile is given to nobody
            return job.answer
        found = decide.answered(self._g, key or _own_key(record_id, reader), record_id)
        if found is None:
            raise UnknownRecord("no decision of this id waits, and none was recorded for this key: ask for it again")
        return found

    def close(self) -> None:
        """Drop what waits, and let what runs end: after some seconds it is stopped, which the log then says."""
        with self._changed:
            self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._changed:
            if not self._changed.wait_for(lambda: not self._running(), _GRACE_S):
                for job in self._running():
                    self._g.runtime.cancel(job.id)
                    self._g.gateway.cancel(job.id)
        self._threads.shutdown(wait=True)

    @property
    def waiting(self) -> int:
        """How many have no end yet."""
        with self._changed:
            return sum(job.ended is None for job in self._jobs.values())

    def _running(self) -> list[_Job]:
        return [job for job in self._jobs.values() if job.began and job.ended is None]

    def _run(self, job: _Job, tag: bytes | None) -> None:
        job.began = True
        try:
            asked = job.asked
            job.answer = decide.decide(
                self._g,
                asked.system,
                asked.inputs,
                subjects=asked.subjects,
                refs=asked.refs,
                lang=asked.lang,
                key=asked.key or _own_key(job.id, asked.reader),
                record_id=job.id,
                received=job.received,
            )
        except Exception as error:  # whoever fetches it is told; the thread has others to run
            job.error = error
        finally:
            with self._changed:
                job.ended = time.monotonic()
                job.asked = DecisionRequest(job.asked.system, {}, job.asked.reader)
                if tag is not None:
                    self._keys.pop(tag, None)
                self._changed.notify_all()

    def _forget(self) -> None:
        """Lets ends go that nobody fetched in time."""
        before = time.monotonic() - KEPT_S
        for id_ in [id_ for id_, job in self._jobs.items() if job.ended is not None and job.ended < before]:
            del self._jobs[id_]


def _named(g: Greffier, asked: DecisionRequest) -> tuple[bytes | None, bytes]:
    """The tag of the key, and the digest of all that is asked under it; None where there is no key."""
    key = asked.key
    if key is None:
        return None, b""
    request = idempotency.request(
        g, key, asked.system, asked.inputs, subjects=asked.subjects, refs=asked.refs, parent=None, lang=asked.lang
    )
    return request.asked.tag, hashlib.sha256(request.form).digest()


def _own_key(record_id: str, reader: reading.Reader) -> idempotency.Key:
    """By which the record is found again for the one who asked, where no key was sent: its text is the record's id."""
    return idempotency.Key(f"queued {reader.account}", record_id, "id", reader)
