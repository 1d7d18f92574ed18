"""One round of a job, rebuilt from the marketplace's events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from eth_typing import ChecksumAddress

from protocol.market.events import (
    CommitteeDrawn,
    DrawArmed,
    Event,
    Log,
    ResultAccepted,
    ResultCommitted,
    ResultRevealed,
    RevealOpened,
    RoundSplit,
)
from protocol.market.transcript import Member, Phase, round_word, transcript
from protocol.market.types import ZERO_ADDRESS, Answer, OutcomeStatus

__all__ = ["Entry", "RoundHistory", "entries_of", "last_entry"]

_Event = TypeVar("_Event", bound=Event)
_RoundEvent = TypeVar(
    "_RoundEvent",
    DrawArmed,
    CommitteeDrawn,
    ResultCommitted,
    RevealOpened,
    ResultRevealed,
    ResultAccepted,
    RoundSplit,
)


@dataclass(frozen=True, slots=True)
class Entry(Generic[_Event]):
    """An event of a known kind, and its log.

    Attributes:
        event: What happened.
        log: Where it stands.
    """

    event: _Event
    log: Log


def entries_of(logs: Sequence[Log], kind: type[_Event]) -> tuple[Entry[_Event], ...]:
    """Events of a kind, in the order of the logs."""
    return tuple(Entry(log.event, log) for log in logs if isinstance(log.event, kind))


def last_entry(logs: Sequence[Log], kind: type[_Event]) -> Entry[_Event] | None:
    """The last event of a kind, if there is one."""
    found = entries_of(logs, kind)
    return found[-1] if found else None


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
        return cls(
            number=number,
            armed=_last_of(number, logs, DrawArmed),
            drawn=_last_of(number, logs, CommitteeDrawn),
            committed=_all_of(number, logs, ResultCommitted),
            opened=_last_of(number, logs, RevealOpened),
            revealed=_all_of(number, logs, ResultRevealed),
            accepted=_last_of(number, logs, ResultAccepted),
            split=_last_of(number, logs, RoundSplit),
        )

    @property
    def members(self) -> tuple[Member, ...]:
        """The committee's places with what each of them has done so far."""
        if self.drawn is None:
            return ()
        drawn = self.drawn.event
        commitments = {e.event.place: e.event.commitment for e in self.committed}
        answers = {e.event.place: e.event.outcome.answer() for e in self.revealed}
        places = enumerate(zip(drawn.seat_ids, drawn.workers, strict=True))
        return tuple(
            Member(seat_id, worker, commitments.get(place), answers.get(place))
            for place, (seat_id, worker) in places
        )

    @property
    def workers(self) -> frozenset[ChecksumAddress]:
        """Who is on the committee."""
        workers = () if self.drawn is None else self.drawn.event.workers
        return frozenset(workers) - {ZERO_ADDRESS}

    @property
    def answers(self) -> dict[ChecksumAddress, Answer]:
        """What each worker that revealed has answered."""
        reveals = (entry.event for entry in self.revealed)
        return {event.worker: event.outcome.answer() for event in reveals}

    @property
    def word(self) -> int:
        """The round's storage word at its end. Raises ValueError before the draw."""
        if self.drawn is None:
            raise ValueError("no committee has been drawn")
        phase, deadline = Phase.COMMITTING, self.drawn.event.commit_deadline
        if self.opened is not None:
            phase, deadline = Phase.REVEALING, self.opened.event.reveal_deadline
        return round_word(
            self.members,
            round_number=self.number,
            phase=phase,
            deadline=deadline,
            is_accepted=self._was_noted,
        )

    def transcript(self, earlier: bytes) -> bytes:
        """Hash of the round at its end; see `transcript.transcript`."""
        return transcript(self.word, self.members, earlier)

    @property
    def _was_noted(self) -> bool:
        """Whether the quorum was noted in the word: not when the end found it."""
        if self.accepted is None:
            return False
        answer, log = self.accepted.event.answer, self.accepted.log
        here = (log.block_number, log.log_index)
        revealed = [e for e in self.revealed if _position(e) < here]
        is_unavailable = answer[-1] & 3 == OutcomeStatus.INPUT_UNAVAILABLE
        return not is_unavailable and len(revealed) < len(self.committed)


def _position(entry: Entry[ResultRevealed]) -> tuple[int, int]:
    return (entry.log.block_number, entry.log.log_index)


def _all_of(
    number: int, logs: Sequence[Log], kind: type[_RoundEvent]
) -> tuple[Entry[_RoundEvent], ...]:
    return tuple(e for e in entries_of(logs, kind) if e.event.round == number)


def _last_of(
    number: int, logs: Sequence[Log], kind: type[_RoundEvent]
) -> Entry[_RoundEvent] | None:
    found = _all_of(number, logs, kind)
    return found[-1] if found else None
