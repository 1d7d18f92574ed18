"""What a chain is like, asked without a deployment: for `assay doctor`.

Single opcodes are tried by an `eth_call` that creates nothing: its data is creation
code, and what that code returns is the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from web3 import Web3

from protocol.chain.rpc.blocks import fetch_block
from protocol.chain.rpc.endpoint import RpcRefusal
from protocol.chain.rpc.header import fetch_header
from protocol.chain.rpc.provider import request
from protocol.errors import ChainError, ContractReverted, RpcUnavailable
from protocol.hexadecimal import from_hex, to_hex

__all__ = ["HISTORY_CONTRACT", "BlockFacts", "ChainInspection", "TokenFacts"]

HISTORY_CONTRACT = to_checksum_address("0x0000F90827F1C53a10cb7A02335B175320002935")
"""Where EIP-2935 keeps the hashes of the last 8,191 blocks."""

# NUMBER, or TLOAD of slot 0: then store it at 0 and return the word.
_RETURN_WORD = "5f5260205ff3"
_NUMBER = "43" + _RETURN_WORD
_TRANSIENT = "5f5c" + _RETURN_WORD
_BALANCE_OF = "70a08231"
_TRANSFER = "a9059cbb"
_DECIMALS = "313ce567"
_TOTAL_SUPPLY = "18160ddd"


@dataclass(frozen=True, slots=True)
class BlockFacts:
    """What matters of a block.

    Attributes:
        number: Its height.
        time: Its time, Unix seconds.
        prev_randao: The header's `mixHash`.
    """

    number: int
    time: int
    prev_randao: bytes


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """How a token answers; None where it does not.

    Attributes:
        decimals: Digits after the point.
        supply: Units that exist.
        balance: Units of the asked account.
        transfer: What a simulated transfer out of that account returned, or why it
            was refused.
    """

    decimals: int | None
    supply: int | None
    balance: int | None
    transfer: bytes | str


class ChainInspection:
    """Asks a node about its chain. Every method raises `RpcUnavailable`."""

    def __init__(self, web3: Web3) -> None:
        """Use a connection from `rpc.connect`."""
        self._web3 = web3

    def chain_id(self) -> int:
        """Chain id (EIP-155)."""
        return int(self._web3.eth.chain_id)

    def code(self, address: ChecksumAddress) -> bytes:
        """Code at an address."""
        return bytes(self._web3.eth.get_code(address))

    def last_blocks(self, count: int) -> list[BlockFacts]:
        """The newest blocks, oldest first; fewer on a young chain."""
        head = int(self._web3.eth.block_number)
        numbers = range(max(0, head - count + 1), head + 1)
        return [self._block(number) for number in numbers]

    def number_seen_by_contracts(self, block: int) -> int | None:
        """`block.number` in a call at a block; None if the call fails."""
        word = self._word(_NUMBER, hex(block))
        return None if word is None else int.from_bytes(word)

    def has_transient_storage(self) -> bool:
        """Whether contracts compiled for Cancun can run."""
        return self._word(_TRANSIENT, "latest") is not None

    def keeps_old_hashes(self, number: int) -> bool:
        """Whether EIP-2935 is there and knows the hash of a block."""
        if not self.code(HISTORY_CONTRACT):
            return False
        found = self._call(HISTORY_CONTRACT, number.to_bytes(32).hex())
        known = self._fields(number)["hash"]
        return isinstance(found, bytes) and to_hex(found) == known

    def header_fault(self, number: int) -> str | None:
        """Why a block's header cannot be rebuilt; None if it can."""
        try:
            fetch_header(self._web3, number)
        except ChainError as error:
            return str(error)
        return None

    def token(self, token: ChecksumAddress, holder: ChecksumAddress) -> TokenFacts:
        """How a token answers about an account, and lets it pay out."""
        account = bytes(12).hex() + holder[2:].lower()
        balance = self._number(token, _BALANCE_OF + account)
        amount = 1 if balance else 0
        # To an account that nobody has the key of.
        receiver = "00" * 12 + "a55a" * 10
        data = _TRANSFER + receiver + amount.to_bytes(32).hex()
        return TokenFacts(
            decimals=self._number(token, _DECIMALS),
            supply=self._number(token, _TOTAL_SUPPLY),
            balance=balance,
            transfer=self._call(token, data, sender=holder),
        )

    def _block(self, number: int) -> BlockFacts:
        fields = self._fields(number)
        mixed = from_hex(fields.get("mixHash") or "0x")
        return BlockFacts(number, int(fields["timestamp"], 16), mixed)

    def _fields(self, number: int) -> Mapping[str, Any]:
        fields = fetch_block(self._web3, number)
        if fields is None:
            raise RpcUnavailable(f"the node does not have block {number}")
        return fields

    def _number(self, to: ChecksumAddress, data: str) -> int | None:
        answer = self._call(to, data)
        is_word = isinstance(answer, bytes) and len(answer) == 32
        return int.from_bytes(answer) if is_word and isinstance(answer, bytes) else None

    def _call(
        self, to: ChecksumAddress, data: str, sender: ChecksumAddress | None = None
    ) -> bytes | str:
        call = {"to": to, "data": "0x" + data}
        if sender is not None:
            call["from"] = sender
        try:
            answer: str = request(self._web3, "eth_call", call, "latest")
        except (ContractReverted, RpcRefusal) as error:
            return str(error)
        return from_hex(answer)

    def _word(self, creation_code: str, block: str) -> bytes | None:
        try:
            call = {"data": "0x" + creation_code}
            answer: str = request(self._web3, "eth_call", call, block)
        except (ContractReverted, RpcRefusal):
            return None
        word = from_hex(answer)
        return word if len(word) == 32 else None
