"""An account's transactions in the order of their nonces, from signing to a receipt.

A nonce is used once on a chain, so whatever happens to this process, to a node or to
its pool, at most one of the transactions that share a nonce is mined. That is why a
transaction that may be lost is sent again, or replaced, under the nonce it has.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3 import Web3

from protocol.chain.rpc.provider import RpcRefusal, request
from protocol.chain.rpc.receipts import Mined, mined_of
from protocol.chain.transactions.fees import Fees, Quote, raised_fees
from protocol.chain.transactions.options import SenderOptions
from protocol.chain.transactions.outbox import Broadcast, Outbox
from protocol.errors import RpcUnavailable, SpendingCapReached
from protocol.hexadecimal import to_hex
from protocol.host.crash_points import crash_point

__all__ = ["DAY_SECONDS", "Line", "NonceTaken", "fields_of"]

_log = logging.getLogger(__name__)

DAY_SECONDS = 24 * 3_600.0
_MINED_KEPT = 64

# How nodes say that another transaction has a nonce, and that they know one.
_NONCE_TAKEN = ("nonce too low", "underpriced", "nonce is too low", "invalid nonce")
_KNOWN = ("already known", "already imported", "known transaction")


class NonceTaken(Exception):
    """Another transaction has the nonce; nothing of ours can be mined with it."""


_Watched = dict[int, list[Broadcast]]

# What the senders of one key in this process share outlives them: a lock, and of each
# outbox file the nonces that somebody waits for, since another process may clear up the
# file meanwhile, and what was mined lately, since that may be taken back.
_File = tuple[int, str, Path]
_locks: dict[tuple[int, str], threading.Lock] = {}
_watched: dict[_File, _Watched] = {}
_mined_lately: dict[_File, dict[int, Broadcast]] = {}
_guard = threading.Lock()


class Line:
    """The line of one account. Thread-safe where its methods say so."""

    def __init__(
        self,
        web3: Web3,
        account: LocalAccount,
        chain_id: int,
        outbox: Outbox,
        options: SenderOptions,
    ) -> None:
        """Take the connection, the key, the memory and the limits."""
        self._web3 = web3
        self._account = account
        self._address = to_checksum_address(account.address)
        self._outbox = outbox
        self._options = options
        key = (chain_id, self._address)
        path = options.outbox_path
        with _guard:
            self._lock = _locks.setdefault(key, threading.Lock())
            self._watched: _Watched = {}
            self._mined_lately: dict[int, Broadcast] = {}
            if path is not None:
                file = (*key, path.resolve())
                self._watched = _watched.setdefault(file, {})
                self._mined_lately = _mined_lately.setdefault(file, {})
        # Those of which it was said already.
        self._limited: set[str] = set()

    @property
    def address(self) -> ChecksumAddress:
        """The account's address."""
        return self._address

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the line, with what earlier processes left in it cleared up.

        Raises:
            RpcUnavailable: The node failed.
        """
        with self._lock:
            self._clear_up()
            yield

    def pending_count(self) -> int:
        """Nonces that were broadcast and are not settled; any thread."""
        return len({broadcast.nonce for broadcast in self._outbox.pending()})

    def spent_in_a_day(self) -> int:
        """Wei that gas took in the last 24 hours; any thread."""
        return self._outbox.spent_since(time.time() - DAY_SECONDS)

    def quote(self) -> Quote:
        """What gas costs now; any thread."""
        eth = self._web3.eth
        block = eth.get_block("latest")
        base_fee = block.get("baseFeePerGas", 0)
        # `eth_gasPrice` is base fee plus the priority fee that the node suggests.
        priority_fee = max(eth.gas_price - base_fee, 0)
        return Quote(
            base_fee=base_fee, priority_fee=priority_fee, block_gas=block["gasLimit"]
        )

    # Broadcasting, in turn

    def require_budget(self, max_wei: int, *, nonce: int | None = None) -> None:
        """Check the day's limit before a transaction; within a turn.

        Args:
            max_wei: What its gas may cost.
            nonce: The nonce, if it replaces another.

        Raises:
            SpendingCapReached: What was spent and what may still be spent by pending
                ones leave too little.
        """
        cap = self._options.max_gas_wei_per_day
        if cap is None:
            return
        at_most: dict[int, int] = {}
        for broadcast in self._outbox.pending():
            dearest = max(at_most.get(broadcast.nonce, 0), broadcast.max_wei)
            at_most[broadcast.nonce] = dearest
        if nonce is not None:
            at_most.pop(nonce, None)
        spent, open_wei = self.spent_in_a_day(), sum(at_most.values())
        if spent + open_wei + max_wei > cap:
            raise SpendingCapReached(
                f"{self._address} spent {spent} wei on gas in 24 hours and has "
                f"{open_wei} wei in transactions on their way; another {max_wei} wei "
                f"would pass max_gas_wei_per_day, {cap}: wait or raise it"
            )

    def broadcast(self, call: str, transaction: dict[str, Any]) -> int:
        """Sign a transaction, write it down and send it; within a turn.

        Whoever calls must `leave` the nonce in the end.

        Args:
            call: What it calls, for messages.
            transaction: All of it but the nonce.

        Returns:
            Its nonce.

        Raises:
            NonceTaken: Another process used the nonce; try again.
            RpcRefusal: The node refuses it.
        """
        nonce = self._next_nonce()
        signed = self._signed(call, {**transaction, "nonce": nonce})
        self._watched[nonce] = [signed]
        try:
            self._send(signed)
        except RpcRefusal as error:
            # It can never be mined: no node passed it on.
            self._outbox.drop(signed.tx_hash)
            self.leave(nonce)
            if _says(error, _NONCE_TAKEN):
                raise NonceTaken from error
            raise
        except RpcUnavailable as error:
            # Whether it arrived is unknown, so it is waited for and sent again.
            _log.warning("no answer to a transaction", extra={"reason": str(error)})
        return nonce

    def _next_nonce(self) -> int:
        nonce = int(self._web3.eth.get_transaction_count(self._address, "pending"))
        # The first free one: a gap that a reorganisation left stops all behind it.
        pending = {broadcast.nonce for broadcast in self._outbox.pending()}
        while nonce in pending:
            nonce += 1
        return nonce

    def _signed(self, call: str, transaction: dict[str, Any]) -> Broadcast:
        signed = self._account.sign_transaction(transaction)
        broadcast = Broadcast(
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
        self._outbox.add(broadcast)
        crash_point("transaction.written")
        return broadcast

    def _send(self, broadcast: Broadcast) -> None:
        try:
            self._web3.eth.send_raw_transaction(HexBytes(broadcast.raw))
        except RpcRefusal as error:
            if not _says(error, _KNOWN):
                raise
        crash_point("transaction.sent")

    # Watching, any thread

    def find_mined(self, nonce: int) -> Mined | None:
        """The one of a nonce's transactions that is in a block, now settled.

        Raises:
            RpcUnavailable: The node failed.
        """
        for broadcast in reversed(self._of(nonce)):
            tx_hash = broadcast.tx_hash
            receipt = request(self._web3, "eth_getTransactionReceipt", tx_hash)
            if receipt is not None and receipt.get("blockNumber") is not None:
                mined = mined_of(tx_hash, receipt)
                self._settle(broadcast, mined)
                return mined
        return None

    def is_used(self, nonce: int) -> bool:
        """Whether a transaction of this nonce is in a block, ours or not."""
        return nonce < self._web3.eth.get_transaction_count(self._address)

    def give_up(self, nonce: int) -> None:
        """Forget a nonce that another transaction has."""
        self._outbox.settle(nonce, wei=0, now=time.time())

    def leave(self, nonce: int) -> None:
        """Nobody waits for this nonce any more."""
        self._watched.pop(nonce, None)

    def hashes(self, nonce: int) -> list[str]:
        """Hashes under which a nonce was broadcast, the newest last."""
        return [broadcast.tx_hash for broadcast in self._of(nonce)]

    def care(self, nonce: int) -> None:
        """Send a waiting transaction again, or replace whatever the line waits for.

        Raises:
            RpcUnavailable: The node failed.
        """
        with self._lock:
            used = self._web3.eth.get_transaction_count(self._address)
            nonces = {x.nonce for x in self._outbox.pending()} | self._watched.keys()
            waiting = {one for one in nonces if one >= used}
            if not waiting:
                return
            # Mined once, and taken back by a reorganisation.
            for gap in sorted({*range(used, min(waiting))} & {*self._mined_lately}):
                self._send_again(self._mined_lately[gap])
            first = self._of(min(waiting))[-1]
            age = time.time() - first.sent_at
            if age >= self._options.replace_after_seconds:
                self._replace(first)
            else:
                self._send_again(first)
            if nonce in waiting and nonce != first.nonce:
                self._send_again(self._of(nonce)[-1])

    def _of(self, nonce: int) -> list[Broadcast]:
        """All of a nonce, the cheapest first."""
        found = {x.tx_hash: x for x in self._watched.get(nonce, ())}
        found |= {x.tx_hash: x for x in self._outbox.pending() if x.nonce == nonce}
        return sorted(found.values(), key=lambda x: x.fees.max_fee)

    def _settle(self, broadcast: Broadcast, mined: Mined) -> None:
        crash_point("transaction.mined")
        wei = mined.gas_used * mined.gas_price
        self._mined_lately[broadcast.nonce] = broadcast
        self._mined_lately.pop(broadcast.nonce - _MINED_KEPT, None)
        self._outbox.settle(broadcast.nonce, wei=wei, now=time.time())
        crash_point("transaction.settled")
        if self._options.observer is not None:
            self._options.observer.transaction_mined(
                broadcast.call, mined.gas_used, mined.gas_price
            )

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
        """The same call with higher fees, if the limits allow it."""
        facts = {"tx_hash": old.tx_hash, "call": old.call, "nonce": old.nonce}
        cap = self._options.max_fee_per_gas_wei
        fees = raised_fees(old.fees, self.quote(), cap)
        try:
            if fees is None:
                raise SpendingCapReached(f"max_fee_per_gas is {cap} wei")
            self.require_budget(old.gas * fees.max_fee, nonce=old.nonce)
        except SpendingCapReached as error:
            if old.tx_hash not in self._limited:
                self._limited.add(old.tx_hash)
                _log.warning("stuck at a limit", extra={**facts, "reason": str(error)})
            self._send_again(old)
            return
        transaction = TypedTransaction.from_bytes(HexBytes(old.raw)).as_dict()
        kept = {name: transaction[name] for name in _KEPT_FIELDS if transaction[name]}
        new = self._signed(old.call, {**kept, **fields_of(fees), "nonce": old.nonce})
        watched = self._watched.get(old.nonce, [])
        watched.append(new)
        try:
            self._send(new)
        except RpcRefusal as error:
            # Not passed on, so it does not count.
            self._outbox.drop(new.tx_hash)
            watched.remove(new)
            _log.warning("not replaced", extra={**facts, "reason": error.reason})
            return
        _log.warning(
            "replaced", extra={**facts, "by": new.tx_hash, "fee": fees.max_fee}
        )

    # Clearing up

    def _clear_up(self) -> None:
        """Find out what became of transactions that nobody waits for."""
        pending = {x.nonce for x in self._outbox.pending()}
        orphans = sorted(pending - self._watched.keys())
        if not orphans:
            return
        used = self._web3.eth.get_transaction_count(self._address)
        for nonce in [nonce for nonce in orphans if nonce < used]:
            hashes = self.hashes(nonce)
            if self.find_mined(nonce) is None:
                self.give_up(nonce)
                _log.warning("another took the nonce", extra={"tx_hash": hashes[-1]})
        waiting = [nonce for nonce in orphans if nonce >= used]
        known = {nonce for nonce in waiting if self._is_known(nonce)}
        needed = max(known | self._watched.keys(), default=-1)
        for nonce in waiting:
            newest = self._of(nonce)[-1]
            if nonce in known:
                continue
            if nonce < needed:
                # What comes after it waits for it.
                self._send_again(newest)
                continue
            # Dropped or never sent: whoever wanted it decides anew, and uses the nonce.
            self.give_up(nonce)
            facts = {"tx_hash": newest.tx_hash, "call": newest.call}
            _log.warning("forgot a lost transaction", extra=facts)

    def _is_known(self, nonce: int) -> bool:
        return any(
            request(self._web3, "eth_getTransactionByHash", tx_hash) is not None
            for tx_hash in self.hashes(nonce)
        )


_KEPT_FIELDS = ("type", "chainId", "to", "data", "value", "gas")


def fields_of(fees: Fees) -> dict[str, int]:
    """Fees as a transaction holds them."""
    return {"maxFeePerGas": fees.max_fee, "maxPriorityFeePerGas": fees.priority_fee}


def _says(error: RpcRefusal, texts: tuple[str, ...]) -> bool:
    return any(text in error.reason.lower() for text in texts)
