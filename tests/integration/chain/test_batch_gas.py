"""Gas of batches whose entries cost more when mined than when they were simulated.

Whoever reveals last ends the round. A batch that was simulated before the last but one
revealed elsewhere may have to end every one of its rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from devnet.processes.anvil import development_account, local_chain
from protocol.chain.client import MarketClient
from protocol.chain.rpc.receipts import TxReceipt
from protocol.market.calls import RevealEntry
from protocol.market.events import EntrySkipped, JobSettled, RevealOpened, SeatSlashed
from protocol.market.gas_costs import duty_gas
from protocol.market.types import JobParams
from tests.support.faults.faulty_proxy import FaultyProxy, slow
from tests.support.machines.processes import eventually
from tests.support.market.values import an_outcome
from tests.support.network.chain import FIRST_WORKER, Player, Stage

JOBS = 4
PLACES = 7
RIGHT = an_outcome("right")
SEND = "eth_sendRawTransaction"

Duties = list[tuple[JobParams, Player]]


@pytest.fixture(scope="module")
def staffed() -> Iterator[Stage]:
    """A market with seven workers, each with a seat for every job."""
    with local_chain() as node:
        # Deadlines must not pass because the machine is busy.
        node.rpc("anvil_setBlockTimestampInterval", 1)
        market = Stage.deploy(node)
        market.client(0).register_model(market.model)
        for index in range(FIRST_WORKER, FIRST_WORKER + PLACES):
            market.worker(index, seats=JOBS)
        market.requester()
        yield market


@pytest.fixture
def drawn(
    staffed: Stage, request: pytest.FixtureRequest
) -> Iterator[dict[str, Duties]]:
    """Jobs of so many places, drawn one after another; duties by worker."""
    places: int = request.param
    with staffed.anvil.undone():
        requester = staffed.client(1)
        duties: dict[str, Duties] = {}
        for _ in range(JOBS):
            # Many tokens, so that all can be drawn before the first must be committed.
            params = staffed.job(requester, redundancy=places, max_tokens=100_000)
            requester.post_job(params)
            for member in staffed.members(staffed.draw(requester, params)):
                duties.setdefault(member.client.address, []).append((params, member))
        yield duties


def _commit(duties: Duties) -> None:
    client = duties[0][1].client
    client.commit_results(
        [member.entry(client.job_id_of(params), RIGHT) for params, member in duties]
    )


def _reveal(client: MarketClient, duties: Duties) -> TxReceipt:
    return client.reveal_results(
        [RevealEntry(p, m.place, RIGHT, m.salt(client.job_id_of(p))) for p, m in duties]
    )


def _let_others_in(
    market: Stage,
    member: Player,
    send: Callable[[MarketClient], TxReceipt],
    others: Any,
) -> TxReceipt:
    """Let others' transactions be mined after one is simulated, before it arrives."""
    index = next(
        i
        for i in range(FIRST_WORKER, 10)
        if development_account(i).address == member.client.address
    )
    with FaultyProxy(market.anvil.url) as proxy, ThreadPoolExecutor() as pool:
        held = MarketClient.connect(
            proxy.url, market.deployment, development_account(index)
        )
        proxy.use(slow(60), methods={SEND})
        sent = pool.submit(send, held)
        assert eventually(lambda: SEND in proxy.methods)
        others()
        proxy.heal()
        return sent.result()


def _limit(market: Stage, result: TxReceipt) -> int:
    sent = market.anvil.rpc("eth_getTransactionByHash", result.tx_hash)
    return int(sent["gas"], 16)


def _count(result: TxReceipt, kind: type[Any]) -> int:
    return len([log for log in result.logs if isinstance(log.event, kind)])


@pytest.mark.parametrize("drawn", [3], indirect=True)
def test_reveal_results_that_come_to_end_every_round_have_the_gas(
    staffed: Stage, drawn: dict[str, Duties]
) -> None:
    # Whoever sits on all committees sends the batch.
    batch = max(drawn.values(), key=len)
    others = [duties for duties in drawn.values() if duties is not batch]
    for duties in drawn.values():
        _commit(duties)
    first, *late = others
    _reveal(first[0][1].client, first)

    def reveal_late() -> None:
        for duties in late:
            _reveal(duties[0][1].client, duties)

    result = _let_others_in(
        staffed, batch[0][1], lambda client: _reveal(client, batch), reveal_late
    )
    assert _count(result, JobSettled) == len(batch) >= 2
    assert _count(result, EntrySkipped) == 0
    spare = (150_000 + 3 * 70_000) * len(batch)
    simulated = (_limit(staffed, result) - spare) * 100 // 125
    # Without gas to spare it would have failed, at the worker's cost.
    assert result.gas_used > simulated * 125 // 100
    # A duty's gas by `duty_gas` covers a reveal that ends a round, and a commit.
    assert result.gas_used // len(batch) < duty_gas(3)


@pytest.mark.parametrize("drawn", [PLACES], indirect=True)
def test_reveal_results_that_come_to_slash_absent_members_have_the_gas(
    staffed: Stage, drawn: dict[str, Duties]
) -> None:
    first, batch, last, *idle = drawn.values()
    for duties in (first, batch, last):
        _commit(duties)
    client = first[0][1].client
    deadlines = [client.round_of(client.job_id_of(p)).deadline for p, _ in batch]
    staffed.anvil.rpc("evm_setNextBlockTimestamp", max(deadlines) + 1)
    staffed.anvil.mine()
    _reveal(client, first)
    result = _let_others_in(
        staffed,
        batch[0][1],
        lambda held: _reveal(held, batch),
        lambda: _reveal(last[0][1].client, last),
    )
    assert _count(result, JobSettled) == len(batch)
    # A place can be vacant, so they are counted.
    settled = {p for p, _ in batch}
    absent = [p for duties in idle for p, _ in duties if p in settled]
    assert _count(result, SeatSlashed) == len(absent) > len(batch)
    assert result.gas_used < _limit(staffed, result) * 3 // 4


@pytest.mark.parametrize("drawn", [PLACES], indirect=True)
def test_commit_results_that_come_to_open_the_reveals_have_the_gas(
    staffed: Stage, drawn: dict[str, Duties]
) -> None:
    *early, late, batch = drawn.values()
    for duties in early:
        _commit(duties)

    def commit(held: MarketClient) -> TxReceipt:
        return held.commit_results(
            [member.entry(held.job_id_of(params), RIGHT) for params, member in batch]
        )

    result = _let_others_in(staffed, batch[0][1], commit, lambda: _commit(late))
    assert _count(result, RevealOpened) == len(batch)
