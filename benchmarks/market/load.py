"""Jobs kept in flight: one more is posted for each that ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from protocol.chain.client import MarketClient
from protocol.chain.cursor import EventCursor
from protocol.documents.prompts import Prompt, PromptsDocument
from protocol.errors import ContractReverted
from protocol.hexadecimal import to_hex
from protocol.market.advancing import Due, due
from protocol.market.events import (
    CommitteeDrawn,
    DrawArmed,
    Event,
    JobSettled,
    Log,
    ResultAccepted,
)
from protocol.market.round_state import round_after
from protocol.market.types import JobId, JobParams, ModelId, Round
from protocol.store.port import ContentStore
from tests.support.market.values import a_job

__all__ = ["Followed", "Load"]

PROMPT_TOKENS = 32
NEW_TOKENS = 64
_POLL_SECONDS = 0.05
# Each waits for its block.
_POSTERS = 12
_DRAWERS = 24
_KINDS: tuple[type[Event], ...] = (
    DrawArmed,
    CommitteeDrawn,
    ResultAccepted,
    JobSettled,
)


@dataclass(slots=True)
class Followed:
    """A job that was posted.

    Attributes:
        params: Its parameters.
        posted_block: Block that holds the posting.
        current: Its round, as far as draws go; None once it has ended.
        accepted_block: Block of its `ResultAccepted`.
        settled_at: When its end was seen, seconds of the monotonic clock.
    """

    params: JobParams
    posted_block: int
    current: Round | None = None
    accepted_block: int | None = None
    settled_at: float | None = None


@dataclass(slots=True)
class Load:
    """Posts, draws and follows jobs of one 32-token prompt and 64 new tokens."""

    client: MarketClient
    store: ContentStore
    model_id: ModelId
    jobs: dict[JobId, Followed] = field(default_factory=dict)
    _nonce: int = 0
    _cursor: EventCursor = field(init=False)
    _head: int = -1
    _early: list[Log] = field(default_factory=list)
    _posting: list[Future[tuple[JobId, Followed]]] = field(default_factory=list)
    _drawing: dict[JobId, Future[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Follow events from now on."""
        start = self.client.block_number()
        self._cursor = EventCursor(self.client, start_block=start, kinds=_KINDS)

    def run(
        self, in_flight: int, is_done: Callable[[], bool], seconds: float
    ) -> Iterator[None]:
        """Keep jobs in flight until something is so or time is over.

        Args:
            in_flight: Jobs open at a time.
            is_done: Asked again and again.
            seconds: Longest time.

        Yields:
            After every look.
        """
        deadline = time.monotonic() + seconds
        with (
            ThreadPoolExecutor(_POSTERS) as posters,
            ThreadPoolExecutor(_DRAWERS) as drawers,
        ):
            while not is_done() and time.monotonic() < deadline:
                self._look(drawers)
                while self.open_count + len(self._posting) < in_flight:
                    posting = posters.submit(self._post, self._next_nonce())
                    self._posting.append(posting)
                yield
                time.sleep(_POLL_SECONDS)

    def drain(self, seconds: float) -> None:
        """Let all end that are open."""
        deadline = time.monotonic() + seconds
        with ThreadPoolExecutor(_DRAWERS) as pool:
            while self.open_count + len(self._posting) and time.monotonic() < deadline:
                self._look(pool)
                time.sleep(_POLL_SECONDS)

    @property
    def open_count(self) -> int:
        """Jobs that were posted and have not ended."""
        return sum(job.settled_at is None for job in self.jobs.values())

    @property
    def settled(self) -> list[JobId]:
        """Jobs that have ended, in the order they were posted."""
        return [key for key, job in self.jobs.items() if job.settled_at is not None]

    def _next_nonce(self) -> int:
        self._nonce += 1
        return self._nonce

    def _look(self, pool: ThreadPoolExecutor) -> None:
        self._collect()
        head = self.client.block_number()
        if head == self._head:
            return
        logs = [*self._early, *self._cursor.poll().logs]
        self._early = [log for log in logs if not self._apply(log)]
        self._head = head
        self._draw_due(pool, head)

    def _collect(self) -> None:
        for posting in [one for one in self._posting if one.done()]:
            self._posting.remove(posting)
            job_id, followed = posting.result()
            self.jobs[job_id] = followed
        for job_id, drawing in list(self._drawing.items()):
            if drawing.done():
                drawing.result()
                del self._drawing[job_id]

    def _apply(self, log: Log) -> bool:
        """Whether the event's job is known; if it is not, its posting is not seen."""
        event = log.event
        job = self.jobs.get(event.job_id)  # type: ignore[attr-defined]
        if job is None:
            return not self._posting
        if isinstance(event, ResultAccepted):
            job.accepted_block = log.block_number
            return True
        job.current = round_after(job.current, event)
        if isinstance(event, JobSettled):
            job.settled_at = time.monotonic()
        return True

    def _draw_due(self, pool: ThreadPoolExecutor, head: int) -> None:
        for job_id, job in self.jobs.items():
            # Ending jobs whose windows are over is left to the workers.
            task = Due.NOTHING if job.current is None else due(job.current, head, 0)
            if task.is_call and job_id not in self._drawing:
                self._drawing[job_id] = pool.submit(self._draw, job.params)

    def _draw(self, params: JobParams) -> None:
        # A worker may be faster.
        with suppress(ContractReverted):
            self.client.advance(params)

    def _post(self, nonce: int) -> tuple[JobId, Followed]:
        document = PromptsDocument(
            model_id=to_hex(self.model_id),
            prompts=(
                Prompt(
                    ids=tuple((nonce * 31 + n) % 250 for n in range(PROMPT_TOKENS)),
                    max_new_tokens=NEW_TOKENS,
                    seed=nonce,
                ),
            ),
        )
        params = a_job(
            requester=self.client.address,
            nonce=nonce,
            model_id=self.model_id,
            prompts_digest=self.store.put(document.to_bytes()),
            prompt_count=1,
            max_tokens=document.max_tokens,
        )
        result = self.client.post_job(params)
        armed = next(e.event for e in result.logs if isinstance(e.event, DrawArmed))
        followed = Followed(params, result.block_number, round_after(None, armed))
        return armed.job_id, followed
