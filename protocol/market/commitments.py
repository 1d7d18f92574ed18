"""Commitments and their salts: the Python twin of `libraries/Commitments.sol`."""

from __future__ import annotations

import hmac

from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak

from protocol.market.types import JobId, Outcome

__all__ = ["commitment", "derive_salt"]

_DOMAIN = keccak(text="assay.commitment.v1")
_SALT_DOMAIN = b"assay.salt.v1"


def commitment(
    *,
    chain_id: int,
    marketplace: ChecksumAddress,
    job_id: JobId,
    round_number: int,
    worker: ChecksumAddress,
    outcome: Outcome,
    salt: bytes,
) -> bytes:
    """The 32-byte hash that binds a worker to an outcome without showing it."""
    types = ["bytes32", "uint256", "address", "bytes32", "uint256"]
    values = [_DOMAIN, chain_id, marketplace, job_id, round_number]
    types += ["address", "bytes32", "bytes32"]
    values += [worker, outcome.hash(), salt]
    return keccak(encode(types, values))


def derive_salt(
    secret: bytes,
    *,
    chain_id: int,
    marketplace: ChecksumAddress,
    job_id: JobId,
    round_number: int,
) -> bytes:
    """The 32-byte salt of a commitment, as HMAC-SHA-256 (RFC 2104) of the key's secret.

    A worker that lost everything but its key derives the same salt again.
    """
    types = ["uint256", "address", "bytes32", "uint256"]
    message = encode(types, [chain_id, marketplace, job_id, round_number])
    return hmac.digest(secret, _SALT_DOMAIN + message, "sha256")
