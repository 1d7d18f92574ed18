"""Whether serving a job pays for its gas; pure, in exact arithmetic."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

__all__ = ["duty_gas", "is_worth_gas"]

_GAS_OF_A_COMMIT = 45_000
_GAS_OF_A_REVEAL = 55_000
# Whoever reveals last ends the round as well.
_GAS_OF_AN_END = 30_000
_GAS_OF_A_MEMBERS_END = 25_000


def duty_gas(places: int) -> int:
    """Gas of a place on a committee: a commit, a reveal, and the round's end.

    Args:
        places: Places of the largest round that the job may have.
    """
    end = _GAS_OF_AN_END + _GAS_OF_A_MEMBERS_END * places
    return _GAS_OF_A_COMMIT + _GAS_OF_A_REVEAL + end


def is_worth_gas(
    *,
    reward_units: int,
    gas: int,
    gas_price_wei: int,
    wei_per_unit: Decimal | None,
    penalty_units: int = 0,
) -> bool:
    """Whether doing something loses less than leaving it.

    Args:
        reward_units: What it earns, token units.
        gas: What it takes, units of gas.
        gas_price_wei: Price of a unit of gas.
        wei_per_unit: What a token unit is worth; None when nobody said, and then
            everything is worth its gas.
        penalty_units: What leaving it costs, token units: for a member that is drawn,
            the part of the bond that a no-show loses; before a draw, nothing.

    Returns:
        Whether gas costs no more than reward and penalty together.
    """
    if wei_per_unit is None:
        return True
    at_stake = (reward_units + penalty_units) * Fraction(wei_per_unit)
    return gas * gas_price_wei <= at_stake
