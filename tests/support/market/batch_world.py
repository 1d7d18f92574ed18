"""A batch in the marketplace in memory, whose workers answer while the clock sleeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from protocol.documents.prompts import PromptsDocument
from protocol.market.types import JobId, JobParams, JobState, Outcome, OutcomeStatus
from requester.batches.batch import Batch, Source
from requester.batches.records import BatchOptions
from requester.jobs.drafts import Terms
from requester.prompts.decoding import Decoding
from tests.support.market.world import World

__all__ = ["GREEDY", "BatchWorld"]

GREEDY = Decoding(max_new_tokens=10, temperature=0)


@dataclass(slots=True)
class BatchWorld:
    """A requester, and workers that answer every prompt by its text in capitals.

    Attributes:
        world: The requester and the market.
        folder: For inputs and outputs.
        statuses: How committees judge the next jobs; OK when empty.
        lost: Jobs to fail: their committees never answer.
        max_in_flight: The most jobs that were open at once.
    """

    world: World
    folder: Path
    statuses: list[OutcomeStatus] = field(default_factory=list)
    lost: int = 0
    max_in_flight: int = 0

    @classmethod
    def build(cls, folder: Path, **market: object) -> BatchWorld:
        built = cls(World.build(folder, **market), folder)  # type: ignore[arg-type]
        built.world.clock.meanwhile = _Endless(built.work)
        return built

    @property
    def out(self) -> Path:
        return self.folder / "out.jsonl"

    def create(
        self, prompts: Source, *, out: Path | None = None, **changes: object
    ) -> Batch:
        options = {"decoding": GREEDY, "terms": Terms(), "job_size": 2} | changes
        return Batch.create(
            self.world.client,
            prompts,
            out=out or self.out,
            options=BatchOptions(**options),  # type: ignore[arg-type]
        )

    def open(self, batch: Batch) -> Batch:
        return Batch.open(self.world.client, batch.batch_id)

    def posted(self) -> list[JobParams]:
        """Parameters of all jobs, oldest first."""
        return [job.params for job in self.world.market.jobs.values()]

    def prompts_of(self, params: JobParams) -> list[str]:
        data = self.world.store.files[params.prompts_digest]
        return [prompt.text for prompt in PromptsDocument.from_bytes(data).prompts]

    def work(self) -> None:
        """Every open job is drawn and answered."""
        market = self.world.market
        waiting = [i for i, j in market.jobs.items() if not j.state.is_final]
        self.max_in_flight = max(self.max_in_flight, len(waiting))
        for job_id in waiting:
            job = market.jobs[job_id]
            if job.state is JobState.OPEN and market.block <= job.expiry_block:
                self._answer(job_id)

    def _answer(self, job_id: JobId) -> None:
        params = self.world.market.jobs[job_id].params
        if self.lost:
            self.lost -= 1
            self.world.market.mine(300)
            return
        status = self.statuses.pop(0) if self.statuses else OutcomeStatus.OK
        if status is OutcomeStatus.OK:
            texts = tuple(text.upper() for text in self.prompts_of(params))
            document = self.world.answers(params, texts)
            outcome = self.world.outcome(params, document)
        else:
            outcome = Outcome.error(status)
        self.world.answer(job_id, outcome, outcome, outcome)


class _Endless(list[object]):
    """A list of happenings that never runs out of one."""

    def __init__(self, happening: object) -> None:
        super().__init__([happening])

    def pop(self, index: object = -1) -> object:
        return self[0]
