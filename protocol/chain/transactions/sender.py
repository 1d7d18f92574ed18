"""Transactions: simulated, priced, signed, sent and waited for."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3 import Web3
from web3.types import TxParams

from protocol.chain.abi.reverts import NO_REASON
from protocol.chain.rpc.endpoint import RpcRefusal
from protocol.chain.rpc.receipts import TxReceipt
from protocol.chain.transactions.broadcaster import Broadcaster, NonceTaken
from protocol.chain.transactions.budget import GasBudget
from protocol.chain.transactions.fees import fetch_quote, first_fees
from protocol.chain.transactions.nonces import NONCE_REGISTRY, NonceManager
from protocol.chain.transactions.options import SenderOptions
from protocol.chain.transactions.outbox import Outbox
from protocol.chain.transactions.waiting import ReceiptWait
from protocol.errors import (
    ContractReverted,
    GasPriceTooHigh,
    NotEnoughFunds,
    RpcUnavailable,
    TransactionDropped,
)
from protocol.hexadecimal import checksum_address

__all__ = ["Call", "Sender"]

_log = logging.getLogger(__name__)

_ATTEMPTS = 3
# The state can move between simulation and mining: room for a colder or longer path.
_GAS_MARGIN_PERCENT = 125
# EIP-7825: a chain that has it mines nothing larger.
_MAX_GAS = 1 << 24
# Money for fewer transactions like the present one is little.
_FEW_TRANSACTIONS = 20
_WARN_AGAIN_SECONDS = 3_600.0


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
        options: SenderOptions | None = None,
    ) -> None:
        """Take the connection and the key.

        Args:
            web3: From `rpc.connect`.
            account: Whose transactions.
            options: How to send.

        Raises:
            OutboxError: The options name a file that cannot be used.
        """
        self._web3 = web3
        self._account = account
        self._address = checksum_address(account.address)
        self._options = options or SenderOptions()
        chain_id, path = web3.eth.chain_id, self._options.outbox_path
        self._chain_id = chain_id
        outbox = Outbox(path, chain_id=chain_id, account=self._address)
        state = NONCE_REGISTRY.state_of(chain_id, self._address, path)
        self._nonces = NonceManager(outbox, state)
        cap = self._options.max_gas_wei_per_day
        self._budget = GasBudget(self._address, outbox, cap)
        self._broadcaster = Broadcaster(
            web3, account, self._nonces, self._budget, self._options
        )
        self._warned_at: float | None = None

    @property
    def account(self) -> LocalAccount:
        """The account, which signs."""
        return self._account

    @property
    def address(self) -> ChecksumAddress:
        """The account's address."""
        return self._address

    @property
    def pending_count(self) -> int:
        """Transactions that were broadcast and are not known to be mined."""
        return len(self._nonces.pending())

    def balance(self) -> int:
        """The account's money for gas, wei. Raises RpcUnavailable."""
        return int(self._web3.eth.get_balance(self._address))

    def spent_in_a_day(self) -> int:
        """Wei spent on gas in the last 24 hours, as far as it is remembered."""
        return self._budget.spent_in_a_day()

    def send(self, call: Call, *, value: int = 0) -> TxReceipt:
        """Simulate a call on the pending block, send it and wait until it is mined.

        Meanwhile it is sent again when a node forgets it, and replaced by one with
        higher fees when it is stuck.

        Args:
            call: What to call.
            value: Wei to send along.

        Raises:
            ContractReverted: The contract refuses; when the simulation says so, nothing
                is sent and no gas is spent.
            NotEnoughFunds: The account cannot pay the gas.
            GasPriceTooHigh: Gas costs more than the options allow.
            SpendingCapReached: The account may spend no more today.
            TransactionDropped: It was sent and not mined in time. It may still be;
                sending it again is simulated on top of it.
            RpcUnavailable: The node failed before anything was sent.
        """
        unpriced = self._unpriced(call, value)
        mined = self._send_until_mined(call, unpriced)
        if not mined.has_succeeded:
            raise self._revert_of(unpriced, mined.block_number)
        return mined

    def _unpriced(self, call: Call, value: int) -> TxParams:
        unpriced: TxParams = {
            "from": self.address,
            "data": HexBytes(call.data),
            "value": self._web3.to_wei(value, "wei"),
        }
        if call.to is not None:
            unpriced["to"] = call.to
        return unpriced

    def _send_until_mined(self, call: Call, unpriced: TxParams) -> TxReceipt:
        """Send; again when another process took the nonce, before or after."""
        for _ in range(_ATTEMPTS):
            try:
                with self._broadcaster.locked():
                    nonce = self._submit(call, unpriced)
            except NonceTaken:
                _log.warning("a nonce of %s was taken", self.address)
                continue
            mined = self._wait(call, nonce)
            if mined is not None:
                return mined
            _log.warning("nonce %d of %s was taken", nonce, self.address)
        raise TransactionDropped(
            f"{call.name} was not mined: other transactions took the nonce of "
            f"{self.address} {_ATTEMPTS} times; does another process use its key?"
        )

    def _submit(self, call: Call, unpriced: TxParams) -> int:
        """Simulate, price, sign and broadcast; the nonce."""
        # Raises ContractReverted: the simulation.
        estimate = self._web3.eth.estimate_gas(unpriced, "pending")
        transaction = self._priced(call, unpriced, estimate)
        try:
            sent = self._broadcaster.broadcast(call.name, transaction)
        except RpcRefusal as error:
            if "insufficient funds" in error.reason.lower():
                raise NotEnoughFunds(
                    f"{self.address} cannot pay the gas of {call.name}: {error.reason}"
                ) from error
            raise
        facts = {"tx_hash": sent.tx_hash, "nonce": sent.nonce}
        _log.info("sent %s", call.name, extra=facts)
        return sent.nonce

    def _priced(self, call: Call, unpriced: TxParams, estimate: int) -> dict[str, Any]:
        """Gas limit and EIP-1559 fees, within the limits."""
        quote = fetch_quote(self._web3)
        cap = self._options.max_fee_per_gas_wei
        fees = first_fees(quote, cap)
        if fees is None:
            raise GasPriceTooHigh(
                f"gas costs {quote.base_fee} wei a unit on chain {self._chain_id}, "
                f"max_fee_per_gas is {cap} wei: wait or raise it"
            )
        wide = estimate * _GAS_MARGIN_PERCENT // 100 + call.spare_gas
        gas = max(min(wide, quote.block_gas, _MAX_GAS), estimate)
        max_wei = gas * fees.max_fee
        self._require_funds(call, max_wei, unpriced["value"])
        self._budget.require(max_wei)
        fields = {key: value for key, value in unpriced.items() if key != "from"}
        return {
            **fields,
            **fees.to_fields(),
            "type": 2,
            "chainId": self._chain_id,
            "gas": gas,
        }

    def _require_funds(self, call: Call, max_wei: int, value: int) -> None:
        """Raise NotEnoughFunds, or warn when there is little."""
        balance = self._web3.eth.get_balance(self.address, "pending")
        needed = max_wei + value
        if balance < needed:
            self._report_low(balance, is_low=True)
            raise NotEnoughFunds(
                f"{self.address} has {balance} wei, {call.name} may need {needed} wei "
                f"for gas on chain {self._chain_id}: send it some"
            )
        limit = self._options.low_balance_wei
        if limit is None:
            limit = max_wei * _FEW_TRANSACTIONS
        self._report_low(balance, is_low=balance - needed < limit)

    def _report_low(self, balance: int, *, is_low: bool) -> None:
        if self._options.observer is not None:
            self._options.observer.set_gas_is_low(is_low)
        now = time.monotonic()
        is_news = self._warned_at is None or now - self._warned_at > _WARN_AGAIN_SECONDS
        if is_low and is_news:
            facts = {"account": self.address, "wei": balance}
            _log.warning("gas balance low", extra=facts)
        if not is_low:
            self._warned_at = None
        elif is_news:
            self._warned_at = now

    def _wait(self, call: Call, nonce: int) -> TxReceipt | None:
        """What was mined; None if another transaction took the nonce."""
        wait = ReceiptWait(self._options.receipt_timeout_seconds)
        try:
            while True:
                try:
                    mined = self._broadcaster.confirm(nonce)
                    if mined is not None:
                        return mined
                    if wait.is_resend_due():
                        wait.postpone_resend()
                        is_used = nonce < self._broadcaster.used_count()
                        if wait.is_taken(is_used=is_used):
                            self._nonces.abandon(nonce)
                            return None
                        self._broadcaster.resend(nonce)
                except RpcUnavailable as error:
                    _log.warning("no receipt yet: %s", error, extra={"nonce": nonce})
                if not wait.pause():
                    raise self._dropped(call, nonce)
        finally:
            self._nonces.release(nonce)

    def _dropped(self, call: Call, nonce: int) -> TransactionDropped:
        hashes = ", then ".join(x.tx_hash for x in self._nonces.broadcasts(nonce))
        return TransactionDropped(
            f"{call.name} was sent as {hashes} and not mined within "
            f"{self._options.receipt_timeout_seconds:g} s; it may still be: "
            "look at the state before sending again"
        )

    def _revert_of(self, unpriced: TxParams, mined: int) -> ContractReverted:
        """Why a mined transaction failed, by calling again where it was mined."""
        # The block's own state may have moved past the reason; its parent's may not
        # have reached it.
        for block in (mined, mined - 1):
            try:
                self._web3.eth.call(unpriced, block)
            except ContractReverted as error:
                return error
            except RpcRefusal:
                continue
        return ContractReverted(NO_REASON)
