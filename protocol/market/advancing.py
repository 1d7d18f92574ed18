"""What `advance` has to do for a job, decided from facts alone."""

from __future__ import annotations

from enum import StrEnum

from protocol.market.types import JobState, Round

__all__ = ["Due", "awaits_seed", "due"]


class Due(StrEnum):
    """Why a job can be moved forward by anybody."""

    DRAW = "draw"
    SETTLE = "settle"
    EXPIRE = "expire"
    NOTHING = "nothing"


def awaits_seed(current: Round, block_number: int) -> bool:
    """Whether the draw waits for a block that is not mined yet."""
    return current.state is JobState.OPEN and block_number < current.seed_block


def due(current: Round, block_number: int, now: int) -> Due:
    """Decide whether `advance` has something to do.

    Args:
        current: The job's round as the chain has it.
        block_number: Number of the latest block; a call lands in a later one.
        now: Unix seconds; no later than the time of the next block.
    """
    if current.state is JobState.OPEN:
        if block_number >= current.expiry_block:
            return Due.EXPIRE
        return Due.DRAW if block_number >= current.seed_block else Due.NOTHING
    is_drawn = current.state in (JobState.COMMITTING, JobState.REVEALING)
    return Due.SETTLE if is_drawn and now > current.deadline else Due.NOTHING
