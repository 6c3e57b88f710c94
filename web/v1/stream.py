"""A streamed answer on its way: server-sent events from runtime to client, each counted once it was handed over.

What is recorded of a stream that is not finished is exactly what was handed to the connection. A client that reads too
slowly holds a bounded number of pieces, and not for long.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from auditlog.core.errors import CannotRecord
from home.errors import Refused, Unfinished
from registry.errors import GateClosed
from runtime.capture import Generation, Piece
from runtime.worker.stream import Began, Event
from service.deciding import decide
from service.deciding.open_streams import Streams
from service.deciding.streaming import Live
from web.api.references import RECORD
from web.v1 import answers
from web.v1.requests import Ask
from web.v1.stream_text import Words, words_of

T = TypeVar("T")

_MOST_AT_ONCE: Final = 64
_MOST_WAITING: Final = 8_192


class EventStream(Response):
    """An ASGI answer. Errors before its first byte are raised, for the usual answers; later ones are an event."""

    def __init__(
        self, streams: Streams, case: decide.Case, ask: Ask, form: answers.Form, slot: contextlib.ExitStack
    ) -> None:
        super().__init__()
        self._streams, self._case, self._ask, self._form, self._slot = streams, case, ask, form, slot
        self._stall_s = streams.stall_s
        self._events: asyncio.Queue[Event | Exception] = asyncio.Queue()
        self._offset = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it to its end."""
        del scope
        left = asyncio.create_task(_left(receive))
        live: Live | None = None
        try:
            live = await self._begin()
            await self._serve(live, send, left)
        except asyncio.CancelledError:
            # The server ends, or drops this connection: a thread records what was sent.
            if live is not None:
                live.stop("client_left" if left.done() else "stopped")
                self._streams.abandon(live)
                live = None
            raise
        finally:
            left.cancel()
            if live is not None:
                self._streams.leave(live)
            self._slot.close()

    async def _begin(self) -> Live:
        as_json, loop = self._ask.schema is not None, asyncio.get_running_loop()

        def heard(event: Event | Exception) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is gone; `Streams.close` sees to the end
                loop.call_soon_threadsafe(self._events.put_nowait, event)

        def begin() -> Live:
            live = self._streams.begin(self._case, as_json=as_json)
            live.listen(heard)  # here: where this task is dropped meanwhile, `Streams.close` waits for the end
            return live

        return await self._in(self._streams.beginning, begin)

    async def _serve(self, live: Live, send: Send, left: asyncio.Task[None]) -> None:
        began = await self._next(live, left)
        if not isinstance(began, Began):
            raise await self._failed(live, began)
        try:
            await self._in(self._streams.recording, lambda: live.open(began))
        except Exception as error:
            live.stop("stopped")
            await self._failed(live, await self._drained(live))
            if isinstance(error, GateClosed):
                message = "was stopped while this was begun; ask again when it runs"
                raise Refused(message, reason="stopped_meanwhile", field="system") from None
            raise
        words = words_of(live.gate.running.manifest, as_json=self._ask.schema is not None)
        try:
            await self._send(send, _start(live))
            await self._send(send, _body(self._first(live)))
            end = await self._pieces(live, words, send, left)
        except (TimeoutError, OSError):
            live.stop("client_left")
            end = await self._drained(live)
        await self._last(live, words, end, send)

    async def _pieces(self, live: Live, words: Words, send: Send, left: asyncio.Task[None]) -> Generation | Exception:
        """Send pieces as they come; the end, once it is there."""
        while True:
            events = [await self._next(live, left)]
            while len(events) < _MOST_AT_ONCE and not self._events.empty():
                events.append(self._events.get_nowait())
            if self._events.qsize() > _MOST_WAITING:
                live.stop("client_left")
            pieces = [event for event in events if isinstance(event, Piece)]
            texts = [words.of(piece) for piece in pieces] if live.why is None else []
            sent = [(piece, text) for piece, text in zip(pieces, texts, strict=False) if text]
            if sent and not left.done():
                await self._send(send, _body(b"".join(self._chunk(live, piece, text) for piece, text in sent)))
            if left.done():  # what is handed to a closed connection is dropped
                live.stop("client_left")
            else:
                for piece, _ in sent:
                    live.note(piece)
            if isinstance(events[-1], Generation | Exception):
                return events[-1]

    async def _last(self, live: Live, words: Words, end: Generation | Exception, send: Send) -> None:
        """Record the end, then say it; whoever left hears nothing."""
        try:
            if isinstance(end, Generation):
                answer = await self._recorded(live, end)
                data = self._ending(live, answer, words.end(answer.output))
            else:
                data = answers.event(answers.error_body(await self._failed(live, end))[1])
        except Exception as error:
            data = answers.event(answers.error_body(error)[1])
        with contextlib.suppress(TimeoutError, OSError):
            await self._send(send, _body(data, more=False))

    async def _recorded(self, live: Live, end: Generation) -> decide.Answer:
        """The decision, integrated. A log that takes too long is not waited for: the record may still come."""
        making = asyncio.ensure_future(self._in(self._streams.recording, lambda: live.finish(end)))
        try:
            return await asyncio.wait_for(asyncio.shield(making), self._stall_s)
        except TimeoutError:
            making.add_done_callback(lambda done: self._late(live, done))
            message = "the answer could not be recorded in time: it does not count until its record is found"
            raise CannotRecord(message, cause="unknown") from None
        except CannotRecord:
            self._streams.owe(live)
            raise

    def _late(self, live: Live, done: asyncio.Future[decide.Answer]) -> None:
        if not done.cancelled() and isinstance(done.exception(), CannotRecord):
            self._streams.owe(live)

    async def _failed(self, live: Live, end: Event | Exception) -> Exception:
        """What to raise for an end without a decision, recorded; where it cannot be, it is owed."""
        try:
            if isinstance(end, Exception):
                return await self._in(self._streams.recording, lambda: live.fail(end))
            await self._in(self._streams.recording, lambda: live.give_up(live.why or "stopped"))
        except CannotRecord as problem:
            self._streams.owe(live)
            return problem
        return Unfinished("the answer was not begun", reason="stopped")

    async def _drained(self, live: Live) -> Generation | Exception:
        """The runtime's end of a stream that was stopped; what it said before is not sent."""
        return await asyncio.wrap_future(live.ended)

    async def _next(self, live: Live, left: asyncio.Task[None]) -> Event | Exception:
        """The next event; a client that leaves ends the stream, whose end then comes as an event."""
        if live.why is not None or not self._events.empty():
            return await self._events.get()
        event = asyncio.ensure_future(self._events.get())
        try:
            await asyncio.wait({event, left}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            event.cancel()
            raise
        if not event.done():
            live.stop("client_left")
        return await event

    async def _send(self, send: Send, message: Message) -> None:
        """Hand something to the connection. Raises TimeoutError where the client has not read for too long: then it was
        not handed over."""
        async with asyncio.timeout(self._stall_s):
            await send(message)

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    # What is said

    def _head(self, live: Live) -> dict[str, Any]:
        created = int(live.case.received.timestamp())
        return answers.head(self._form.chunk, live.case.id, live.case.slug, created)

    def _first(self, live: Live) -> bytes:
        delta = {"role": "assistant", "content": ""}
        choice: dict[str, Any] = {"index": 0, "finish_reason": None, "logprobs": None}
        choice |= {"delta": delta} if self._form.chat else {"text": ""}
        facts = {"record": live.case.id, "ai_generated": True}
        return answers.event({**self._head(live), "choices": [choice], "greffier": facts})

    def _chunk(self, live: Live, piece: Piece, text: str) -> bytes:
        logprobs = None
        if self._ask.logprobs:
            logprobs = answers.logprobs_of(self._form, piece.tokens, offset=self._offset)
        self._offset += len(text)
        return self._text(live, text, logprobs)

    def _text(self, live: Live, text: str, logprobs: dict[str, Any] | None) -> bytes:
        said: dict[str, Any] = {"delta": {"content": text}} if self._form.chat else {"text": text}
        choice = {"index": 0, "finish_reason": None, "logprobs": logprobs, **said}
        return answers.event({**self._head(live), "choices": [choice]})

    def _ending(self, live: Live, answer: decide.Answer, more: str) -> bytes:
        said: dict[str, Any] = {"delta": {}} if self._form.chat else {"text": ""}
        choice = {"index": 0, "finish_reason": answers.finish_of(answer), "logprobs": None, **said}
        facts = answers.facts_of(answer)
        data = self._text(live, more, None) if more else b""
        data += answers.event({**self._head(live), "choices": [choice], "greffier": facts})
        if self._ask.include_usage:
            data += answers.event({**self._head(live), "choices": [], "usage": answers.usage_of(answer)})
        return data + answers.DONE


def _start(live: Live) -> Message:
    headers = {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
        RECORD: live.case.id,
    }
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": raw}


def _body(data: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def _left(receive: Receive) -> None:
    """Returns when the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
