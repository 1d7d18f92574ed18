"""Paying out credit above a set amount."""

from __future__ import annotations

import logging

from eth_typing import ChecksumAddress

from protocol.chain.client import MarketClient
from protocol.chain.rpc.receipts import TxReceipt
from protocol.host.backoff import Pauses
from protocol.host.crash_points import crash_point
from worker.process.background import TaskPool

__all__ = ["Payout"]

logger = logging.getLogger(__name__)

_KEY = "payout"


class Payout:
    """Pays out credit above an amount. For the loop's thread."""

    def __init__(
        self,
        client: MarketClient,
        background: TaskPool,
        *,
        above: int | None,
        to: ChecksumAddress | None,
    ) -> None:
        """Describe what goes where.

        Args:
            client: Whose credit.
            background: Where transactions are sent.
            above: Credit that stays, token units; None pays nothing out.
            to: Who gets the rest; None for the account itself.
        """
        self._client = client
        self._background = background
        self._above = above
        self._to = to or client.address
        self._pauses = Pauses(first_seconds=10.0, longest_seconds=600.0)
        self._seen_block = -1

    def pay_excess(self, block_number: int) -> None:
        """Pay out what is above the amount, unless a payout is being sent.

        Args:
            block_number: Last block; the credit is asked for once for each.

        Raises:
            RpcUnavailable: The node fails.
        """
        is_idle = self._above is None or self._background.is_running(_KEY)
        if is_idle or self._pauses.is_paused(_KEY) or block_number == self._seen_block:
            return
        assert self._above is not None
        excess = self._client.account_of(self._client.address).credit - self._above
        self._seen_block = block_number
        if excess > 0:
            self._pay(excess)

    def _pay(self, amount: int) -> None:
        def work() -> TxReceipt:
            crash_point("withdraw.sending")
            result = self._client.withdraw(amount, self._to)
            crash_point("withdraw.mined")
            return result

        def done(result: TxReceipt) -> None:
            self._pauses.clear(_KEY)
            facts = {"amount": amount, "tx_hash": result.tx_hash}
            logger.info("withdrawn", extra=facts)

        def failed(error: Exception) -> None:
            self._pauses.fail(_KEY)
            logger.warning("not withdrawn", extra={"reason": str(error)})

        self._background.start(_KEY, work, done=done, failed=failed)
