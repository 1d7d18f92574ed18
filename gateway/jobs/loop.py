"""The gateway's own loop: makes jobs of waiting calls, moves jobs on, takes over.

All that must survive a crash is in the database; what is here can be lost at any time.
Several replicas run the same loop on one database: each makes jobs of its own callers'
calls, and moves on its own jobs and those of replicas that went silent.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy.orm import Session

from gateway.database.engine import Database
from gateway.database.leases import acquire, release
from gateway.errors import GatewayBusy
from gateway.jobs import calls as call_records
from gateway.jobs import job_records as records
from gateway.jobs.calls import replica_lease
from gateway.jobs.market_access import MarketAccess, persist
from gateway.jobs.runner import JobRunner
from gateway.jobs.sharing import Waiting, due_groups
from gateway.jobs.tables import CallFault, GatewayJobRow, SharedJobStage
from gateway.jobs.terms import JobTerms
from protocol.errors import MarketError, RequestError
from protocol.hexadecimal import to_hex
from protocol.host.crash_points import crash_point
from protocol.market.types import JobId

__all__ = ["JobLoop", "LoopOptions", "new_replica_name"]

_log = logging.getLogger(__name__)

_GONE = CallFault(503, "the gateway that took this call stopped; nothing was charged")
_UNAVAILABLE = 503
# Blocks may be seconds apart; a deadline passes without one.
_LONGEST_LOOK_SECONDS = 1.0
_SLOW_LOOK_SECONDS = 10.0
_FAILED_PAUSE_SECONDS = 1.0


def new_replica_name() -> str:
    """A name that no other replica has, also none of before a restart."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How the loop runs.

    Attributes:
        window_seconds: How long a call waits for others to share a job.
        poll_seconds: Pause between two looks.
        lease_seconds: After how long of silence others take a replica's work over.
        max_live_jobs: Most jobs under way of this replica.
        threads: Jobs that are moved on at the same moment.
    """

    window_seconds: float
    poll_seconds: float
    lease_seconds: float
    max_live_jobs: int
    threads: int = 8


class JobLoop:
    """Runs in threads of its own between `start` and `stop`."""

    def __init__(
        self,
        access: MarketAccess,
        database: Database,
        runner: JobRunner,
        options: LoopOptions,
        *,
        replica: str,
        wake: Callable[[Sequence[str]], None],
        feed: Callable[[], None] | None = None,
    ) -> None:
        """Join the parts; nothing runs yet.

        Args:
            access: The market and the wallet.
            database: Calls and jobs.
            runner: Moves a job on.
            options: How to run.
            replica: This replica's name.
            wake: Told which calls have ended.
            feed: Called at every look; makes calls of what waits in batches.
        """
        self._access = access
        self._database = database
        self._runner = runner
        self._wake_callers = wake
        self._options = options
        self.replica = replica
        self._feed = feed
        self._pool = ThreadPoolExecutor(options.threads, "gateway-job")
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway-jobs")
        # Jobs that a thread of the pool is busy with.
        self._claimed: set[JobId] = set()
        self._claims_lock = threading.Lock()
        self._forming: dict[Future[None], frozenset[str]] = {}
        self._looked: dict[JobId, float] = {}
        self._block = -1
        self._beat_at = 0.0

    def start(self) -> None:
        """Take over what earlier replicas left, then run."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Finish the steps in progress, and give up the jobs for another replica."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()
        self._pool.shutdown(wait=True)
        try:
            self._database.write(self._leave)
        except MarketError as error:
            _log.warning("left without a word", extra={"reason": str(error)})

    def notice(self) -> None:
        """Tell the loop that a call waits."""
        self._wake.set()

    def check(self) -> None:
        """Raises GatewayBusy unless the loop runs."""
        if self._stopping.is_set() or not self._thread.is_alive():
            raise GatewayBusy("the gateway makes no jobs: it starts or stops")

    # ---------------------------------------------------------------- the loop

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause = _FAILED_PAUSE_SECONDS
            try:
                pause = self._look()
            except MarketError as error:
                _log.warning("look failed", extra={"reason": str(error)})
            except Exception:
                # A defect must not leave every caller waiting for ever.
                _log.exception("look failed")
            self._wake.wait(pause)
            self._wake.clear()

    def _look(self) -> float:
        """One look; returns how long to wait before the next."""
        if time.monotonic() - self._beat_at >= self._options.lease_seconds / 3:
            self._beat()
        if self._feed is not None:
            self._feed()
        pause = self._form()
        self._move()
        return pause

    def _beat(self) -> None:
        ended = self._database.write(self._show_life)
        self._beat_at = time.monotonic()
        self._wake_callers(ended)

    def _show_life(self, session: Session) -> list[str]:
        seconds = self._options.lease_seconds
        acquire(session, replica_lease(self.replica), self.replica, seconds)
        records.hold(session, self.replica, seconds)
        ended = records.claim_expired(session, self.replica, seconds, _GONE)
        call_records.adopt_orphans(session, self.replica, _GONE)
        return ended

    def _leave(self, session: Session) -> None:
        call_records.release_callers(session, self.replica, _GONE)
        records.let_go(session, self.replica)
        release(session, replica_lease(self.replica), self.replica)

    # ---------------------------------------------------------------- forming

    def _form(self) -> float:
        for future in [future for future in self._forming if future.done()]:
            del self._forming[future]
        busy = frozenset[str]().union(*self._forming.values())
        with self._database.reading() as session:
            moment = call_records.now(session)
            calls = call_records.waiting_calls(session, self.replica)
        waiting = [call for call in calls if call.call_id not in busy]
        room = self._options.max_live_jobs - len(self._looked) - len(self._forming)
        window = self._options.window_seconds
        groups = due_groups(waiting, moment, window, self._access.limits)
        for group in groups[: max(0, room)]:
            chosen = frozenset(call.call_id for call in group)
            self._forming[self._pool.submit(self._make, group)] = chosen
        if waiting and not groups:
            oldest = min(call.since for call in waiting)
            return min(self._options.poll_seconds, max(0.01, oldest + window - moment))
        return self._options.poll_seconds

    def _make(self, group: Sequence[Waiting]) -> None:
        """Draft a job of these calls, write it down, post it."""
        call_ids = [call.call_id for call in group]
        try:
            live = self._draft(call_ids, group[0].terms)
        except MarketError as error:
            self._refuse(call_ids, error)
            return
        if live is not None:
            self._step(live)
            self._wake.set()

    def _draft(self, call_ids: Sequence[str], terms: JobTerms) -> GatewayJobRow | None:
        with self._database.reading() as session:
            prompts = call_records.prompts_of(session, call_ids)
        seats = persist(lambda: self._access.seats(terms))
        draft = self._access.draft(terms, prompts, seats=seats)
        job_id = self._access.market.job_id_of(draft.params)
        self._claim(job_id)
        seconds = self._options.lease_seconds

        def create(session: Session) -> GatewayJobRow | None:
            return records.create_job(
                session, job_id, draft, call_ids, self.replica, seconds
            )

        live = None
        try:
            live = self._database.write(create)
        finally:
            if live is None:
                self._release(job_id)
        if live is not None:
            crash_point("gateway.drafted")
        return live

    def _refuse(self, call_ids: Sequence[str], error: MarketError) -> None:
        _log.warning("no job", extra={"calls": len(call_ids), "reason": str(error)})
        is_thin = isinstance(error, RequestError)
        reason = (
            f"no job can be posted now: {error}" if is_thin else _unreachable(error)
        )
        fault = CallFault(_UNAVAILABLE, reason)

        def release_all(session: Session) -> None:
            for call_id in call_ids:
                call_records.release_waiting(session, call_id, fault)

        self._database.write(release_all)
        self._wake_callers(call_ids)

    # ---------------------------------------------------------------- moving

    def _move(self) -> None:
        with self._database.reading() as session:
            jobs = records.live_jobs(session, self.replica)
            session.expunge_all()
        self._looked = {j.job_id: self._looked.get(j.job_id, 0.0) for j in jobs}
        if not jobs:
            return
        block = self._access.market.block_number()
        is_new, self._block = block != self._block, block
        moment = time.monotonic()
        for job in jobs:
            if self._is_due(job, moment, is_new) and self._claim(job.job_id):
                self._looked[job.job_id] = moment
                self._pool.submit(self._step, job)

    def _is_due(self, job: GatewayJobRow, moment: float, is_new_block: bool) -> bool:
        age = moment - self._looked[job.job_id]
        if job.stage == SharedJobStage.DRAFTED:
            # Whoever drafts a job posts it in the same breath.
            return False
        if job.stage == SharedJobStage.ABANDONED:
            return age >= _SLOW_LOOK_SECONDS
        return is_new_block or age >= _LONGEST_LOOK_SECONDS

    def _step(self, job: GatewayJobRow) -> None:
        try:
            self._runner.step(job)
        except MarketError as error:
            facts = {"job_id": to_hex(job.job_id), "reason": str(error)}
            _log.warning("step failed", extra=facts)
        except Exception:
            _log.exception("step failed", extra={"job_id": to_hex(job.job_id)})
        finally:
            self._release(job.job_id)

    def _claim(self, job_id: JobId) -> bool:
        """Claims a job for this thread; False while another thread works on it."""
        with self._claims_lock:
            is_free = job_id not in self._claimed
            self._claimed.add(job_id)
            return is_free

    def _release(self, job_id: JobId) -> None:
        with self._claims_lock:
            self._claimed.discard(job_id)


def _unreachable(error: MarketError) -> str:
    kind = type(error).__name__
    return f"chain or content store cannot be reached ({kind}); nothing was charged"
