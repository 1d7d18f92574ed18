"""Arguments of the marketplace's calls that are structs of their own.

Twins of `contracts/src/types/Calls.sol`; `tests/parity` holds them together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol.market.types import JobId, JobParams, Outcome

__all__ = ["CommitEntry", "PermitSignature", "RevealEntry"]


@dataclass(frozen=True, slots=True)
class CommitEntry:
    """One commitment of a batch.

    Attributes:
        job_id: The job.
        place: The account's place on its committee.
        commitment: From `commitments.commitment`.
    """

    job_id: JobId
    place: int
    commitment: bytes

    def to_abi(self) -> tuple[Any, ...]:
        """The members' values, in order."""
        return (self.job_id, self.place, self.commitment)


@dataclass(frozen=True, slots=True)
class RevealEntry:
    """One reveal of a batch.

    Attributes:
        params: The job's parameters.
        place: The account's place on its committee.
        outcome: What was committed to.
        salt: The commitment's salt.
    """

    params: JobParams
    place: int
    outcome: Outcome
    salt: bytes

    def to_abi(self) -> tuple[Any, ...]:
        """The members' values, in order."""
        return (self.params, self.place, self.outcome, self.salt)


@dataclass(frozen=True, slots=True)
class PermitSignature:
    """An EIP-2612 permit for the marketplace.

    Attributes:
        value: Allowance, units of the escrow token.
        deadline: Last second in which it is valid, Unix time.
        v: Recovery value, 27 or 28.
        r: First half of the signature.
        s: Second half.
    """

    value: int
    deadline: int
    v: int
    r: bytes
    s: bytes

    def to_abi(self) -> tuple[Any, ...]:
        """The members' values, in order."""
        return (self.value, self.deadline, self.v, self.r, self.s)
