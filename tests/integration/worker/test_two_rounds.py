"""A contract asks, the first round splits, the second decides, the contract is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_typing import ChecksumAddress
from web3 import Web3

from contracts import load_artifact
from devnet.demo.audit import audit
from devnet.demo.liar import LyingEngine
from devnet.processes.anvil import development_account
from protocol.chain.abi.contracts import Interface, encode_parameters, interface
from protocol.chain.rpc.provider import connect
from protocol.chain.transactions.sender import Call, Sender
from protocol.market.events import CommitteeDrawn, ResultDelivered
from protocol.market.timeline import Timeline
from protocol.market.types import JobId, JobParams, JobState, SlashReason
from protocol.store.unixfs import file_digest
from tests.integration.worker.conftest import PATIENCE_TICKS, Bench
from worker.run import Worker

WORKERS = range(2, 10)
REQUESTER = 1


@dataclass(frozen=True, slots=True)
class Book:
    """The example contract, and the account that asks through it."""

    web3: Web3
    sender: Sender
    address: ChecksumAddress

    @classmethod
    def deploy(cls, bench: Bench) -> Book:
        web3 = connect(bench.market.anvil.url)
        sender = Sender(web3, development_account(REQUESTER))
        market = bench.requester.deployment.marketplace
        inputs = interface("AnswerBook").constructor
        code = load_artifact("AnswerBook").bytecode
        data = code + encode_parameters("AnswerBook", inputs, [market])
        address = sender.send(Call("deployment", None, data)).contract_address
        assert address is not None
        return cls(web3, sender, address)

    def ask(self, bench: Bench, params: JobParams) -> None:
        token = bench.requester.deployment.token
        escrow = bench.requester.escrow_of(params)
        approve = interface("TestDollar").encode_call("approve", self.address, escrow)
        self.sender.send(Call("approve", token, approve))
        data = self._interface.encode_call("ask", params)
        self.sender.send(Call("ask", self.address, data))

    def answer_of(self, job_id: JobId) -> tuple[JobState, bytes]:
        data = self._interface.encode_call("answerOf", job_id)
        call: Any = {"to": self.address, "data": data}
        result = bytes(self.web3.eth.call(call))
        state, root = self._interface.decode_result("answerOf", result)
        return state, root

    @property
    def _interface(self) -> Interface:
        return interface("AnswerBook")


def _timeline(bench: Bench, params: JobParams) -> Timeline:
    job_id = bench.requester.job_id_of(params)
    return Timeline.of(job_id, bench.requester.events(job_id=job_id))


def _run(bench: Bench, workers: list[Worker], params: JobParams) -> None:
    """Let everybody work until the callback was called; time passes when all wait."""
    anvil, reader = bench.market.anvil, bench.requester
    job_id = reader.job_id_of(params)
    for round_of_ticks in range(PATIENCE_TICKS):
        for worker in workers:
            worker.tick()
        if reader.events(job_id=job_id, kinds=(ResultDelivered,)):
            return
        # The absentee's window, and the blocks that keepers leave to the requester.
        current = reader.round_of(job_id)
        is_slow = round_of_ticks % 20 == 19
        if is_slow and current.deadline and reader.block_time() <= current.deadline:
            if current.state == JobState.COMMITTING and _all_but_one(current.committed):
                anvil.skip(current.deadline - reader.block_time() + 1)
        elif is_slow:
            anvil.mine()
    raise AssertionError(f"not delivered, {_timeline(bench, params).state}")


def _all_but_one(committed: int) -> bool:
    return committed.bit_count() >= 2


@pytest.fixture
def staffed(bench: Bench) -> Bench:
    for index in WORKERS:
        bench.take_seat(index)
    bench.store.put(bench.prompts.to_bytes())
    return bench


def test_job_of_a_contract_split_by_a_liar_is_settled_and_delivered(
    staffed: Bench,
) -> None:
    bench, book = staffed, Book.deploy(staffed)
    asked = bench.market.job(
        bench.requester,
        prompts_digest=file_digest(bench.prompts.to_bytes()),
        prompt_count=1,
        max_tokens=bench.prompts.max_tokens,
        max_rounds=2,
        callback=book.address,
        callback_gas_limit=200_000,
    )
    params = replace(asked, requester=book.address)
    book.ask(bench, params)
    job_id = bench.requester.job_id_of(params)
    drawn = bench.market.draw(bench.requester, params)
    liar, absent = _roles(drawn)
    lying = replace(bench.model, engine=LyingEngine(bench.model.engine))
    workers = [
        bench.worker(
            index,
            data=f"data-{index}",
            model=lying if _address(index) == liar else bench.model,
        )
        for index in WORKERS
        if _address(index) != absent
    ]
    _run(bench, workers, params)

    timeline = _timeline(bench, params)
    assert timeline.state == JobState.ACCEPTED
    first, second = timeline.rounds
    assert first.split is not None and len(first.revealed) == 2
    committees = [{place.worker for place in one.places} for one in (first, second)]
    assert len(committees[1]) == 5 and not committees[0] & committees[1]
    assert timeline.settled is not None
    assert timeline.settled.event.transcript == timeline.transcript
    reasons = {e.event.worker: e.event.reason for e in timeline.slashed}
    assert reasons == {liar: SlashReason.WRONG_RESULT, absent: SlashReason.NO_SHOW}
    assert len(timeline.workers_paid) == 6
    assert timeline.delivered is not None and timeline.delivered.event.has_succeeded
    assert timeline.outcome is not None
    told = book.answer_of(job_id)
    assert told == (JobState.ACCEPTED, timeline.outcome.results_root)
    assert audit(bench.requester) == []


def _roles(drawn: CommitteeDrawn) -> tuple[str, str]:
    _, liar, absent = drawn.workers
    return liar, absent


def _address(index: int) -> str:
    return str(development_account(index).address)
