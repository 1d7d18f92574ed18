from __future__ import annotations

from dataclasses import replace

from protocol.market.prices import (
    Estimate,
    escrow_of,
    estimate,
    max_job_tokens,
    no_show_penalty,
    pay_of,
    text_price,
)
from protocol.market.terms import MarketConfig
from protocol.market.types import JobParams, ModelSpec
from protocol.store.memory import MemoryStore
from tests.support.market.values import a_config, a_job
from tests.support.market.world import a_spec

OWN, NEW = (10, 20), (30, 40)


def _spec() -> ModelSpec:
    return a_spec(MemoryStore(), base_price=2)


def _params(**changes: object) -> JobParams:
    given = {"model_id": _spec().model_id(), "tick": 1, "max_tokens": 100}
    return a_job(**given | changes)


def _estimate(config: MarketConfig, params: JobParams) -> Estimate:
    return estimate(config, _spec(), params, OWN, NEW)


def test_escrow_of_covers_every_seat_two_bounties_and_the_fee() -> None:
    config = a_config(base_fee=20_000, bounty=10_000, fee_bps=100)
    # A token costs 2 << 1 units: 3 * (20,000 + 100 * 4) + 2 * 10,000, and 1% of it.
    assert escrow_of(config, _spec(), _params()) == 81_200 + 812


def test_escrow_of_rounds_the_fee_down() -> None:
    config = a_config(base_fee=33, bounty=0, fee_bps=100)
    assert escrow_of(config, _spec(), _params()) == 1_299 + 12


def test_max_job_tokens_pay_no_seat_more_than_its_bond() -> None:
    config = a_config(seat_bond=1_000, base_fee=100)
    most = max_job_tokens(config, price=7)
    assert pay_of(config, 7, most) <= 1_000 < pay_of(config, 7, most + 1)
    assert max_job_tokens(replace(config, max_job_tokens=99), price=7) == 99


def test_no_show_penalty_is_its_part_of_the_bond() -> None:
    assert no_show_penalty(a_config(seat_bond=50_000, no_show_bps=1_000)) == 5_000


def test_text_price_counts_who_was_paid_for_tokens() -> None:
    assert text_price(a_config(base_fee=20), 4, [120, 20, 120]) == 2 * 4


def test_estimate_parts_make_the_whole() -> None:
    config = a_config()
    costs = _estimate(config, _params())
    tokens = sum(prompt.max_cost for prompt in costs.prompts)
    parts = tokens + 3 * config.base_fee + costs.bounties + costs.fee
    assert parts == costs.escrow
    assert costs.pay == config.base_fee + 100 * costs.price
    assert (costs.redundancy, costs.quorum, costs.is_verified) == (3, 2, True)


def test_estimate_least_is_a_quorum_that_generates_nothing() -> None:
    costs = _estimate(a_config(), _params())
    # Two workers, 30 prompt tokens at 4 units, the bounty of the draw, 1%.
    paid = 2 * (20_000 + 30 * 4) + 10_000
    assert costs.min_cost == paid + paid // 100
    assert sum(prompt.min_cost for prompt in costs.prompts) == 2 * 30 * 4


def test_estimate_one_worker_is_said_to_be_unverified() -> None:
    assert not _estimate(a_config(), _params(redundancy=1)).is_verified


def test_estimate_tells_which_prompts_a_budget_lowered() -> None:
    costs = estimate(a_config(), _spec(), _params(), OWN, NEW, (30, 99))
    assert [prompt.is_lowered for prompt in costs.prompts] == [False, True]
    assert costs.lowered_count == 1
