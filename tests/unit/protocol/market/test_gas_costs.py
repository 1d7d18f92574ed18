"""Whether a job pays for its gas."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.market.gas_costs import duty_gas, is_worth_gas

GWEI = 10**9
# A unit of a dollar with six decimals, at 4,000 dollars an ether.
DOLLAR_UNIT = Decimal(10**18) / 4_000 / 10**6
# The same with eighteen decimals: less than a wei.
SMALL_UNIT = DOLLAR_UNIT / 10**12

SNAPSHOT = Path(__file__).resolve().parents[4] / "contracts" / "snapshots" / "gas.json"


@pytest.mark.parametrize(
    ("reward_units", "gwei", "expected"),
    [
        # 200,000 gas at 1 gwei are 0.0002 ether, 80 cents.
        (800_000, 1, True),
        (799_999, 1, False),
        (799_999, 0, True),
        (0, 0, True),
    ],
)
def test_is_worth_gas_compares_reward_and_cost(
    reward_units: int, gwei: int, expected: bool
) -> None:
    assert (
        is_worth_gas(
            reward_units=reward_units,
            gas=200_000,
            gas_price_wei=gwei * GWEI,
            wei_per_unit=DOLLAR_UNIT,
        )
        is expected
    )


def test_is_worth_gas_of_a_drawn_member_counts_what_a_no_show_loses() -> None:
    dear = {"gas": 200_000, "gas_price_wei": 5 * GWEI, "wei_per_unit": DOLLAR_UNIT}
    assert not is_worth_gas(reward_units=1_000_000, **dear)  # type: ignore[arg-type]
    assert not is_worth_gas(
        reward_units=1_000_000,
        penalty_units=2_999_999,
        **dear,  # type: ignore[arg-type]
    )
    assert is_worth_gas(
        reward_units=1_000_000,
        penalty_units=3_000_000,
        **dear,  # type: ignore[arg-type]
    )


def test_is_worth_gas_of_units_below_a_wei_is_exact() -> None:
    price = {"gas": 200_000, "gas_price_wei": GWEI, "wei_per_unit": SMALL_UNIT}
    assert is_worth_gas(reward_units=800_000 * 10**12, **price)  # type: ignore[arg-type]
    assert not is_worth_gas(
        reward_units=800_000 * 10**12 - 1,
        **price,  # type: ignore[arg-type]
    )


def test_is_worth_gas_where_nobody_said_a_price_is_true() -> None:
    assert is_worth_gas(
        reward_units=0, gas=10**9, gas_price_wei=10**15, wei_per_unit=None
    )


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**6))
def test_is_worth_gas_with_more_reward_stays_so(
    reward: int, more: int, gas: int
) -> None:
    def is_worth(units: int) -> bool:
        return is_worth_gas(
            reward_units=units,
            gas=gas,
            gas_price_wei=GWEI,
            wei_per_unit=DOLLAR_UNIT,
        )

    assert not is_worth(reward) or is_worth(reward + more)


def test_duty_gas_covers_what_was_measured() -> None:
    """The dearest duty: the commit that opens the reveals, the reveal that ends all."""
    measured = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    steps = ("phases.3.commitLast", "phases.3.revealLast")
    dearest = sum(int(measured[step]) for step in steps)
    assert dearest <= duty_gas(3) <= 2 * dearest
    assert duty_gas(7) > duty_gas(3)
