from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from protocol.market.gas_costs import duty_gas
from protocol.market.terms import MarketConfig, MarketTerms
from protocol.market.types import ZERO_ADDRESS
from tests.support.market.values import a_job, a_model
from worker.gas_policy import GasGuard

CONFIG = MarketTerms.development().to_config(
    token=ZERO_ADDRESS, registry=ZERO_ADDRESS, deployer=ZERO_ADDRESS
)
JOB = a_job(max_tokens=100, tick=1, redundancy=3)
# What it pays at most, and what staying away costs: units of the token.
PAY = CONFIG.base_fee + 100 * 2 * 2
PENALTY = CONFIG.seat_bond // 10


@dataclass
class Chain:
    price: int = 0
    config: MarketConfig = CONFIG

    def gas_price(self) -> int:
        return self.price


def guard_at(price: int, token_wei: Decimal | None = Decimal(1)) -> GasGuard:
    client: Any = Chain(price)
    guard = GasGuard(client, token_wei=token_wei)
    guard.update_price()
    return guard


def test_is_worth_it_up_to_pay_and_penalty_together() -> None:
    per_unit = (PAY + PENALTY) // duty_gas(3)
    assert guard_at(per_unit).is_worth_it(JOB, a_model())
    assert not guard_at(per_unit + 1).is_worth_it(JOB, a_model())


def test_is_worth_it_where_nobody_said_what_a_token_is_worth() -> None:
    guard = guard_at(10**18, token_wei=None)
    assert guard.is_worth_it(JOB, a_model())
    assert guard.is_bounty_worth_it()


@pytest.mark.parametrize(("price", "is_worth"), [(0, True), (1, False)])
def test_is_bounty_worth_it_by_the_price_of_gas(price: int, is_worth: bool) -> None:
    # A bounty is 10,000 units; a draw takes more gas than that.
    assert guard_at(price).is_bounty_worth_it() is is_worth


def test_are_seats_worth_it_by_the_least_pay() -> None:
    assert guard_at(0).are_seats_worth_it()
    assert not guard_at(1).are_seats_worth_it()
