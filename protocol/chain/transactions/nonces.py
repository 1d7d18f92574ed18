"""Which nonces of an account are in use, and by which transactions.

A nonce is used once on a chain, so whatever happens to this process, to a node or to
its pool, at most one of the transactions that share a nonce is mined. That is why a
transaction that may be lost is sent again, or replaced, under the nonce it has.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from protocol.chain.transactions.outbox import Broadcast, Outbox
from protocol.host.crash_points import crash_point

__all__ = ["NONCE_REGISTRY", "NonceManager", "NonceRegistry", "NonceState"]

# How deep a reorganisation may be whose transactions are sent again.
_MINED_KEPT = 64


@dataclass(frozen=True, slots=True)
class NonceState:
    """What all senders of a key in this process share of one outbox.

    Attributes:
        lock: Held by the sender that broadcasts; one for all outboxes of the key.
        reserved: Transactions of each nonce that a sender waits for. The outbox does
            not tell: another process may settle it meanwhile.
        mined: Transactions that were mined lately, by nonce. A reorganisation may take
            them back.
    """

    lock: threading.Lock
    reserved: dict[int, list[Broadcast]] = field(default_factory=dict)
    mined: dict[int, Broadcast] = field(default_factory=dict)


class NonceRegistry:
    """The nonce states of a process. Thread-safe; they outlive the senders."""

    def __init__(self) -> None:
        """Start with no states."""
        self._guard = threading.Lock()
        self._locks: dict[tuple[int, str], threading.Lock] = {}
        self._states: dict[tuple[int, str, Path], NonceState] = {}

    def state_of(self, chain_id: int, account: str, path: Path | None) -> NonceState:
        """The state that senders of one key and outbox file share.

        Args:
            chain_id: Chain of the transactions.
            account: Address of the key.
            path: The file; None for an outbox in memory, which nobody shares.
        """
        with self._guard:
            lock = self._locks.setdefault((chain_id, account), threading.Lock())
            if path is None:
                return NonceState(lock)
            key = (chain_id, account, path.resolve())
            return self._states.setdefault(key, NonceState(lock))


NONCE_REGISTRY = NonceRegistry()
"""Where senders of the same key in this process meet."""


class NonceManager:
    """The nonces of one account. Thread-safe, but reserve with `lock` held."""

    def __init__(self, outbox: Outbox, state: NonceState) -> None:
        """Go on from what the outbox and this process remember.

        Args:
            outbox: Where broadcast transactions are written down.
            state: What other senders of the account share, from `NONCE_REGISTRY`.
        """
        self._outbox = outbox
        self._state = state

    @property
    def lock(self) -> threading.Lock:
        """To hold from the choice of a nonce until its transaction is sent."""
        return self._state.lock

    def pending(self) -> set[int]:
        """Nonces that were broadcast and are neither mined nor abandoned."""
        return {broadcast.nonce for broadcast in self._outbox.pending()}

    def reserved(self) -> set[int]:
        """Nonces that a sender of this process waits for."""
        return {*self._state.reserved}

    def next_free(self, first: int) -> int:
        """The first nonce from `first` on that no pending transaction has.

        A gap that a reorganisation left stops all transactions behind it.
        """
        pending = self.pending()
        while first in pending:
            first += 1
        return first

    def reserve(self, broadcast: Broadcast) -> None:
        """Write a transaction down before it is sent, and keep its nonce for it.

        Whoever calls must `release` the nonce in the end.
        """
        self._write(broadcast)
        self._state.reserved[broadcast.nonce] = [broadcast]

    def replace(self, broadcast: Broadcast) -> None:
        """Write down another transaction of a nonce, before it is sent."""
        self._write(broadcast)
        # Whoever waited may release the nonce meanwhile, on another thread.
        of_nonce = self._state.reserved.get(broadcast.nonce)
        if of_nonce is not None:
            of_nonce.append(broadcast)

    def drop(self, broadcast: Broadcast) -> None:
        """Forget a transaction that no node took, so that it cannot be mined."""
        self._outbox.drop(broadcast.tx_hash)
        of_nonce = self._state.reserved.get(broadcast.nonce, [])
        if broadcast in of_nonce:
            of_nonce.remove(broadcast)

    def confirm(self, broadcast: Broadcast, *, wei: int) -> None:
        """A transaction was mined, and its gas cost so much."""
        mined = self._state.mined
        mined[broadcast.nonce] = broadcast
        mined.pop(broadcast.nonce - _MINED_KEPT, None)
        self._outbox.settle(broadcast.nonce, wei=wei, now=time.time())

    def abandon(self, nonce: int) -> None:
        """Forget all transactions of a nonce: they are lost, or another has it."""
        self._outbox.settle(nonce, wei=0, now=time.time())

    def release(self, nonce: int) -> None:
        """Nobody waits for a nonce any more."""
        self._state.reserved.pop(nonce, None)

    def broadcasts(self, nonce: int) -> list[Broadcast]:
        """All transactions of a nonce, the one with the highest fee last."""
        found = {x.tx_hash: x for x in self._state.reserved.get(nonce, ())}
        found |= {x.tx_hash: x for x in self._outbox.pending() if x.nonce == nonce}
        return sorted(found.values(), key=lambda x: x.fees.max_fee)

    def taken_back(self, used: int, before: int) -> list[Broadcast]:
        """Transactions that were mined once and, by the chain, are not.

        Args:
            used: Nonces that the chain has used, by its count.
            before: Only those with a lower nonce.
        """
        mined = self._state.mined
        return [mined[nonce] for nonce in range(used, before) if nonce in mined]

    def _write(self, broadcast: Broadcast) -> None:
        self._outbox.add(broadcast)
        crash_point("transaction.written")
