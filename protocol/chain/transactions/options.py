"""How an account's transactions are sent: time-outs, limits, outbox and observer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = [
    "REPLACE_AFTER_SECONDS",
    "SendObserver",
    "SenderOptions",
]

REPLACE_AFTER_SECONDS = 30.0


class SendObserver(Protocol):
    """Observes what transactions cost, for metrics. Called from any thread."""

    def transaction_mined(self, call: str, gas_used: int, gas_price_wei: int) -> None:
        """A transaction was mined, and paid for even where it failed."""
        ...

    def set_gas_is_low(self, is_low: bool) -> None:
        """Whether the account had little money for gas before it sent."""
        ...


@dataclass(frozen=True, slots=True)
class SenderOptions:
    """How one account sends. The defaults set no limit and remember nothing.

    Attributes:
        receipt_timeout_seconds: How long a send waits until its transaction is mined.
        replace_after_seconds: A transaction that is not mined after so long is sent
            again with higher fees, and again after as long.
        max_fee_per_gas_wei: Most to pay for a unit of gas; None for any price.
        max_gas_wei_per_day: Most to spend on gas in any 24 hours; None for no limit.
        low_balance_wei: Warn when less than this is left for gas; None warns when
            twenty more transactions like the one just priced could not be paid.
        outbox_path: SQLite file that remembers what was broadcast across restarts;
            several keys can share one. None remembers in memory only.
        observer: Who is told what was spent.
    """

    receipt_timeout_seconds: float = 120.0
    replace_after_seconds: float = REPLACE_AFTER_SECONDS
    max_fee_per_gas_wei: int | None = None
    max_gas_wei_per_day: int | None = None
    low_balance_wei: int | None = None
    outbox_path: Path | None = None
    observer: SendObserver | None = None
