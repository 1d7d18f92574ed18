"""A cache of receipts: that of a settled job never changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from typing import Any

from gateway.errors import NothingFound
from gateway.jobs.market_access import MarketAccess
from protocol.errors import RequestError
from protocol.hexadecimal import to_hex
from protocol.market.types import JobId
from requester.receipts.build import build

__all__ = ["ReceiptCache"]


class ReceiptCache:
    """Makes receipts, and keeps the last ones; may be shared between threads."""

    def __init__(self, access: MarketAccess, *, max_receipts: int = 256) -> None:
        """Take the market.

        Args:
            access: The market.
            max_receipts: Receipts to keep.
        """
        self._access = access
        self._max_receipts = max_receipts
        self._kept: OrderedDict[JobId, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def receipt(
        self, job_id: JobId, outputs: Collection[int] | None = None
    ) -> dict[str, Any]:
        """A job's receipt.

        Args:
            job_id: The job.
            outputs: Indices of the outputs to show; all of them if None.

        Raises:
            NothingFound: There is no such job or output, or it was not accepted.
            ChainError: The chain does not answer.
            StoreError: The results cannot be had.
        """
        whole = self._whole(job_id)
        if outputs is None:
            return whole
        wanted = set(outputs)
        chosen = [one for one in whole["outputs"] if one["index"] in wanted]
        if len(chosen) != len(wanted):
            count = len(whole["outputs"])
            raise NothingFound(
                f"job {to_hex(job_id)} has the outputs 0 to {count - 1}",
                param="output",
            )
        return {**whole, "outputs": chosen}

    def _whole(self, job_id: JobId) -> dict[str, Any]:
        with self._lock:
            kept = self._kept.get(job_id)
            if kept is not None:
                self._kept.move_to_end(job_id)
                return kept
        made = self._build(job_id)
        with self._lock:
            self._kept[job_id] = made
            while len(self._kept) > self._max_receipts:
                self._kept.popitem(last=False)
        return made

    def _build(self, job_id: JobId) -> dict[str, Any]:
        posted = self._access.find_posting(job_id)
        if posted is None:
            raise NothingFound(
                f"job {to_hex(job_id)} was never posted on this marketplace",
                param="job_id",
            )
        try:
            return build(self._access.job(posted))
        except RequestError as error:
            raise NothingFound(str(error), param="job_id") from error
