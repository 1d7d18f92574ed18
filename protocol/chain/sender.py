"""Transactions: simulated, priced, signed, sent and waited for."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3 import Web3
from web3.types import TxParams

from protocol.chain.events import Log, decode_log
from protocol.chain.reverts import NO_REASON
from protocol.chain.rpc import RpcRefusal, request
from protocol.errors import (
    ContractReverted,
    NotEnoughFunds,
    RpcUnavailable,
    TransactionDropped,
)

__all__ = ["RECEIPT_TIMEOUT_SECONDS", "Call", "Sender", "TxResult"]

RECEIPT_TIMEOUT_SECONDS = 120.0

_log = logging.getLogger(__name__)

_ATTEMPTS = 3
_FIRST_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 0.5
# The state can move between simulation and mining: room for a colder or longer path.
_GAS_MARGIN_PERCENT = 125
# The base fee grows by an eighth a block at most: enough for six full blocks.
_BASE_FEE_FACTOR = 2
# How nodes say that another transaction took the nonce first.
_NONCE_TAKEN = ("nonce too low", "already known", "already imported", "underpriced")


@dataclass(frozen=True, slots=True)
class Call:
    """A call that can be sent.

    Attributes:
        name: Function, for messages.
        to: Contract; None creates one.
        data: Call data, or creation code with its arguments.
        spare_gas: Gas to add to what the simulation took, for a call that may have to
            do more by the time it is mined. What is not used costs nothing.
    """

    name: str
    to: ChecksumAddress | None
    data: bytes
    spare_gas: int = 0


@dataclass(frozen=True, slots=True)
class TxResult:
    """A transaction that was mined and succeeded.

    Attributes:
        tx_hash: `0x` and 64 digits.
        block_number: Block that holds it.
        gas_used: Gas that it took.
        logs: Its events of our contracts, in order.
        effective_gas_price: Price paid, wei a unit of gas.
        contract_address: Contract that it created, if any.
    """

    tx_hash: str
    block_number: int
    gas_used: int
    logs: tuple[Log, ...]
    effective_gas_price: int
    contract_address: ChecksumAddress | None = None


class Sender:
    """Sends the transactions of one account, one nonce after the other.

    Threads and objects of this process that share a key take turns. Another process
    with the same key is survived, not prevented: a nonce that it took is replaced.
    """

    def __init__(
        self,
        web3: Web3,
        account: LocalAccount,
        *,
        receipt_timeout_seconds: float = RECEIPT_TIMEOUT_SECONDS,
    ) -> None:
        """Take the connection and the key.

        Args:
            web3: From `rpc.connect`.
            account: Whose transactions.
            receipt_timeout_seconds: How long to wait until one is mined.
        """
        self._web3 = web3
        self._account = account
        self._receipt_timeout_seconds = receipt_timeout_seconds
        self._chain_id = web3.eth.chain_id

    @property
    def address(self) -> ChecksumAddress:
        """The account's address."""
        return to_checksum_address(self._account.address)

    def send(self, call: Call, *, value: int = 0) -> TxResult:
        """Simulate a call on the pending block, send it and wait until it is mined.

        Args:
            call: What to call.
            value: Wei to send along.

        Raises:
            ContractReverted: The contract refuses; when the simulation says so, nothing
                is sent and no gas is spent.
            NotEnoughFunds: The account cannot pay the gas.
            TransactionDropped: It was sent and not mined in time.
            RpcUnavailable: The node failed; whether it was sent is unknown if that
                happened while sending.
        """
        wanted = self._wanted(call, value)
        with _lock_of(self._chain_id, self.address):
            tx_hash = self._submit(call, wanted)
        _log.info("sent %s", call.name, extra={"tx_hash": tx_hash})
        receipt = self._wait(call, tx_hash)
        if int(receipt["status"], 16) != 1:
            raise self._reason(wanted, receipt)
        return _result(tx_hash, receipt)

    def _wanted(self, call: Call, value: int) -> TxParams:
        wanted: TxParams = {
            "from": self.address,
            "data": HexBytes(call.data),
            "value": self._web3.to_wei(value, "wei"),
        }
        if call.to is not None:
            wanted["to"] = call.to
        return wanted

    def _submit(self, call: Call, wanted: TxParams) -> str:
        """Simulate, sign and broadcast; again when another process took the nonce."""
        eth = self._web3.eth
        for attempt in range(1, _ATTEMPTS + 1):
            # Raises ContractReverted: the simulation.
            estimate = eth.estimate_gas(wanted, "pending")
            transaction = self._priced(call, wanted, estimate)
            nonce = eth.get_transaction_count(self.address, "pending")
            signed = self._account.sign_transaction({**transaction, "nonce": nonce})
            try:
                eth.send_raw_transaction(signed.raw_transaction)
            except RpcRefusal as error:
                is_taken = any(text in error.reason.lower() for text in _NONCE_TAKEN)
                if "insufficient funds" in error.reason.lower():
                    raise NotEnoughFunds(
                        f"{self.address} cannot pay the gas of {call.name}: "
                        f"{error.reason}"
                    ) from error
                if not is_taken or attempt == _ATTEMPTS:
                    raise
                _log.warning("nonce %d of %s was taken", nonce, self.address)
                continue
            return "0x" + signed.hash.hex().removeprefix("0x")
        raise AssertionError("the last attempt returns or raises")

    def _priced(self, call: Call, wanted: TxParams, estimate: int) -> dict[str, Any]:
        """Gas limit and EIP-1559 fees; raises NotEnoughFunds."""
        eth = self._web3.eth
        block = eth.get_block("latest")
        wide = estimate * _GAS_MARGIN_PERCENT // 100 + call.spare_gas
        gas = min(wide, block["gasLimit"])
        base_fee = block.get("baseFeePerGas", 0)
        # `eth_gasPrice` is base fee plus the tip that the node suggests.
        tip = max(eth.gas_price - base_fee, 0)
        most = _BASE_FEE_FACTOR * base_fee + tip
        balance = eth.get_balance(self.address, "pending")
        needed = gas * most + wanted["value"]
        if balance < needed:
            raise NotEnoughFunds(
                f"{self.address} has {balance} wei, {call.name} may need {needed} wei "
                f"for gas on chain {self._chain_id}: send it some"
            )
        fields = {key: value for key, value in wanted.items() if key != "from"}
        return {
            **fields,
            "type": 2,
            "chainId": self._chain_id,
            "gas": max(gas, estimate),
            "maxFeePerGas": most,
            "maxPriorityFeePerGas": tip,
        }

    def _wait(self, call: Call, tx_hash: str) -> dict[str, Any]:
        """The receipt. A node that fails meanwhile is asked again until the timeout."""
        deadline = time.monotonic() + self._receipt_timeout_seconds
        pause = _FIRST_POLL_SECONDS
        while True:
            try:
                receipt = request(self._web3, "eth_getTransactionReceipt", tx_hash)
            except RpcUnavailable as error:
                _log.warning("no receipt yet: %s", error, extra={"tx_hash": tx_hash})
                receipt = None
            if receipt is not None and receipt.get("blockNumber") is not None:
                return dict(receipt)
            if time.monotonic() + pause > deadline:
                raise TransactionDropped(
                    f"{call.name} was sent as {tx_hash} and not mined within "
                    f"{self._receipt_timeout_seconds:g} s; it may still be: "
                    "look at the state before sending again"
                )
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_POLL_SECONDS)

    def _reason(self, wanted: TxParams, receipt: dict[str, Any]) -> ContractReverted:
        """Why a mined transaction failed, by calling again where it was mined."""
        mined = int(receipt["blockNumber"], 16)
        # The block's own state may have moved past the reason; its parent's may not
        # have reached it.
        for block in (mined, mined - 1):
            try:
                self._web3.eth.call(wanted, block)
            except ContractReverted as error:
                return error
            except RpcRefusal:
                continue
        return ContractReverted(NO_REASON)


# Locks outlive senders, for two of them may share a key.
_locks: dict[tuple[int, str], threading.Lock] = {}
_locks_guard = threading.Lock()


def _lock_of(chain_id: int, address: str) -> threading.Lock:
    with _locks_guard:
        return _locks.setdefault((chain_id, address), threading.Lock())


def _result(tx_hash: str, receipt: dict[str, Any]) -> TxResult:
    try:
        created = receipt.get("contractAddress")
        decoded = [decode_log(raw) for raw in receipt["logs"]]
        return TxResult(
            tx_hash=tx_hash,
            block_number=int(receipt["blockNumber"], 16),
            gas_used=int(receipt["gasUsed"], 16),
            logs=tuple(log for log in decoded if log is not None),
            effective_gas_price=int(receipt["effectiveGasPrice"], 16),
            contract_address=to_checksum_address(created) if created else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RpcUnavailable(f"malformed receipt of {tx_hash}: {error}") from error
