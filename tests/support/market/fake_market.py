"""A marketplace in memory that keeps the contract's rules."""

from __future__ import annotations

from collections.abc import Collection

from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak

from protocol.chain.deployment import Deployment
from protocol.chain.reader import BlockId
from protocol.chain.rpc.receipts import TxReceipt
from protocol.errors import ContractReverted
from protocol.hexadecimal import to_hex
from protocol.market.commitments import commitment
from protocol.market.events import (
    BountyPaid,
    CommitteeDrawn,
    DrawArmed,
    Event,
    JobCancelled,
    JobPosted,
    JobSettled,
    Log,
    ModelRegistered,
    ResultAccepted,
    ResultCommitted,
    ResultDelivered,
    ResultRevealed,
    RevealOpened,
    RoundSplit,
    SeatSlashed,
    WorkerPaid,
)
from protocol.market.prices import escrow_of, pay_of, price_of
from protocol.market.terms import MarketConfig
from protocol.market.timeline import Timeline
from protocol.market.types import (
    Account,
    JobId,
    JobParams,
    JobState,
    ModelId,
    ModelSpec,
    Outcome,
    Round,
    SlashReason,
)
from tests.support.market.fake_job import (
    CHAIN_ID,
    REQUESTER,
    START_TIME,
    WORKERS,
    FakeJob,
)
from tests.support.market.fake_node import NodeCache, ProvableMarket
from tests.support.market.values import a_config, an_address


class FakeMarket(ProvableMarket):
    """The chain as a requester meets it; `mypy` holds its methods to the real ones."""

    def __init__(
        self,
        spec: ModelSpec,
        *,
        config: MarketConfig | None = None,
        chain_id: int = CHAIN_ID,
        seats: int = 7,
        tokens: int = 10**12,
        credit: int = 0,
        allowance: int = 0,
    ) -> None:
        self._config = config or a_config()
        self._deployment = Deployment(
            chain_id=chain_id,
            marketplace=an_address("marketplace"),
            lens=an_address("lens"),
            registry=self._config.registry,
            token=self._config.token,
            block_number=1,
            code_hashes={},
        )
        self.spec = spec
        self.seats = seats
        self.tokens = tokens
        self.credit = credit
        self.allowed = allowance
        self.approved: list[int] = []
        self.has_permits = False
        self.permitted: list[int] = []
        self.block = 10
        self.time = START_TIME
        self.logs: list[Log] = []
        self.jobs: dict[JobId, FakeJob] = {}
        self.failures: list[Exception] = []
        self.oldest_state = 0
        self.nodes = NodeCache()
        self.register(spec)

    # ------------------------------------------------------------ what tests do

    def register(self, spec: ModelSpec) -> None:
        self._emit(ModelRegistered(spec.model_id(), an_address("anyone"), spec))

    def mine(self, blocks: int = 1, seconds: int = 1) -> None:
        self.block += blocks
        self.time += seconds

    def commit(self, job_id: JobId, place: int, outcome: Outcome) -> None:
        job = self.jobs[job_id]
        job.outcomes[place] = outcome
        worker = job.worker(place)
        hidden = commitment(
            chain_id=self.chain_id,
            marketplace=self.deployment.marketplace,
            job_id=job_id,
            round_number=job.number,
            worker=worker,
            outcome=outcome,
            salt=self._salt(place),
        )
        self.mine()
        self._emit(ResultCommitted(job_id, worker, job.number, place, hidden))
        if len(job.outcomes) == job.places:
            job.state = JobState.REVEALING
            job.deadline = self.time + self.config.reveal_window_seconds
            self._emit(RevealOpened(job_id, job.number, job.deadline))

    def reveal(self, job_id: JobId, place: int) -> None:
        job = self.jobs[job_id]
        outcome, number = job.outcomes[place], job.number
        job.revealed.add(place)
        self.mine()
        salt, worker = self._salt(place), job.worker(place)
        self._emit(ResultRevealed(job_id, worker, number, place, outcome, salt))
        if job.revealed == set(job.outcomes):
            self._end(job_id, bounty=0)
        elif not job.is_noted and job.agreed() is not None:
            job.is_noted = True
            self._emit(ResultAccepted(job_id, number, outcome.answer()))

    def _salt(self, place: int) -> bytes:
        return keccak(text=f"salt {place}")

    def _emit(self, event: Event) -> None:
        self.logs.append(
            Log(
                event=event,
                block_number=self.block,
                block_hash=to_hex(keccak(text=f"block {self.block}")),
                tx_hash=to_hex(keccak(text=f"transaction {len(self.logs)}")),
                log_index=len(self.logs),
                address=self.deployment.marketplace,
            )
        )

    def _result(self, since: int) -> TxReceipt:
        logs = tuple(self.logs[since:])
        return TxReceipt("0x" + "11" * 32, self.block, "", True, 100_000, 1, logs)

    def _end(self, job_id: JobId, *, bounty: int) -> None:
        job = self.jobs[job_id]
        agreed, is_drawn = job.agreed(), job.state != JobState.OPEN
        job.bounties += bounty
        if is_drawn and agreed is None and job.number < job.params.max_rounds:
            self._split(job_id, job)
            if bounty:
                self._emit(BountyPaid(job_id, REQUESTER, bounty))
            return
        word = Timeline.of(job_id, self.logs).transcript if is_drawn else bytes(32)
        paid = job.bounties + (self._pay(job_id, job, agreed) if is_drawn else 0)
        paid += self._pay_kept(job_id, job, agreed)
        if agreed is not None and not job.is_noted:
            self._emit(ResultAccepted(job_id, job.number, agreed.answer()))
        if bounty:
            self._emit(BountyPaid(job_id, REQUESTER, bounty))
        self._settle(job_id, job, agreed, paid, word)

    def _settle(
        self,
        job_id: JobId,
        job: FakeJob,
        agreed: Outcome | None,
        paid: int,
        word: bytes,
    ) -> None:
        job.state = JobState.FAILED if agreed is None else JobState.ACCEPTED
        job.recorded = None if agreed is None else (agreed, word)
        paid += self.config.bounty * job.params.has_callback
        fee = 0 if agreed is None else paid * self.config.fee_bps // 10_000
        refunded = escrow_of(self.config, self.spec, job.params) - paid - fee
        self.credit += refunded
        self._emit(JobSettled(job_id, job.state, paid, refunded, fee, word))

    def _split(self, job_id: JobId, job: FakeJob) -> None:
        word = Timeline.of(job_id, self.logs).transcript
        for place in set(range(job.places)) - job.revealed:
            self._slash(job_id, job, place)
        job.kept = {place: job.outcomes[place] for place in job.revealed}
        self._emit(RoundSplit(job_id, job.number, word))
        job.number, job.state, job.is_noted = 2, JobState.OPEN, False
        job.outcomes, job.revealed = {}, set()
        self._arm(job_id, job)

    def _pay(self, job_id: JobId, job: FakeJob, agreed: Outcome | None) -> int:
        paid = 0
        for place in range(job.places):
            outcome = job.outcomes.get(place) if place in job.revealed else None
            if outcome is not None and agreed in (None, outcome):
                paid += self._pay_one(job_id, job, job.worker(place), outcome, agreed)
            else:
                self._slash(job_id, job, place)
        return paid

    def _pay_kept(self, job_id: JobId, job: FakeJob, agreed: Outcome | None) -> int:
        """Whom a split left waiting; two thirds of the places condemn."""
        paid = 0
        for place, outcome in job.kept.items():
            worker = WORKERS[place]
            can_slash = agreed and 3 * job.votes(agreed) >= 2 * job.places
            if outcome != agreed and can_slash:
                bond, reason = self.config.seat_bond, SlashReason.WRONG_RESULT
                self._emit(SeatSlashed(job_id, worker, place + 1, reason, bond))
            else:
                paid += self._pay_one(job_id, job, worker, outcome, agreed)
        return paid

    def _pay_one(
        self,
        job_id: JobId,
        job: FakeJob,
        worker: ChecksumAddress,
        outcome: Outcome,
        agreed: Outcome | None,
    ) -> int:
        amount = self.config.base_fee
        if outcome == agreed:
            price = price_of(self.spec, job.params.tick)
            amount = pay_of(self.config, price, outcome.token_count)
        self._emit(WorkerPaid(job_id, worker, amount))
        return amount

    def _slash(self, job_id: JobId, job: FakeJob, place: int) -> None:
        reason, amount = SlashReason.WRONG_RESULT, self.config.seat_bond
        if place not in job.outcomes:
            reason = SlashReason.NO_SHOW
            amount = amount * self.config.no_show_bps // 10_000
        elif place not in job.revealed:
            reason = SlashReason.NOT_REVEALED
        worker = job.worker(place)
        self._emit(SeatSlashed(job_id, worker, place + 1, reason, amount))

    def fail_if_told(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    # ------------------------------------------------------------ what clients call

    @property
    def address(self) -> ChecksumAddress:
        return REQUESTER

    def block_number(self) -> int:
        return self.block

    def block_time(self, block: BlockId = "latest") -> int:
        return self.time

    def state_of(self, job_id: JobId, *, block: BlockId = "latest") -> JobState:
        job = self.jobs.get(job_id)
        if job is None:
            return JobState.NONEXISTENT
        is_over = job.state == JobState.COMMITTING and self.time > job.deadline
        return JobState.REVEALING if is_over and job.outcomes else job.state

    def round_of(self, job_id: JobId, *, block: BlockId = "latest") -> Round:
        job = self.jobs.get(job_id)
        if job is None:
            never = (JobState.NONEXISTENT, 0, 0, 0, 0, (), 0, 0, bytes(32), False)
            return Round(*never)
        is_open = job.state == JobState.OPEN
        state = self.state_of(job_id)
        is_late = state == JobState.REVEALING and job.state == JobState.COMMITTING
        extra = self.config.reveal_window_seconds if is_late else 0
        return Round(
            state=state,
            number=job.number,
            seed_block=job.seed_block if is_open else 0,
            expiry_block=job.expiry_block if is_open else 0,
            deadline=job.deadline + extra,
            seat_ids=(),
            committed=0,
            revealed=0,
            record=bytes(32),
            is_delivered=False,
        )

    def account_of(
        self, address: ChecksumAddress, *, block: BlockId = "latest"
    ) -> Account:
        return Account(self.credit, 0, 0, 0, 0, 0)

    def roster_size(
        self, model_id: ModelId, tick: int, *, block: BlockId = "latest"
    ) -> int:
        return self.seats

    def spec_of(self, model_id: ModelId, *, block: BlockId = "latest") -> ModelSpec:
        if model_id != self.spec.model_id():
            raise ContractReverted("UnknownModel", (model_id,))
        return self.spec

    def token_balance(
        self, address: ChecksumAddress, *, block: BlockId = "latest"
    ) -> int:
        return self.tokens

    def allowance(self, owner: ChecksumAddress, *, block: BlockId = "latest") -> int:
        return self.allowed

    def is_recorded(
        self,
        job_id: JobId,
        outcome: Outcome,
        transcript: bytes,
        *,
        block: BlockId = "latest",
    ) -> bool:
        job = self.jobs.get(job_id)
        return job is not None and job.recorded == (outcome, transcript)

    def events(
        self,
        *,
        job_id: JobId | None = None,
        from_block: int | None = None,
        to_block: int | None = None,
        kinds: Collection[type[Event]] | None = None,
        account: ChecksumAddress | None = None,
    ) -> list[Log]:
        self.fail_if_told()
        return [
            log
            for log in self.logs
            if (kinds is None or type(log.event) in kinds)
            and log.block_number >= (from_block or 0)
            and (job_id is None or getattr(log.event, "job_id", None) == job_id)
        ]

    def deliver(
        self, params: JobParams, outcome: Outcome, transcript: bytes
    ) -> TxReceipt:
        since = len(self.logs)
        job_id = self.job_id_of(params)
        assert self.is_recorded(job_id, outcome, transcript)
        self.mine()
        self._emit(BountyPaid(job_id, REQUESTER, self.config.bounty))
        self._emit(ResultDelivered(job_id, params.callback, True))
        return self._result(since)

    def mine_on_demand(self) -> bool:
        return False

    def approve(self, amount: int) -> TxReceipt:
        self.allowed = amount
        self.approved.append(amount)
        return self._result(len(self.logs))

    def takes_permits(self) -> bool:
        return self.has_permits

    def post_job_with_permit(self, params: JobParams, amount: int) -> TxReceipt:
        self.permitted.append(amount)
        self.allowed = amount
        return self.post_job(params)

    def post_job(self, params: JobParams) -> TxReceipt:
        self.fail_if_told()
        since = len(self.logs)
        escrow = escrow_of(self.config, self.spec, params)
        from_credit = min(self.credit, escrow)
        assert self.allowed >= escrow - from_credit
        self.credit -= from_credit
        self.tokens -= escrow - from_credit
        self.allowed -= escrow - from_credit
        self.mine()
        job_id = self.job_id_of(params)
        job = FakeJob(params, JobState.OPEN, 0, 0)
        self.jobs[job_id] = job
        self._emit(JobPosted(job_id, REQUESTER, params.model_id, params, escrow))
        self._arm(job_id, job)
        return self._result(since)

    def cancel_job(self, params: JobParams) -> TxReceipt:
        since = len(self.logs)
        job_id = self.job_id_of(params)
        job = self.jobs[job_id]
        self.mine()
        if job.seed_block <= self.block <= job.expiry_block:
            arguments = (job_id, job.seed_block, job.expiry_block)
            raise ContractReverted("NotCancellable", arguments)
        job.state = JobState.CANCELLED
        escrow = escrow_of(self.config, self.spec, params)
        self.credit += escrow
        self._emit(JobCancelled(job_id, escrow))
        return self._result(since)

    def advance(self, params: JobParams) -> TxReceipt:
        self.fail_if_told()
        since = len(self.logs)
        job_id = self.job_id_of(params)
        job = self.jobs[job_id]
        current = self.round_of(job_id)
        self.mine()
        if job.state == JobState.OPEN and self.block > job.expiry_block:
            self._end(job_id, bounty=self.config.bounty)
        elif job.state == JobState.OPEN and self.block > job.seed_block:
            self._draw(job_id, job)
        elif job.state in (JobState.COMMITTING, JobState.REVEALING):
            if self.time <= current.deadline:
                raise ContractReverted("NothingDue", (job_id, current.state))
            self._end(job_id, bounty=self.config.bounty)
        else:
            raise ContractReverted("UnexpectedJobState", (job_id, job.state))
        return self._result(since)

    def _arm(self, job_id: JobId, job: FakeJob) -> None:
        job.seed_block, job.expiry_block = self.block + 2, self.block + 258
        armed = (job.seed_block, job.expiry_block, self.seats)
        self._emit(DrawArmed(job_id, job.number, *armed))

    def _draw(self, job_id: JobId, job: FakeJob) -> None:
        job.state = JobState.COMMITTING
        job.deadline = self.time + 20
        job.bounties += self.config.bounty
        self._emit(
            CommitteeDrawn(
                job_id=job_id,
                round=job.number,
                seed_block=job.seed_block,
                seed=keccak(text="seed"),
                seat_ids=tuple(range(1, job.places + 1)),
                workers=tuple(job.worker(place) for place in range(job.places)),
                commit_deadline=job.deadline,
            )
        )
        self._emit(BountyPaid(job_id, REQUESTER, self.config.bounty))
