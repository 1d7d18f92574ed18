"""Waiting for a call's answer, and making it of what the database holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import anyio
import anyio.to_thread
from starlette.requests import Request

from gateway.completions.answers import (
    Facts,
    chat_answer,
    chat_chunks,
    completion_answer,
    completion_chunks,
)
from gateway.completions.parsing import CALLS, parse_body
from gateway.completions.responses import (
    ChatChunk,
    ChatCompletion,
    Completion,
    Origin,
)
from gateway.completions.schemas import CompletionCall
from gateway.database.engine import Database
from gateway.errors import CallRefused, GatewayBusy, GatewayError, JobUnsuccessful
from gateway.jobs import calls as records
from gateway.jobs.calls import CallFault
from gateway.jobs.market_access import MarketAccess
from gateway.jobs.states import CallState
from gateway.jobs.tables import CallRow
from gateway.jobs.terms import JobTerms, outputs_from_json, prompts_from_json
from gateway.jobs.waiters import Waiters
from protocol.errors import MarketError, WaitTimedOut
from protocol.hexadecimal import to_hex

__all__ = ["CallerGone", "Delivery", "fault_error", "receipt_url"]

_log = logging.getLogger(__name__)

# Another replica may end a call without a word to this one, which is rare.
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 15.0
_CALLER_GONE = CallFault(499, "the caller hung up before a job was made")
_BAD_GATEWAY = 502


class CallerGone(Exception):
    """Nobody waits for the answer any more."""


def receipt_url(base_url: str, job_id: bytes, outputs: Sequence[int]) -> str:
    """Where the receipt of some outputs of a job is."""
    wanted = "&".join(f"output={index}" for index in outputs)
    return f"{base_url}/v1/receipts/{to_hex(job_id)}?{wanted}"


def fault_error(status: int, message: str) -> GatewayError:
    """The error of a call that was refused after it was let in."""
    if status == _BAD_GATEWAY:
        return JobUnsuccessful(message)
    if 400 <= status < 500:
        return CallRefused(message, code="job_refused")
    return GatewayBusy(message)


class Delivery:
    """Waits and answers, for callers of this replica."""

    def __init__(
        self,
        database: Database,
        access: MarketAccess,
        waiters: Waiters,
        *,
        base_url: str,
        timeout_seconds: float,
    ) -> None:
        """Join the parts.

        Args:
            database: Calls.
            access: For tokenizers.
            waiters: Told when a call ends.
            base_url: Where callers reach the gateway.
            timeout_seconds: How long a caller waits at most.
        """
        self._database = database
        self._access = access
        self._waiters = waiters
        self._base_url = base_url
        self._timeout = timeout_seconds

    # ---------------------------------------------------------------- waiting

    async def wait(self, call_id: str, request: Request | None = None) -> CallRow:
        """Waits until a call has its outputs.

        Args:
            call_id: The call.
            request: Whose connection to watch; None where something else does.

        Returns:
            The call with its outputs.

        Raises:
            CallerGone: The caller hung up; a call without a job was taken back.
            GatewayError: The call ended without an answer.
            WaitTimedOut: It has none yet; it goes on.
            DatabaseError: The database is down.
        """
        leaving = asyncio.create_task(_until_gone(request))
        try:
            async with asyncio.timeout(self._timeout):
                return await self._until_ended(call_id, leaving)
        except TimeoutError as error:
            raise WaitTimedOut(
                f"no answer within {self._timeout:g} s; the call goes on: repeat it "
                "with the same Idempotency-Key to get its answer"
            ) from error
        except (CallerGone, asyncio.CancelledError):
            await self.take_back(call_id)
            raise
        finally:
            leaving.cancel()

    async def _until_ended(self, call_id: str, leaving: asyncio.Task[None]) -> CallRow:
        pause = _FIRST_WAIT_SECONDS
        with self._waiters.waiting(call_id) as event:
            while True:
                event.clear()
                row = await anyio.to_thread.run_sync(self._look, call_id)
                if CallState(row.state).has_answer:
                    return row
                if CallState(row.state).is_refused:
                    raise fault_error(row.status or _BAD_GATEWAY, row.fault or "")
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

    def _look(self, call_id: str) -> CallRow:
        with self._database.reading() as session:
            row = records.find_call(session, call_id)
            session.expunge_all()
        if row is None:
            raise JobUnsuccessful("the call is not known any more")
        return row

    async def take_back(self, call_id: str) -> None:
        """Ends a call that nobody waits for and that is part of no job: it is free."""

        def release() -> bool:
            return self._database.write(
                lambda s: records.release_waiting(s, call_id, _CALLER_GONE)
            )

        if self._waiters.has(call_id):
            # Somebody else came with the same idempotency key.
            return
        with anyio.CancelScope(shield=True):
            try:
                if await anyio.to_thread.run_sync(release):
                    _log.info("taken back", extra={"call_id": call_id})
            except MarketError as error:
                _log.warning("not taken back", extra={"reason": str(error)})

    # ---------------------------------------------------------------- answering

    def answer(self, row: CallRow) -> Completion | ChatCompletion:
        """The whole answer of a call. Raises StoreError, ChainError."""
        call = parse_body(CALLS[row.endpoint], row.body)
        codec = self._access.codec_of(JobTerms.parse(row.terms).model_id)
        if isinstance(call, CompletionCall):
            return completion_answer(call, self._facts(row), codec)
        return chat_answer(call, self._facts(row), codec)

    def chunks(self, row: CallRow) -> list[Completion] | list[ChatChunk]:
        """The same in chunks."""
        call = parse_body(CALLS[row.endpoint], row.body)
        codec = self._access.codec_of(JobTerms.parse(row.terms).model_id)
        if isinstance(call, CompletionCall):
            return list(completion_chunks(call, self._facts(row), codec))
        return list(chat_chunks(call, self._facts(row), codec))

    def _facts(self, row: CallRow) -> Facts:
        if row.job_id is None or row.outputs is None or row.first_output is None:
            raise JobUnsuccessful("the call's answer is not kept any more")
        prompts = prompts_from_json(row.prompts)
        own = list(range(row.first_output, row.first_output + row.prompt_count))
        return Facts(
            call_id=row.call_id,
            created_at=int(row.created_at),
            origin=Origin(
                job_id=to_hex(row.job_id),
                receipt_url=receipt_url(self._base_url, row.job_id, own),
                outputs=own,
            ),
            prompts=tuple(prompt.text for prompt in prompts),
            prompt_tokens=row.prompt_tokens,
            outputs=tuple(outputs_from_json(row.outputs)),
        )


async def _until_gone(request: Request | None) -> None:
    if request is None:
        await asyncio.Event().wait()
        return
    while (await request.receive())["type"] != "http.disconnect":
        pass
