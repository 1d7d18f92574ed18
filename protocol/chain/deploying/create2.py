"""Contracts at addresses that follow from their code alone (CREATE2, EIP-1014).

They are created through the deterministic deployment proxy, a contract of 69 bytes
without an owner that many chains have, and Anvil has from its first block: call data is
a salt and creation code. So the same contract with the same arguments has the same
address on every chain, whoever deploys it.
"""

from __future__ import annotations

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3

from protocol.errors import NoContract
from protocol.hexadecimal import from_hex

__all__ = ["PROXY", "SALT", "address_of", "creation_data", "require_proxy"]

PROXY = to_checksum_address("0x4e59b44847b379578588920cA78FbF26c0B4956C")
SALT = keccak(text="assay.v1")

_PROXY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe036016000"
    "81602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)


def address_of(creation_code: bytes) -> ChecksumAddress:
    """Where the proxy puts a contract.

    Args:
        creation_code: With its constructor's arguments appended.
    """
    parts = b"\xff" + from_hex(PROXY) + SALT + keccak(creation_code)
    return to_checksum_address(keccak(parts)[12:])


def creation_data(creation_code: bytes) -> bytes:
    """Call data that makes the proxy create a contract."""
    return SALT + creation_code


def require_proxy(web3: Web3) -> None:
    """See that the chain has the proxy.

    Raises:
        NoContract: It has not; the message says what to do.
    """
    code = bytes(web3.eth.get_code(PROXY))
    if code == _PROXY_CODE:
        return
    found = "other code" if code else "nothing"
    raise NoContract(
        f"chain {web3.eth.chain_id} has {found} at {PROXY}, where the deterministic "
        "deployment proxy should be: have it deployed by its one-time transaction "
        "(search for deterministic-deployment-proxy), or deploy with --plain-addresses"
    )
