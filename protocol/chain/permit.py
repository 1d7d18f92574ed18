"""Permits (EIP-2612): an allowance that travels inside the call that uses it."""

from __future__ import annotations

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress, Hash32
from eth_utils.crypto import keccak
from web3 import Web3

from protocol.errors import ConfigError, ContractReverted
from protocol.market.calls import PermitSignature

__all__ = ["PERMIT_SECONDS", "sign_permit", "takes_permits"]

PERMIT_SECONDS = 3600
"""How long a permit is valid; long enough for a slow chain, short enough to forget."""

_TYPE = keccak(
    text="Permit(address owner,address spender,uint256 value,uint256 nonce,"
    "uint256 deadline)"
)
_WORD_BYTES = 32


def takes_permits(web3: Web3, token: ChecksumAddress, owner: ChecksumAddress) -> bool:
    """Whether a token answers the two questions that a permit needs."""
    return _read_terms(web3, token, owner) is not None


def sign_permit(
    web3: Web3,
    account: LocalAccount,
    *,
    token: ChecksumAddress,
    spender: ChecksumAddress,
    value: int,
    now: int,
) -> PermitSignature:
    """Sign that `spender` may take `value` units of the account's tokens.

    Args:
        web3: From `rpc.connect`.
        account: Owner of the tokens.
        token: An ERC-20 with EIP-2612.
        spender: Who may take them.
        value: Allowance, units.
        now: Time of the latest block, Unix seconds.

    Raises:
        ConfigError: The token takes no permits.
    """
    owner = Web3.to_checksum_address(account.address)
    terms = _read_terms(web3, token, owner)
    if terms is None:
        raise ConfigError(f"the token {token} takes no permits (EIP-2612): approve")
    domain, nonce = terms
    deadline = now + PERMIT_SECONDS
    types = ["bytes32", "address", "address", "uint256", "uint256", "uint256"]
    message = keccak(encode(types, [_TYPE, owner, spender, value, nonce, deadline]))
    digest = Hash32(keccak(b"\x19\x01" + domain + message))
    signed = account.unsafe_sign_hash(digest)
    return PermitSignature(
        value=value,
        deadline=deadline,
        v=signed.v,
        r=signed.r.to_bytes(_WORD_BYTES),
        s=signed.s.to_bytes(_WORD_BYTES),
    )


def _read_terms(
    web3: Web3, token: ChecksumAddress, owner: ChecksumAddress
) -> tuple[bytes, int] | None:
    """The token's EIP-712 domain and the owner's next nonce."""
    nonces = keccak(text="nonces(address)")[:4] + encode(["address"], [owner])
    try:
        domain = _call(web3, token, keccak(text="DOMAIN_SEPARATOR()")[:4])
        nonce = _call(web3, token, nonces)
    except ContractReverted:
        return None
    if len(domain) != _WORD_BYTES or len(nonce) != _WORD_BYTES:
        return None
    return domain, int.from_bytes(nonce)


def _call(web3: Web3, to: ChecksumAddress, data: bytes) -> bytes:
    return bytes(web3.eth.call({"to": to, "data": data}, "latest"))
