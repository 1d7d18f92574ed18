"""Gets transactions to the nodes' pools, and keeps them there until they are mined."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from web3 import Web3

from protocol.chain.rpc.endpoint import RpcRefusal
from protocol.chain.rpc.provider import request
from protocol.chain.rpc.receipts import TxReceipt, fetch_receipt
from protocol.chain.transactions.budget import GasBudget
from protocol.chain.transactions.fees import Fees, fetch_quote, raised_fees
from protocol.chain.transactions.nonces import NonceManager
from protocol.chain.transactions.options import SenderOptions
from protocol.chain.transactions.outbox import Broadcast
from protocol.errors import RpcUnavailable, SpendingCapReached
from protocol.hexadecimal import checksum_address, to_hex
from protocol.host.crash_points import crash_point

__all__ = ["Broadcaster", "NonceTaken"]

_log = logging.getLogger(__name__)

# How nodes say that another transaction has a nonce, and that they know one.
_NONCE_TAKEN = ("nonce too low", "underpriced", "nonce is too low", "invalid nonce")
_KNOWN = ("already known", "already imported", "known transaction")
# What a replacement has in common with the transaction that it replaces.
_KEPT_FIELDS = ("type", "chainId", "to", "data", "value", "gas")


class NonceTaken(Exception):
    """Another transaction has the nonce; nothing of ours can be mined with it."""


class Broadcaster:
    """Broadcasts what one account signs, again or with higher fees as needed.

    Any thread may use it; `broadcast` needs `locked`. All raise `RpcUnavailable` when
    the node fails.
    """

    def __init__(
        self,
        web3: Web3,
        account: LocalAccount,
        nonces: NonceManager,
        budget: GasBudget,
        options: SenderOptions,
    ) -> None:
        """Take the connection, the key, its nonces and the limits."""
        self._web3 = web3
        self._account = account
        self._address = checksum_address(account.address)
        self._nonces = nonces
        self._budget = budget
        self._options = options
        # Hashes of stuck transactions, each of which is warned of once.
        self._warned_of: set[str] = set()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other senders of the key waiting, and recover what earlier ones left."""
        with self._nonces.lock:
            self._recover()
            yield

    def broadcast(self, call: str, transaction: dict[str, Any]) -> Broadcast:
        """Sign a transaction with the next nonce, write it down and send it.

        Whoever calls must release the nonce in the end.

        Args:
            call: What it calls, for messages.
            transaction: All of it but the nonce.

        Raises:
            NonceTaken: Another process used the nonce; try again.
            RpcRefusal: The node refuses it.
        """
        in_pool = int(self._web3.eth.get_transaction_count(self._address, "pending"))
        nonce = self._nonces.next_free(in_pool)
        signed = self._sign(call, {**transaction, "nonce": nonce})
        self._nonces.reserve(signed)
        try:
            self._send(signed)
        except RpcRefusal as error:
            self._nonces.drop(signed)
            self._nonces.release(nonce)
            if _says(error, _NONCE_TAKEN):
                raise NonceTaken from error
            raise
        except RpcUnavailable as error:
            # Whether it arrived is unknown, so it is waited for and sent again.
            _log.warning("no answer to a transaction", extra={"reason": str(error)})
        return signed

    def confirm(self, nonce: int) -> TxReceipt | None:
        """Note which of a nonce's transactions was mined, and what it cost.

        Returns:
            Its receipt; None while none is in a block.
        """
        for broadcast in reversed(self._nonces.broadcasts(nonce)):
            receipt = fetch_receipt(self._web3, broadcast.tx_hash)
            if receipt is None:
                continue
            crash_point("transaction.mined")
            # A node that does not state the price must not lift the limit of a day.
            price = receipt.gas_price or broadcast.fees.max_fee
            wei = receipt.gas_used * price
            self._nonces.confirm(broadcast, wei=wei)
            crash_point("transaction.settled")
            if self._options.observer is not None:
                self._options.observer.transaction_mined(
                    broadcast.call, receipt.gas_used, receipt.gas_price
                )
            return receipt
        return None

    def used_count(self) -> int:
        """Nonces that are used up: transactions of the account in blocks."""
        return int(self._web3.eth.get_transaction_count(self._address))

    def resend(self, nonce: int) -> None:
        """Send a transaction again, and what must be mined before it.

        The first one that waits is replaced when it has waited long.
        """
        with self._nonces.lock:
            used = self.used_count()
            nonces = self._nonces.pending() | self._nonces.reserved()
            waiting = {one for one in nonces if one >= used}
            if not waiting:
                return
            for broadcast in self._nonces.taken_back(used, min(waiting)):
                self._send_again(broadcast)
            first = self._nonces.broadcasts(min(waiting))[-1]
            if time.time() - first.sent_at >= self._options.replace_after_seconds:
                self._replace(first)
            else:
                self._send_again(first)
            if nonce in waiting and nonce != first.nonce:
                self._send_again(self._nonces.broadcasts(nonce)[-1])

    # Sending; with the lock held

    def _sign(self, call: str, transaction: dict[str, Any]) -> Broadcast:
        signed = self._account.sign_transaction(transaction)
        return Broadcast(
            nonce=transaction["nonce"],
            tx_hash=to_hex(signed.hash),
            call=call,
            raw=bytes(signed.raw_transaction),
            gas=transaction["gas"],
            fees=Fees(
                max_fee=transaction["maxFeePerGas"],
                priority_fee=transaction["maxPriorityFeePerGas"],
            ),
            sent_at=time.time(),
        )

    def _send(self, broadcast: Broadcast) -> None:
        try:
            self._web3.eth.send_raw_transaction(HexBytes(broadcast.raw))
        except RpcRefusal as error:
            if not _says(error, _KNOWN):
                raise
        crash_point("transaction.sent")

    def _send_again(self, broadcast: Broadcast) -> None:
        try:
            self._send(broadcast)
        except RpcRefusal as error:
            if not _says(error, _NONCE_TAKEN):
                _log.warning(
                    "transaction refused",
                    extra={"tx_hash": broadcast.tx_hash, "reason": error.reason},
                )

    def _replace(self, old: Broadcast) -> None:
        """Send the same call with higher fees, or as it is where a limit forbids it."""
        facts = {"tx_hash": old.tx_hash, "call": old.call, "nonce": old.nonce}
        try:
            fees = self._raised_fees(old)
        except SpendingCapReached as error:
            if old.tx_hash not in self._warned_of:
                self._warned_of.add(old.tx_hash)
                _log.warning("stuck at a limit", extra={**facts, "reason": str(error)})
            self._send_again(old)
            return
        decoded = TypedTransaction.from_bytes(HexBytes(old.raw)).as_dict()
        kept = {name: decoded[name] for name in _KEPT_FIELDS if decoded[name]}
        new = self._sign(old.call, {**kept, **fees.to_fields(), "nonce": old.nonce})
        self._nonces.replace(new)
        try:
            self._send(new)
        except RpcRefusal as error:
            self._nonces.drop(new)
            _log.warning("not replaced", extra={**facts, "reason": error.reason})
            return
        _log.warning(
            "replaced", extra={**facts, "by": new.tx_hash, "fee": fees.max_fee}
        )

    def _raised_fees(self, old: Broadcast) -> Fees:
        cap = self._options.max_fee_per_gas_wei
        fees = raised_fees(old.fees, fetch_quote(self._web3), cap)
        if fees is None:
            raise SpendingCapReached(f"max_fee_per_gas is {cap} wei")
        self._budget.require(old.gas * fees.max_fee, replaced_nonce=old.nonce)
        return fees

    # Recovery; with the lock held

    def _recover(self) -> None:
        """Find out what became of transactions that nobody waits for."""
        orphans = sorted(self._nonces.pending() - self._nonces.reserved())
        if not orphans:
            return
        used = self.used_count()
        for nonce in [nonce for nonce in orphans if nonce < used]:
            tx_hash = self._nonces.broadcasts(nonce)[-1].tx_hash
            if self.confirm(nonce) is None:
                self._nonces.abandon(nonce)
                _log.warning("another took the nonce", extra={"tx_hash": tx_hash})
        waiting = [nonce for nonce in orphans if nonce >= used]
        in_pool = {nonce for nonce in waiting if self._is_in_pool(nonce)}
        last = max(in_pool | self._nonces.reserved(), default=-1)
        for nonce in [nonce for nonce in waiting if nonce not in in_pool]:
            newest = self._nonces.broadcasts(nonce)[-1]
            if nonce < last:
                # What comes after it waits for it.
                self._send_again(newest)
                continue
            # Dropped or never sent: whoever wanted it decides anew, and uses the nonce.
            self._nonces.abandon(nonce)
            facts = {"tx_hash": newest.tx_hash, "call": newest.call}
            _log.warning("forgot a lost transaction", extra=facts)

    def _is_in_pool(self, nonce: int) -> bool:
        return any(
            request(self._web3, "eth_getTransactionByHash", one.tx_hash) is not None
            for one in self._nonces.broadcasts(nonce)
        )


def _says(error: RpcRefusal, texts: tuple[str, ...]) -> bool:
    return any(text in error.reason.lower() for text in texts)
