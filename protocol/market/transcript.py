"""What a round's end hashes into its transcript: the twin of `Settlement._endRound`.

The transcript is ``keccak256(abi.encode(bytes32 earlier, RoundWord, address[] workers,
bytes32[] answers))`` over the places of the committee; `earlier` is the transcript of
the round before, zero in the first one. Of the round it needs the word as it stood at
the end, packed as `contracts/src/types/RoundWord.sol` packs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak

from protocol.market.types import JobState

__all__ = ["Phase", "TranscriptMember", "final_word", "round_word", "transcript"]

_SEAT_BITS = 20
_TIME_AT = 8
_ROUND_AT = 4
_SEATS_AT = 48
_COMMITTED_AT = 228
_REVEALED_AT = 237
_ACCEPTED_AT = 246


class Phase(IntEnum):
    """Phases of a drawn round (`Phase` in `types/RoundWord.sol`)."""

    COMMITTING = 2
    REVEALING = 3


@dataclass(frozen=True, slots=True)
class TranscriptMember:
    """One place of the committee at the round's end.

    Attributes:
        seat_id: Zero for a vacant place.
        worker: The zero address for a vacant place.
        commitment: None if it never committed.
        answer: None if it never revealed.
    """

    seat_id: int
    worker: ChecksumAddress
    commitment: bytes | None
    answer: bytes | None

    @property
    def word(self) -> bytes:
        """What stands in the seat's answer slot, zero where nothing was committed."""
        return self.answer or self.commitment or bytes(32)


def round_word(
    members: Sequence[TranscriptMember],
    *,
    round_number: int,
    phase: Phase,
    deadline: int,
    is_accepted: bool,
) -> int:
    """The storage word of a drawn round.

    Args:
        members: The places, in order.
        round_number: From 1.
        phase: Revealing if all committed before the window ended, else Committing.
        deadline: Of the reveal window in the first case, else of the commit window.
        is_accepted: Whether a quorum was noted before the last reveal.

    Returns:
        The word.
    """
    word = phase | round_number << _ROUND_AT | deadline << _TIME_AT
    word |= is_accepted << _ACCEPTED_AT
    for place, member in enumerate(members):
        word |= member.seat_id << (_SEATS_AT + _SEAT_BITS * place)
        word |= (member.commitment is not None) << (_COMMITTED_AT + place)
        word |= (member.answer is not None) << (_REVEALED_AT + place)
    return word


def transcript(word: int, members: Sequence[TranscriptMember], earlier: bytes) -> bytes:
    """The 32 bytes that `RoundSplit` or `JobSettled` carries.

    Args:
        word: The round's word at its end.
        members: The places, in order.
        earlier: Transcript of the round before; zero for the first.
    """
    workers = [member.worker for member in members]
    answers = [member.word for member in members]
    types = ["bytes32", "uint256", "address[]", "bytes32[]"]
    return keccak(encode(types, [earlier, word, workers, answers]))


def final_word(state: JobState, answer: bytes, transcript: bytes) -> int:
    """The storage word of a job that has ended.

    Args:
        state: Accepted or Failed.
        answer: The accepted answer; zero if there is none.
        transcript: Of all rounds.
    """
    record = int.from_bytes(keccak(answer + transcript))
    return record >> 8 << 8 | state
