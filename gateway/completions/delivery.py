"""Calls taken from callers, and their answers handed to them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
import anyio.to_thread
from starlette.requests import Request

from gateway.completions.admission import Admission
from gateway.completions.answers import Answers
from gateway.completions.responses import ChatChunk, ChatCompletion, Completion
from gateway.database.engine import Database
from gateway.errors import CallRefused, GatewayBusy, GatewayError, JobUnsuccessful
from gateway.jobs import calls as records
from gateway.jobs.tables import CallFault, CallRow, CallState
from protocol.errors import MarketError, WaitTimedOut

__all__ = ["CallerGone", "Calls", "Delivery", "Waiters"]

_log = logging.getLogger(__name__)

# Another replica may end a call without a word to this one, which is rare.
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 15.0
_CALLER_GONE = CallFault(499, "the caller hung up before a job was made")
_BAD_GATEWAY = 502


class CallerGone(Exception):
    """Nobody waits for the answer any more."""


class Waiters:
    """Events of one event loop's tasks, by call."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._lock = threading.Lock()
        self._events: dict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]]
        self._events = {}

    @contextmanager
    def waiting(self, call_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the call moves on; for use in a task."""
        event = asyncio.Event()
        place = (asyncio.get_running_loop(), event)
        with self._lock:
            self._events.setdefault(call_id, []).append(place)
        try:
            yield event
        finally:
            with self._lock:
                places = self._events[call_id]
                places.remove(place)
                if not places:
                    del self._events[call_id]

    def wake(self, call_ids: Iterable[str]) -> None:
        """Wake the tasks that wait for these calls; from any thread."""
        with self._lock:
            places = [p for one in call_ids for p in self._events.get(one, ())]
        for loop, event in places:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def has(self, call_id: str) -> bool:
        """Whether anybody waits for a call."""
        with self._lock:
            return call_id in self._events

    def count(self) -> int:
        """Calls that a task waits for."""
        with self._lock:
            return len(self._events)


@dataclass(frozen=True, slots=True)
class Calls:
    """Takes calls for one replica.

    Attributes:
        database: Calls.
        admission: Lets them in.
        answers: Makes their answers.
        waiters: Told when a call ends.
        notice: Called when one was let in.
        timeout_seconds: How long a caller waits at most.
    """

    database: Database
    admission: Admission
    answers: Answers
    waiters: Waiters
    notice: Callable[[], None]
    timeout_seconds: float

    def open(
        self, key_id: str, endpoint: str, body: bytes, idempotency_key: str | None
    ) -> Delivery:
        """Takes a call; raises as `Admission.admit`."""
        call_id, call = self.admission.admit(key_id, endpoint, body, idempotency_key)
        self.notice()
        return Delivery(self, call_id, is_stream=bool(call.stream))


class Delivery:
    """The answer of one call, on its way to one caller.

    Attributes:
        call_id: The call.
        is_stream: Whether the caller wants it in chunks.
    """

    def __init__(self, calls: Calls, call_id: str, *, is_stream: bool) -> None:
        """`Calls.open` makes it."""
        self._calls = calls
        self.call_id = call_id
        self.is_stream = is_stream

    async def whole(self, request: Request) -> Completion | ChatCompletion:
        """Waits for the whole answer.

        Args:
            request: The caller's, to notice when it leaves.

        Raises:
            CallerGone: The caller hung up; a call without a job was taken back.
            GatewayError: The call ended without an answer.
            WaitTimedOut: It has none yet; it goes on.
            StoreError: The model's tokenizer cannot be had.
            ChainError: The chain cannot be read.
            DatabaseError: The database is down.
        """
        row = await self._wait(request)
        return await anyio.to_thread.run_sync(self._calls.answers.whole, row)

    async def chunks(self) -> list[Completion] | list[ChatChunk]:
        """Waits for the answer in chunks; raises as `whole`, but for `CallerGone`."""
        row = await self._wait(None)
        return await anyio.to_thread.run_sync(self._calls.answers.chunks, row)

    async def _wait(self, request: Request | None) -> CallRow:
        """The call with its outputs, once they are there.

        Args:
            request: Whose connection to watch; None where something else does.
        """
        leaving = asyncio.create_task(_until_gone(request))
        seconds = self._calls.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._until_ended(leaving)
        except TimeoutError as error:
            raise WaitTimedOut(
                f"no answer within {seconds:g} s; the call goes on: repeat it "
                "with the same Idempotency-Key to get its answer"
            ) from error
        except (CallerGone, asyncio.CancelledError):
            await self.take_back()
            raise
        finally:
            leaving.cancel()

    async def _until_ended(self, leaving: asyncio.Task[None]) -> CallRow:
        pause = _FIRST_WAIT_SECONDS
        with self._calls.waiters.waiting(self.call_id) as event:
            while True:
                event.clear()
                row = await anyio.to_thread.run_sync(self._find_answered)
                if row is not None:
                    return row
                moved = asyncio.create_task(event.wait())
                await asyncio.wait(
                    {moved, leaving},
                    timeout=pause,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                moved.cancel()
                pause = min(2 * pause, _LONGEST_WAIT_SECONDS)
                if leaving.done():
                    raise CallerGone

    def _find_answered(self) -> CallRow | None:
        """The call if its outputs are there. Raises GatewayError if it was refused."""
        with self._calls.database.reading() as session:
            row = records.find_call(session, self.call_id)
            if row is None:
                raise JobUnsuccessful("the call is not known any more")
            state = CallState(row.state)
            if state.is_refused:
                raise _error_of(row.fault)
            if state.has_answer:
                row = records.find_call(session, self.call_id, with_texts=True)
            session.expunge_all()
        return row if state.has_answer else None

    async def take_back(self) -> None:
        """Ends the call if nobody waits for it and it is part of no job: it is free."""

        def release() -> bool:
            return self._calls.database.write(
                lambda s: records.release_waiting(s, self.call_id, _CALLER_GONE)
            )

        if self._calls.waiters.has(self.call_id):
            # Somebody else came with the same idempotency key.
            return
        with anyio.CancelScope(shield=True):
            try:
                if await anyio.to_thread.run_sync(release):
                    _log.info("taken back", extra={"call_id": self.call_id})
            except MarketError as error:
                _log.warning("not taken back", extra={"reason": str(error)})


def _error_of(fault: CallFault | None) -> GatewayError:
    """The error of a call that was refused after it was let in."""
    if fault is None or fault.status == _BAD_GATEWAY:
        return JobUnsuccessful("" if fault is None else fault.message)
    if 400 <= fault.status < 500:
        return CallRefused(fault.message, code="job_refused")
    return GatewayBusy(fault.message)


async def _until_gone(request: Request | None) -> None:
    if request is None:
        await asyncio.Event().wait()
        return
    while (await request.receive())["type"] != "http.disconnect":
        pass
