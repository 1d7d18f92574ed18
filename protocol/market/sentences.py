"""A job's events told to people: one sentence each, for terminals and pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eth_typing import ChecksumAddress

from protocol.amounts import Amounts
from protocol.digests import digest_to_cid
from protocol.hexadecimal import to_hex
from protocol.market.events import (
    BountyPaid,
    CommitteeDrawn,
    DrawArmed,
    Event,
    JobCancelled,
    JobPosted,
    JobSettled,
    ResultAccepted,
    ResultCommitted,
    ResultDelivered,
    ResultRevealed,
    RevealOpened,
    RoundSplit,
    SeatSlashed,
    WorkerPaid,
)
from protocol.market.types import ZERO_ADDRESS, OutcomeStatus

__all__ = ["Sentence", "sentence_of"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """What happened.

    Attributes:
        text: The sentence, without the accounts in it.
        subject: Account that it begins with.
        objects: Accounts that it ends with.
        details: More facts, a label and a value each.
    """

    text: str
    subject: ChecksumAddress | None = None
    objects: tuple[ChecksumAddress, ...] = ()
    details: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """The whole sentence in a line, without the details."""
        parts = (self.subject, self.text, ", ".join(self.objects))
        return " ".join(part for part in parts if part)


def sentence_of(event: Event, amounts: Amounts) -> Sentence | None:
    """The sentence of an event; None for one that says nothing to people.

    Args:
        event: What happened.
        amounts: How to write amounts.
    """
    tell = _SENTENCES.get(type(event))
    return None if tell is None else tell(event, amounts.text)


_Write = Callable[[int], str]


def _posted(event: JobPosted, amount: _Write) -> Sentence:
    prompts = digest_to_cid(event.params.prompts_digest)
    details = (("Requester", event.requester), ("Prompts", prompts))
    return Sentence(f"posted, {amount(event.escrowed)} locked", details=details)


def _armed(event: DrawArmed, amount: _Write) -> Sentence:
    return Sentence(
        f"draw armed for the seed of block {event.seed_block}",
        details=(("Round", f"{event.round}"), ("Last block", f"{event.expiry_block}")),
    )


def _drawn(event: CommitteeDrawn, amount: _Write) -> Sentence:
    drawn = tuple(worker for worker in event.workers if worker != ZERO_ADDRESS)
    filled = f"{len(drawn)} of {len(event.workers)} filled"
    seed = to_hex(event.seed)
    return Sentence(
        "committee drawn:",
        objects=drawn,
        details=(("Round", f"{event.round}"), ("Places", filled), ("Seed", seed)),
    )


def _committed(event: ResultCommitted, amount: _Write) -> Sentence:
    commitment = to_hex(event.commitment)
    details = (("Place", f"{event.place}"), ("Commitment", commitment))
    return Sentence("committed", event.worker, details=details)


def _opened(event: RevealOpened, amount: _Write) -> Sentence:
    return Sentence("all have committed, reveals open")


def _revealed(event: ResultRevealed, amount: _Write) -> Sentence:
    outcome = event.outcome
    suffix = ": " + outcome.status.name.lower().replace("_", " ")
    if outcome.status == OutcomeStatus.OK:
        suffix = f", {outcome.token_count} tokens"
    details = (("Place", f"{event.place}"), ("Answer", to_hex(outcome.answer())))
    return Sentence("revealed" + suffix, event.worker, details=details)


def _accepted(event: ResultAccepted, amount: _Write) -> Sentence:
    details = (("Answer", to_hex(event.answer)),)
    return Sentence("accepted: a quorum agrees", details=details)


def _split(event: RoundSplit, amount: _Write) -> Sentence:
    return Sentence(f"round {event.round} is split, round {event.round + 1} decides")


def _paid(event: WorkerPaid, amount: _Write) -> Sentence:
    return Sentence(f"paid {amount(event.amount)}", event.worker)


def _bounty(event: BountyPaid, amount: _Write) -> Sentence:
    return Sentence(f"bounty of {amount(event.amount)} to", objects=(event.caller,))


def _slashed(event: SeatSlashed, amount: _Write) -> Sentence:
    reason = event.reason.name.lower().replace("_", " ")
    return Sentence(f"slashed {amount(event.amount)}: {reason}", event.worker)


def _settled(event: JobSettled, amount: _Write) -> Sentence:
    return Sentence(
        f"settled as {event.state.label}: {amount(event.paid)} paid, "
        f"{amount(event.fee)} fee, {amount(event.refunded)} refunded",
        details=(("Transcript", to_hex(event.transcript)),),
    )


def _cancelled(event: JobCancelled, amount: _Write) -> Sentence:
    return Sentence(f"cancelled, {amount(event.refunded)} refunded")


def _delivered(event: ResultDelivered, amount: _Write) -> Sentence:
    how = "delivered to" if event.has_succeeded else "delivered in vain to"
    return Sentence(how, objects=(event.callback,))


_SENTENCES: Mapping[type[Event], Callable[[Any, _Write], Sentence]] = {
    JobPosted: _posted,
    DrawArmed: _armed,
    CommitteeDrawn: _drawn,
    ResultCommitted: _committed,
    RevealOpened: _opened,
    ResultRevealed: _revealed,
    ResultAccepted: _accepted,
    RoundSplit: _split,
    WorkerPaid: _paid,
    BountyPaid: _bounty,
    SeatSlashed: _slashed,
    JobSettled: _settled,
    JobCancelled: _cancelled,
    ResultDelivered: _delivered,
}
