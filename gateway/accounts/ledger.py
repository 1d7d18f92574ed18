"""Money of API keys: reserved before a job, settled after it, to the unit.

A key's `reserved` is the sum of the reservations of its calls under way, its `spent`
the sum of the charges of its settled calls; `audit` compares. Whoever changes one here
changes the call's row in the same transaction, so that no crash comes between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.accounts.tables import ApiKeyRow
from gateway.errors import ApiKeyRefused, BudgetExceeded

__all__ = ["Balance", "balances", "release", "reserve", "settle"]


@dataclass(frozen=True, slots=True)
class Balance:
    """What a key may spend, has spent and has reserved, units of the escrow token.

    Attributes:
        budget: Most it may ever spend; None for no limit.
        spent: Charges of settled calls.
        reserved: What calls under way may cost at most.
    """

    budget: int | None
    spent: int
    reserved: int

    @property
    def available(self) -> int | None:
        """What a new call may cost; None for no limit."""
        if self.budget is None:
            return None
        return max(0, self.budget - self.spent - self.reserved)


def reserve(session: Session, key_id: str, amount: int) -> None:
    """Sets aside what a call may cost.

    Raises:
        ApiKeyRefused: The key was revoked in the meantime.
        BudgetExceeded: The budget does not hold it.
    """
    row = _locked(session, key_id)
    if row.revoked_at is not None:
        raise ApiKeyRefused("this API key was revoked; ask the operator for a new one")
    available = _balance(row).available
    if available is not None and amount > available:
        raise BudgetExceeded(
            f"the call may cost {amount} units, this API key has {available} of "
            f"{row.budget} left; ask for less or for a larger budget"
        )
    row.reserved += amount


def release(session: Session, key_id: str, amount: int) -> None:
    """Gives a reservation back whole: the call costs nothing."""
    row = _locked(session, key_id)
    row.reserved = _less(row.reserved, amount)


def settle(session: Session, key_id: str, amount: int, charge: int) -> None:
    """Turns a reservation into a charge, which is at most as large."""
    if charge > amount:
        raise ValueError(f"a charge of {charge} exceeds the reservation of {amount}")
    row = _locked(session, key_id)
    row.reserved = _less(row.reserved, amount)
    row.spent += charge


def balances(session: Session) -> Mapping[str, Balance]:
    """The balances of all keys, by key id."""
    return {row.key_id: _balance(row) for row in session.scalars(select(ApiKeyRow))}


def _locked(session: Session, key_id: str) -> ApiKeyRow:
    statement = select(ApiKeyRow).where(ApiKeyRow.key_id == key_id).with_for_update()
    # What an earlier statement of this session read may be older than the lock.
    return session.scalars(statement.execution_options(populate_existing=True)).one()


def _balance(row: ApiKeyRow) -> Balance:
    return Balance(row.budget, row.spent, row.reserved)


def _less(reserved: int, amount: int) -> int:
    if amount > reserved:
        raise ValueError(f"{amount} units are given back, {reserved} were reserved")
    return reserved - amount
