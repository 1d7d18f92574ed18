"""Revert data into `ContractReverted`, by the ABIs of all our contracts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from protocol.chain.abi.contracts import (
    CONTRACTS,
    Parameter,
    decode_parameters,
    interface,
)
from protocol.errors import ContractReverted

__all__ = ["NO_REASON", "UNKNOWN_ERROR", "error_definitions", "error_name", "revert_of"]

NO_REASON = "NoReason"
UNKNOWN_ERROR = "UnknownError"

# What Solidity itself reverts with ("Error handling" in its documentation).
_BUILT_IN: Mapping[bytes, Parameter] = {
    bytes.fromhex("08c379a0"): {
        "name": "Error",
        "inputs": [{"name": "reason", "type": "string"}],
    },
    bytes.fromhex("4e487b71"): {
        "name": "Panic",
        "inputs": [{"name": "code", "type": "uint256"}],
    },
}


@cache
def error_definitions() -> Mapping[bytes, Parameter]:
    """Every error that a call of ours can end in, by its four-byte selector."""
    known = dict(_BUILT_IN)
    for name in CONTRACTS:
        known.update(interface(name).errors)
    return known


def error_name(selector: bytes) -> str:
    """Name of the error that a four-byte selector stands for."""
    definition = error_definitions().get(selector)
    return UNKNOWN_ERROR if definition is None else str(definition["name"])


def revert_of(data: bytes) -> ContractReverted:
    """What a contract refused with.

    Args:
        data: The revert's return data; empty when it gave no reason.

    Returns:
        The error, not raised. Named `NoReason` for empty data and `UnknownError`, with
        the data as its argument, for an error that none of our ABIs declares.
    """
    if not data:
        return ContractReverted(NO_REASON)
    definition = error_definitions().get(data[:4])
    if definition is None:
        return ContractReverted(UNKNOWN_ERROR, (data,))
    try:
        arguments = decode_parameters(definition["inputs"], data[4:])
    except ValueError:
        return ContractReverted(UNKNOWN_ERROR, (data,))
    return ContractReverted(definition["name"], arguments)
