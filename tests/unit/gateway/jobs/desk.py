"""A gateway's desk: calls and jobs in a real database, on a marketplace in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select, update

from gateway.accounts.keys import create_key
from gateway.accounts.ledger import Balance, balances
from gateway.batches.tables import BatchRow
from gateway.database.engine import Database
from gateway.jobs import job_records
from gateway.jobs.calls import NewCall, find_call, now, prompts_of, reserve_call
from gateway.jobs.job_records import live_jobs
from gateway.jobs.market_access import MarketAccess
from gateway.jobs.runner import JobRunner
from gateway.jobs.tables import CallRow, GatewayJobRow
from gateway.jobs.terms import AnswerForm, Ask, JobTerms
from gateway.metrics import Metrics
from protocol.documents.prompts import Prompt
from protocol.market.types import JobId
from requester.jobs.connections import Connections
from requester.jobs.tokenizers import TokenizerCache
from tests.support.market.world import REQUESTER, World

__all__ = ["REPLICA", "Desk"]

REPLICA = "one"
_LEASE_SECONDS = 60.0


@dataclass(slots=True)
class Desk:
    """The parts, and short ways to use them.

    Attributes:
        world: The marketplace, its store, what workers would answer.
        access: The gateway's view of it.
        runner: What is tested.
        database: Empty at first.
        woken: Calls whose callers were told, in order.
    """

    world: World
    access: MarketAccess
    runner: JobRunner
    database: Database
    woken: list[str] = field(default_factory=list)

    @classmethod
    def build(
        cls,
        database: Database,
        folder: Path,
        *,
        patience: float = 60,
        results_patience: float = 60,
        **market: object,
    ) -> Desk:
        world = World.build(folder, **market)  # type: ignore[arg-type]
        connections = Connections(
            market=world.market,
            account=REQUESTER,
            store=world.store,
            tokenizers=TokenizerCache(world.store, folder / "tokenizers"),
            clock=world.clock,
            poll_seconds=1,
            results_timeout_seconds=0,
        )
        access = MarketAccess(connections, max_prompts=100)
        woken: list[str] = []
        runner = JobRunner(
            access,
            database,
            confirmations=0,
            patience_seconds=patience,
            results_patience_seconds=results_patience,
            wake=woken.extend,
            meter=Metrics(),
        )
        return cls(world, access, runner, database, woken)

    @property
    def terms(self) -> JobTerms:
        return JobTerms(self.world.market.spec.model_id(), 0, 3, 1)

    def key(self, budget: int | None = 10**9) -> str:
        made, _ = self.database.write(
            lambda s: create_key(s, "test", budget=budget, calls_per_minute=1_000)
        )
        return made.key_id

    def reserve(
        self,
        call_id: str,
        texts: Sequence[str],
        key_id: str,
        batch_id: str | None = None,
    ) -> None:
        """A call of these texts that waits for a job."""
        codec = self.access.codec_of(self.terms.model_id)
        values = [
            {"ids": codec.encode(text), "max_new_tokens": 10, "seed": 1, "text": text}
            for text in texts
        ]
        prompts = tuple(map(Prompt.model_validate, values))
        cost = self.access.estimate(self.terms, prompts)
        ask = Ask(self.terms, prompts, AnswerForm("model"), cost)
        call = NewCall(call_id, key_id, "/v1/completions", "00")
        with self.database.writing() as session:
            reserve_call(session, call, ask, REPLICA)
            if batch_id is not None:
                session.add(_batch(batch_id, key_id, now(session)))
                session.flush()
                row = session.get(CallRow, call_id)
                assert row is not None
                row.batch_id, row.line = batch_id, 1

    def draft(self, *call_ids: str) -> GatewayJobRow:
        """A job of these calls, drafted and not sent."""
        with self.database.reading() as session:
            prompts = prompts_of(session, call_ids)
        draft = self.access.draft(self.terms, prompts, seats=9)
        job_id = self.access.market.job_id_of(draft.params)
        live = self.database.write(
            lambda s: job_records.create_job(
                s, job_id, draft, call_ids, REPLICA, _LEASE_SECONDS
            )
        )
        assert live is not None
        return live

    def live(self, job_id: JobId) -> GatewayJobRow:
        """The job as a replica reads it before its next step."""
        with self.database.reading() as session:
            found = {job.job_id: job for job in live_jobs(session, REPLICA)}
            session.expunge_all()
        return found[job_id]

    def step(self, job: GatewayJobRow) -> GatewayJobRow:
        """One step of a live job; how the job is afterwards."""
        self.runner.step(self.live(job.job_id))
        return self.job(job.job_id)

    def answer(self, job: GatewayJobRow, texts: Sequence[str]) -> None:
        """All workers answer a posted job with these texts."""
        document = self.world.answers(job.params, tuple(texts))
        outcome = self.world.outcome(job.params, document)
        self.world.answer(job.job_id, outcome, outcome, outcome)

    def job(self, job_id: JobId) -> GatewayJobRow:
        with self.database.reading() as session:
            row = session.get(GatewayJobRow, job_id)
            session.expunge_all()
        assert row is not None
        return row

    def call(self, call_id: str) -> CallRow:
        with self.database.reading() as session:
            row = find_call(session, call_id, with_texts=True)
            session.expunge_all()
        assert row is not None
        return row

    def balance(self, key_id: str) -> Balance:
        with self.database.reading() as session:
            return balances(session)[key_id]

    def age(self, job: GatewayJobRow, seconds: float) -> None:
        """Lets a job's last step be so long ago."""
        with self.database.writing() as session:
            statement = select(GatewayJobRow.changed_at).where(
                GatewayJobRow.job_id == job.job_id
            )
            then = session.scalars(statement).one() - seconds
            session.execute(
                update(GatewayJobRow)
                .where(GatewayJobRow.job_id == job.job_id)
                .values(changed_at=then)
            )


def _batch(batch_id: str, key_id: str, moment: float) -> BatchRow:
    return BatchRow(
        batch_id=batch_id,
        key_id=key_id,
        status="in_progress",
        endpoint="/v1/completions",
        input_file_id="file-1",
        completion_window="24h",
        line_count=1,
        created_at=int(moment),
        expires_at=moment + 1_000,
    )
