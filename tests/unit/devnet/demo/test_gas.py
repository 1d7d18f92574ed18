"""Gas by phase: told by what transactions emitted, and never more or less in sum."""

from __future__ import annotations

import pytest

from devnet.demo.gas import GasPhase, JobTransaction, gas_by_phase, transactions_of
from protocol.market.events import (
    BountyPaid,
    CommitteeDrawn,
    DrawArmed,
    Event,
    JobPosted,
    JobSettled,
    ResultCommitted,
    ResultDelivered,
    ResultRevealed,
    RoundSplit,
)
from tests.unit.devnet.demo.builders import an_accepted_job, logs_of


def a_transaction(gas: int, *kinds: type[Event]) -> JobTransaction:
    return JobTransaction("0x00", gas, frozenset(kinds))


@pytest.mark.parametrize(
    ("kinds", "phase"),
    [
        ({JobPosted, DrawArmed}, GasPhase.POST),
        ({CommitteeDrawn, BountyPaid}, GasPhase.DRAW),
        ({DrawArmed}, GasPhase.DRAW),
        ({ResultCommitted}, GasPhase.COMMIT),
        ({ResultRevealed}, GasPhase.REVEAL),
        ({JobSettled, BountyPaid}, GasPhase.SETTLE),
        ({RoundSplit, DrawArmed, BountyPaid}, GasPhase.SETTLE),
        ({ResultDelivered, BountyPaid}, GasPhase.DELIVER),
    ],
)
def test_phase_events_of_one_call_tell_it(
    kinds: set[type[Event]], phase: GasPhase
) -> None:
    assert a_transaction(1, *kinds).phase is phase


def test_gas_by_phase_settling_reveal_is_split_and_the_sum_stays() -> None:
    transactions = [
        a_transaction(90_000, JobPosted),
        a_transaction(150_000, CommitteeDrawn),
        a_transaction(60_000, ResultCommitted),
        a_transaction(50_000, ResultRevealed),
        a_transaction(53_000, ResultRevealed),
        a_transaction(140_001, ResultRevealed, JobSettled),
    ]
    gas = gas_by_phase(transactions)
    assert gas == {
        "post": 90_000,
        "draw": 150_000,
        "commit": 60_000,
        "reveal": 50_000 + 53_000 + 51_500,
        "settle": 140_001 - 51_500,
        "deliver": 0,
    }
    assert sum(gas.values()) == sum(one.gas_used for one in transactions)


def test_gas_by_phase_only_reveal_settles_counts_as_reveal() -> None:
    gas = gas_by_phase([a_transaction(120_000, ResultRevealed, JobSettled)])
    assert (gas["reveal"], gas["settle"]) == (120_000, 0)


def test_gas_by_phase_settled_by_a_call_of_its_own_is_settlement() -> None:
    gas = gas_by_phase([a_transaction(80_000, JobSettled, BountyPaid)])
    assert (gas["reveal"], gas["settle"]) == (0, 80_000)


def test_transactions_of_job_groups_events_by_transaction() -> None:
    kinds = list(transactions_of(logs_of(an_accepted_job())).values())
    phases = [JobTransaction("", 0, found).phase.value for found in kinds]
    assert phases == ["post", "draw", *["commit"] * 3, *["reveal"] * 3]
    assert JobSettled in kinds[-1]
