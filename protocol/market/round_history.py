"""One round of a job, rebuilt from the marketplace's events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_typing import ChecksumAddress

from protocol.market.events import (
    CommitteeDrawn,
    DrawArmed,
    Entry,
    Log,
    ResultAccepted,
    ResultCommitted,
    ResultRevealed,
    RevealOpened,
    RoundSplit,
    entries_of,
    last_entry,
)
from protocol.market.transcript import Phase, TranscriptMember, round_word, transcript
from protocol.market.types import Answer, OutcomeStatus

__all__ = ["Place", "RoundHistory"]


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a committee, and what its member has done so far.

    Attributes:
        number: From 0.
        seat_id: Zero for a vacant place.
        worker: The zero address for a vacant place.
        committed: Its commitment.
        revealed: Its reveal.
    """

    number: int
    seat_id: int
    worker: ChecksumAddress
    committed: Entry[ResultCommitted] | None
    revealed: Entry[ResultRevealed] | None

    @property
    def is_vacant(self) -> bool:
        """Whether nobody was drawn for it."""
        return self.seat_id == 0

    @property
    def answer(self) -> Answer | None:
        """What its member answered."""
        return None if self.revealed is None else self.revealed.event.outcome.answer()


@dataclass(frozen=True, slots=True)
class RoundHistory:
    """Everything the chain says about one round of a job.

    Attributes:
        number: From 1.
        armed: The last arming of its draw.
        drawn: Its committee.
        committed: Its commitments.
        opened: The early opening of its reveal window.
        revealed: Its reveals.
        accepted: The answer of a quorum.
        split: Its end without one, when a further round follows.
    """

    number: int
    armed: Entry[DrawArmed] | None
    drawn: Entry[CommitteeDrawn] | None
    committed: tuple[Entry[ResultCommitted], ...]
    opened: Entry[RevealOpened] | None
    revealed: tuple[Entry[ResultRevealed], ...]
    accepted: Entry[ResultAccepted] | None
    split: Entry[RoundSplit] | None

    @classmethod
    def of(cls, number: int, logs: Sequence[Log]) -> RoundHistory:
        """Rebuild a round from the events of its job, in order."""
        own = [log for log in logs if getattr(log.event, "round", None) == number]
        return cls(
            number=number,
            armed=last_entry(own, DrawArmed),
            drawn=last_entry(own, CommitteeDrawn),
            committed=entries_of(own, ResultCommitted),
            opened=last_entry(own, RevealOpened),
            revealed=entries_of(own, ResultRevealed),
            accepted=last_entry(own, ResultAccepted),
            split=last_entry(own, RoundSplit),
        )

    @property
    def places(self) -> tuple[Place, ...]:
        """The committee, place by place; empty before the draw."""
        if self.drawn is None:
            return ()
        drawn = self.drawn.event
        commits = {entry.event.place: entry for entry in self.committed}
        reveals = {entry.event.place: entry for entry in self.revealed}
        members = zip(drawn.seat_ids, drawn.workers, strict=True)
        return tuple(
            Place(number, seat_id, worker, commits.get(number), reveals.get(number))
            for number, (seat_id, worker) in enumerate(members)
        )

    @property
    def answers(self) -> dict[ChecksumAddress, Answer]:
        """What each worker that revealed has answered."""
        return {e.event.worker: e.event.outcome.answer() for e in self.revealed}

    @property
    def word(self) -> int:
        """The round's storage word at its end. Raises ValueError before the draw."""
        if self.drawn is None:
            raise ValueError("no committee has been drawn")
        phase, deadline = Phase.COMMITTING, self.drawn.event.commit_deadline
        if self.opened is not None:
            phase, deadline = Phase.REVEALING, self.opened.event.reveal_deadline
        return round_word(
            self._members,
            round_number=self.number,
            phase=phase,
            deadline=deadline,
            is_accepted=self._was_noted,
        )

    def transcript(self, earlier: bytes) -> bytes:
        """Hash of the round at its end; see `transcript.transcript`."""
        return transcript(self.word, self._members, earlier)

    @property
    def _members(self) -> list[TranscriptMember]:
        return [
            TranscriptMember(
                place.seat_id,
                place.worker,
                None if place.committed is None else place.committed.event.commitment,
                place.answer,
            )
            for place in self.places
        ]

    @property
    def _was_noted(self) -> bool:
        """Whether the quorum was noted in the word: not when the end found it."""
        if self.accepted is None:
            return False
        answer, end = self.accepted.event.answer, self.accepted.log.position
        revealed = [e for e in self.revealed if e.log.position < end]
        is_unavailable = answer[-1] & 3 == OutcomeStatus.INPUT_UNAVAILABLE
        return not is_unavailable and len(revealed) < len(self.committed)
