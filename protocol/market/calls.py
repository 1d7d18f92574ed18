"""Arguments of the marketplace's calls that are structs of their own.

Twins of `contracts/src/types/Calls.sol`; `tests/parity` holds them together.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.market.types import AbiStruct, JobId, JobParams, Outcome

__all__ = ["CommitEntry", "PermitSignature", "RevealEntry"]


@dataclass(frozen=True, slots=True)
class CommitEntry(AbiStruct):
    """One commitment of a batch.

    Attributes:
        job_id: The job.
        place: The account's place on its committee.
        commitment: From `commitments.commitment`.
    """

    ABI_TYPES = ("bytes32", "uint256", "bytes32")

    job_id: JobId
    place: int
    commitment: bytes


@dataclass(frozen=True, slots=True)
class RevealEntry(AbiStruct):
    """One reveal of a batch.

    Attributes:
        params: The job's parameters.
        place: The account's place on its committee.
        outcome: What was committed to.
        salt: The commitment's salt.
    """

    ABI_TYPES = (JobParams.abi_type(), "uint256", Outcome.abi_type(), "bytes32")

    params: JobParams
    place: int
    outcome: Outcome
    salt: bytes


@dataclass(frozen=True, slots=True)
class PermitSignature(AbiStruct):
    """An EIP-2612 permit for the marketplace.

    Attributes:
        value: Allowance, units of the escrow token.
        deadline: Last second in which it is valid, Unix time.
        v: Recovery value, 27 or 28.
        r: First half of the signature.
        s: Second half.
    """

    ABI_TYPES = ("uint256", "uint256", "uint8", "bytes32", "bytes32")

    value: int
    deadline: int
    v: int
    r: bytes
    s: bytes
