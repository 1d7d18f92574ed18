"""What the phases of a job cost in gas, told by what each transaction emitted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from protocol.market.events import (
    Event,
    JobPosted,
    JobSettled,
    Log,
    ResultCommitted,
    ResultDelivered,
    ResultRevealed,
    RoundSplit,
)

__all__ = ["GasPhase", "JobTransaction", "gas_by_phase", "transactions_of"]


_ENDS: frozenset[type[Event]] = frozenset({JobSettled, RoundSplit})


class GasPhase(StrEnum):
    """A part of a job's life that costs gas."""

    POST = "post"
    DRAW = "draw"
    COMMIT = "commit"
    REVEAL = "reveal"
    SETTLE = "settle"
    DELIVER = "deliver"


@dataclass(frozen=True, slots=True)
class JobTransaction:
    """A transaction that moved a job.

    Attributes:
        tx_hash: Its hash.
        gas_used: Gas that it took, from its receipt.
        kinds: Events of the job that it emitted.
    """

    tx_hash: str
    gas_used: int
    kinds: frozenset[type[Event]]

    @property
    def phase(self) -> GasPhase:
        """What it was sent for; the last reveal ends its round besides."""
        if JobPosted in self.kinds:
            return GasPhase.POST
        if ResultCommitted in self.kinds:
            return GasPhase.COMMIT
        if ResultRevealed in self.kinds:
            return GasPhase.REVEAL
        if ResultDelivered in self.kinds:
            return GasPhase.DELIVER
        return GasPhase.SETTLE if self.kinds & _ENDS else GasPhase.DRAW

    @property
    def is_settling_reveal(self) -> bool:
        """Whether it did two things at once."""
        return ResultRevealed in self.kinds and bool(self.kinds & _ENDS)


def transactions_of(logs: Iterable[Log]) -> dict[str, frozenset[type[Event]]]:
    """Kinds of events by transaction hash, in the chain's order."""
    kinds: dict[str, set[type[Event]]] = {}
    for log in logs:
        kinds.setdefault(log.tx_hash, set()).add(type(log.event))
    return {tx_hash: frozenset(found) for tx_hash, found in kinds.items()}


def gas_by_phase(transactions: Sequence[JobTransaction]) -> dict[str, int]:
    """Gas of each phase; together exactly what the transactions took.

    A reveal that also settles counts as a reveal of the average size of the others, and
    the rest of it as settlement. With no other reveal to tell by, all is reveal.
    """
    spent = dict.fromkeys((phase.value for phase in GasPhase), 0)
    plain = [
        one.gas_used
        for one in transactions
        if one.phase is GasPhase.REVEAL and not one.is_settling_reveal
    ]
    for one in transactions:
        share = one.gas_used
        if one.is_settling_reveal and plain:
            share = min(one.gas_used, sum(plain) // len(plain))
        spent[one.phase.value] += share
        spent[GasPhase.SETTLE.value] += one.gas_used - share
    return spent
