"""What moves a job forward, decided from facts alone."""

from __future__ import annotations

from enum import StrEnum

from protocol.market.types import JobState, Round

__all__ = ["Due", "due"]


class Due(StrEnum):
    """What a job needs next: a call of `advance`, a block, or nothing of anybody."""

    DRAW = "draw"
    SETTLE = "settle"
    EXPIRE = "expire"
    BLOCK = "block"
    NOTHING = "nothing"

    @property
    def is_call(self) -> bool:
        """Whether `advance` has something to do."""
        return self not in (Due.BLOCK, Due.NOTHING)


def due(current: Round, block_number: int, now: int) -> Due:
    """Decide what moves a job forward.

    Args:
        current: The job's round as the chain has it.
        block_number: Number of the latest block; a call lands in a later one.
        now: Unix seconds; no later than the time of the next block.

    Returns:
        What is due; `BLOCK` if the draw waits for a block that is not mined yet.
    """
    if current.state is JobState.OPEN:
        if block_number < current.seed_block:
            return Due.BLOCK
        return Due.EXPIRE if block_number >= current.expiry_block else Due.DRAW
    is_drawn = current.state in (JobState.COMMITTING, JobState.REVEALING)
    return Due.SETTLE if is_drawn and now > current.deadline else Due.NOTHING
