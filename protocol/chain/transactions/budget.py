"""What an account may still spend on gas."""

from __future__ import annotations

import time

from protocol.chain.transactions.outbox import Outbox
from protocol.errors import SpendingCapReached

__all__ = ["GasBudget"]

_DAY_SECONDS = 24 * 3_600


class GasBudget:
    """The daily limit of one account; thread-safe."""

    def __init__(
        self, account: str, outbox: Outbox, max_wei_per_day: int | None
    ) -> None:
        """Set a limit; None for none."""
        self._account = account
        self._outbox = outbox
        self._max_wei_per_day = max_wei_per_day

    def spent_in_a_day(self) -> int:
        """Wei that gas took in the last 24 hours."""
        return self._outbox.spent_since(time.time() - _DAY_SECONDS)

    def require(self, max_wei: int, *, replaced_nonce: int | None = None) -> None:
        """Check that a transaction's gas fits into the limit.

        Args:
            max_wei: Most that its gas may cost.
            replaced_nonce: Its nonce, if others of that nonce were broadcast.

        Raises:
            SpendingCapReached: What was spent and what pending transactions may still
                spend leave too little.
        """
        if self._max_wei_per_day is None:
            return
        # Of those that share a nonce only one is mined: count the dearest.
        dearest: dict[int, int] = {}
        for broadcast in self._outbox.pending():
            nonce = broadcast.nonce
            if nonce != replaced_nonce:
                dearest[nonce] = max(dearest.get(nonce, 0), broadcast.max_wei)
        spent, open_wei = self.spent_in_a_day(), sum(dearest.values())
        if spent + open_wei + max_wei > self._max_wei_per_day:
            raise SpendingCapReached(
                f"{self._account} spent {spent} wei on gas in 24 hours and has "
                f"{open_wei} wei in transactions on their way; another {max_wei} wei "
                f"would pass max_gas_wei_per_day, {self._max_wei_per_day}: "
                "wait or raise it"
            )
