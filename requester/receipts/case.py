"""A receipt under examination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from protocol.errors import BadReceipt
from protocol.hexadecimal import from_hex
from protocol.market.timeline import Timeline
from protocol.market.types import JobId, JobParams, Outcome
from requester.receipts.format import Receipt
from requester.receipts.sections import logs_of, params_of

__all__ = ["ReceiptCase", "require"]


@dataclass(frozen=True, slots=True)
class ReceiptCase:
    """A receipt under examination.

    Attributes:
        receipt: Well-formed; nothing it says is believed yet.
        params: The job's parameters as stated.
        timeline: The job's events as stated.
    """

    receipt: Receipt
    params: JobParams
    timeline: Timeline

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Take up a well-formed receipt."""
        job_id = JobId(from_hex(receipt.job_id))
        timeline = Timeline.of(job_id, logs_of(receipt))
        return cls(receipt, params_of(receipt.params), timeline)

    @property
    def job_id(self) -> JobId:
        """The job as stated."""
        return self.timeline.job_id

    @property
    def votes(self) -> int:
        """Members of the last round that gave the accepted answer."""
        answers = [*self.timeline.rounds[-1].answers.values()]
        return answers.count(self.outcome.answer())

    @property
    def outcome(self) -> Outcome:
        """The accepted outcome. Raises BadReceipt if nobody revealed it."""
        outcome = self.timeline.outcome
        if outcome is None:
            raise BadReceipt("no reveal has the accepted answer")
        return outcome


def require(condition: bool, reason: str) -> None:
    """Raise BadReceipt with the reason unless the condition holds."""
    if not condition:
        raise BadReceipt(reason)
