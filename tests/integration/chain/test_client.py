"""Every read and every write besides a job's life, and how they are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from eth_account import Account as Keys

from protocol.chain.client import MarketClient
from protocol.errors import ConfigError, ContractReverted, NoContract, RequestError
from protocol.market.events import (
    ModelRegistered,
    SeatClosed,
    SeatClosing,
    SeatOpened,
    StakeDeposited,
    Withdrawn,
)
from protocol.market.types import ZERO_ADDRESS, Account, ModelId, Seat
from tests.support.network.chain import DOLLARS, WORKER_STAKE, Stage

TICK = 3


def test_register_model_then_spec_of_returns_the_same(market: Stage) -> None:
    client = market.client(0)
    result = client.register_model(market.model)
    model_id = market.model.model_id()
    events = [log.event for log in result.logs]
    assert events == [ModelRegistered(model_id, client.address, market.model)]
    assert client.spec_of(model_id) == market.model
    assert client.events(kinds=(ModelRegistered,)) == list(result.logs)


def test_spec_of_an_unknown_model_reverts(market: Stage) -> None:
    with pytest.raises(ContractReverted) as refusal:
        market.client(None).spec_of(ModelId(bytes(32)))
    assert refusal.value.name == "UnknownModel"
    assert "0x" + "00" * 32 in str(refusal.value)


def test_money_moves_as_told(market: Stage) -> None:
    client = market.client(5)
    assert client.token_balance(client.address) == 0
    client.faucet(100 * DOLLARS)
    assert client.token_balance(client.address) == 100 * DOLLARS
    client.approve(60 * DOLLARS)
    assert client.allowance(client.address) == 60 * DOLLARS
    deposited = client.deposit(50 * DOLLARS)
    deposits = [log.event for log in deposited.logs]
    assert deposits == [StakeDeposited(client.address, 50 * DOLLARS)]
    assert client.allowance(client.address) == 10 * DOLLARS
    friend = market.client(6).address
    withdrawn = client.withdraw(20 * DOLLARS, friend)
    events = [log.event for log in withdrawn.logs]
    assert events == [Withdrawn(client.address, friend, 20 * DOLLARS)]
    assert client.account_of(client.address) == Account(30 * DOLLARS, 0, 0, 0, 0, 0)
    assert client.token_balance(client.address) == 50 * DOLLARS
    assert client.token_balance(friend) == 20 * DOLLARS


def test_receipt_tells_gas_price_and_block(market: Stage) -> None:
    client = market.client(5)
    before = client.balance(client.address)
    result = client.faucet(1)
    assert result.block_number == client.block_number()
    assert result.tx_hash.startswith("0x")
    assert len(result.tx_hash) == 66
    assert result.contract_address is None
    spent = before - client.balance(client.address)
    assert spent == result.gas_used * result.gas_price


def test_seats_open_close_and_leave(market: Stage) -> None:
    market.client(0).register_model(market.model)
    model_id = market.model.model_id()
    worker = market.worker(2, seats=0)
    opened = worker.open_seats(model_id, TICK, 2)
    first, second = (x.event for x in opened.logs if isinstance(x.event, SeatOpened))
    assert first == SeatOpened(first.seat_id, worker.address, model_id, TICK)
    bond = worker.config.seat_bond
    expected = Account(WORKER_STAKE - 2 * bond, 0, 0, 0, seats=2, posted=0)
    assert worker.account_of(worker.address) == expected
    assert [worker.roster_size(model_id, tick) for tick in (0, TICK, 7)] == [0, 2, 2]
    assert worker.seat_of(second.seat_id) == Seat(
        owner=worker.address,
        model_id=model_id,
        tick=TICK,
        index=1,
        is_busy=False,
        is_closing=False,
        arrived_block=opened.block_number,
        drawn_block=0,
        released_block=0,
        close_requested_block=0,
    )

    closing = worker.close_seat(first.seat_id)
    assert [x.event for x in closing.logs] == [
        SeatClosing(first.seat_id, worker.address)
    ]
    assert worker.seat_of(first.seat_id).is_closing
    with pytest.raises(ContractReverted) as refusal:
        worker.leave_seat(first.seat_id)
    assert refusal.value.name == "SeatNotLeaving"
    assert refusal.value.rule.is_retryable
    market.anvil.mine(worker.config.draw_deadline_blocks + 1)
    left = market.client(6).leave_seat(first.seat_id)
    assert [x.event for x in left.logs] == [
        SeatClosed(first.seat_id, worker.address, bond)
    ]
    assert worker.seat_of(first.seat_id).owner == ZERO_ADDRESS
    assert worker.account_of(worker.address).credit == WORKER_STAKE - bond


def test_reads_at_an_older_block_see_the_older_state(market: Stage) -> None:
    client = market.client(5)
    before = client.block_number()
    client.faucet(7)
    mine = client.address
    assert client.token_balance(mine, block=before) == 0
    assert client.token_balance(mine, block="latest") == 7
    assert client.token_balance(mine, block="pending") == 7


def test_reads_before_the_deployment_raise_no_contract(market: Stage) -> None:
    client = market.client(None)
    with pytest.raises(NoContract, match="block 0"):
        client.account_of(market.deployment.token, block=0)


def test_block_time_moves_with_the_chain(market: Stage) -> None:
    client = market.client(None)
    number, before = client.block_number(), client.block_time()
    market.anvil.skip(100)
    assert client.block_number() == number + 1
    assert client.block_time() >= before + 100
    assert client.block_time(number) == before
    assert client.block_hash(number + 1) is not None
    assert client.block_hash(number + 2) is None


def test_job_id_of_equals_the_contracts(market: Stage) -> None:
    client = market.client(1)
    params = market.job(client, nonce=2**64 - 1)
    assert client._read(bytes, "marketplace", "jobIdOf", params) == client.job_id_of(
        params
    )


def test_escrow_of_covers_every_seat_and_fee(market: Stage) -> None:
    client = market.client(1)
    client.register_model(market.model)
    params = market.job(client, tick=2, max_tokens=500)
    most = 3 * (client.config.base_fee + 500 * (2 << 2)) + 2 * client.config.bounty
    assert client.escrow_of(params) == most + most // 100


def test_writes_without_an_account_raise_config_error(market: Stage) -> None:
    client = market.client(None)
    with pytest.raises(ConfigError, match="no account"):
        client.faucet(1)
    with pytest.raises(ConfigError, match="no account"):
        _ = client.address


Write = Callable[[MarketClient, Stage], object]


@pytest.mark.parametrize(
    ("write", "name", "arguments"),
    [
        (lambda c, m: c.deposit(0), "InvalidAmount", (0,)),
        (
            lambda c, m: c.faucet(10**12 + 1),
            "FaucetLimitExceeded",
            (10**12 + 1, 10**12),
        ),
        (lambda c, m: c.withdraw(5, c.address), "CreditTooSmall", None),
        (lambda c, m: c.deposit(5), "ERC20InsufficientAllowance", None),
        (lambda c, m: c.register_model(m.model), "ModelAlreadyRegistered", None),
        (
            lambda c, m: c.register_model(replace(m.model, base_price=0)),
            "InvalidModelSpec",
            None,
        ),
        (lambda c, m: c.open_seats(m.model.model_id(), 8, 1), "InvalidTick", (8,)),
        (
            lambda c, m: c.open_seats(m.model.model_id(), 0, 65),
            "InvalidSeatCount",
            (65,),
        ),
        (lambda c, m: c.close_seat(12345), "NotSeatOwner", None),
        (lambda c, m: c.post_job(m.job(m.client(1))), "NotRequester", None),
        (lambda c, m: c.post_job(m.job(c, redundancy=2)), "InvalidRedundancy", (2, 7)),
        (lambda c, m: c.post_job(m.job(c, max_rounds=3)), "InvalidRounds", (3, 2)),
        (lambda c, m: c.post_job(m.job(c, prompt_count=0)), "InvalidPrompts", None),
        (
            lambda c, m: c.post_job(m.job(c, callback_gas_limit=1)),
            "InvalidCallback",
            (ZERO_ADDRESS, 1, 1_000_000),
        ),
        (lambda c, m: c.post_job(m.job(c, max_tokens=0)), "InvalidMaxTokens", None),
        (lambda c, m: c.post_job(m.job(c)), "RosterTooThin", (0, 3)),
        (
            lambda c, m: c.post_job(m.job(c, tick=7, max_tokens=262_144)),
            "PayAboveBond",
            None,
        ),
        (lambda c, m: c.advance(m.job(c)), "UnexpectedJobState", None),
        (lambda c, m: c.cancel_job(m.job(c)), "UnexpectedJobState", None),
    ],
)
def test_writes_that_the_contract_refuses_are_not_sent(
    market: Stage, write: Write, name: str, arguments: tuple[object, ...] | None
) -> None:
    client = market.client(7)
    client.register_model(market.model)
    money, block = client.balance(client.address), client.block_number()
    with pytest.raises(ContractReverted) as refusal:
        write(client, market)
    assert refusal.value.name == name
    if arguments is not None:
        assert refusal.value.arguments == arguments
    assert client.balance(client.address) == money
    assert client.block_number() == block


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda c, m: c.deposit(-1), "deposit: amount is -1, which is no uint256"),
        (lambda c, m: c.deposit(1.5), "amount is 1.5"),
        (lambda c, m: c.deposit("1"), "amount is '1'"),
        (lambda c, m: c.withdraw(1, "0x12"), "withdraw: to is '0x12'"),
        (lambda c, m: c.post_job(m.job(c, tick=256)), "params.tick is 256"),
        (lambda c, m: c.post_job(m.job(c, model_id=b"x")), "params.modelId is 0x78"),
        (lambda c, m: c.commit_result(b"\0" * 31, 0, bytes(32)), "jobId is 0x"),
        (lambda c, m: c.state_of(None), "jobId is None"),
        (lambda c, m: c.post_job(None), "params is None, not a list of values"),
    ],
)
def test_writes_with_an_argument_of_another_type_raise_request_error(
    market: Stage, write: Write, message: str
) -> None:
    with pytest.raises(RequestError) as refusal:
        write(market.client(7), market)
    assert message in str(refusal.value)


def test_an_account_without_any_money_can_still_read(market: Stage) -> None:
    account = Keys.create()
    client = MarketClient.connect(market.anvil.url, market.deployment, account)
    assert client.balance(client.address) == 0
