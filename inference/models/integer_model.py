"""The port that integer engines implement: one step over a batch of rows.

A row is one token of one sequence at one position. Rows of a sequence come in
rising position, after all positions that the sequence has taken before, so a prompt
may be fed in pieces of any size, and sequences may join and leave between steps.
What a row yields depends on its own sequence alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.errors import SequenceError
from inference.models.layout import IntegerShape

Int32Array = NDArray[np.int32]

NOT_OPEN: Final = "no open sequence has this number"
REPEATED: Final = "a second piece of the same sequence"
BAD_START: Final = "does not start where the sequence ends"
NO_TOKENS: Final = "has no tokens"
NO_ROOM: Final = "does not fit the sequence's capacity"
BAD_TOKEN: Final = "has an id outside the vocabulary"
BAD_CHOICE: Final = "has a choice outside the ranges of the arithmetic"


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive tokens of one sequence, fed in one step.

    Attributes:
        sequence: Number that `IntegerModel.open_sequence` returned.
        start: Position of the first token; equals the tokens fed before.
        ids: The tokens, at least one.
    """

    sequence: int
    start: int
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """How to choose the token after a piece: arithmetic spec, §8.

    Attributes:
        temperature: In millionths, 0 is greedy.
        top_k: Tokens kept, 0 for all.
        top_p: Share of the weight kept, in millionths.
        draw: The 64-bit number `r`; unused when greedy.
    """

    temperature: int
    top_k: int
    top_p: int
    draw: int


class IntegerModel(Protocol):
    """Computes logits by the arithmetic spec; not safe for use by two threads."""

    @property
    def shape(self) -> IntegerShape:
        """The model's shape and profile."""

    def bytes_per_token(self) -> int:
        """Bytes of cache that one position of a sequence takes.

        A cache may be made of whole blocks of positions, so a short one takes more.
        """

    def open_sequence(self, capacity: int) -> int:
        """Reserves the cache of a sequence of at most `capacity` positions.

        Raises:
            SequenceError: `capacity` is not 1 to the context length.
            CacheOverflow: The machine has not enough memory.
        """

    def close_sequence(self, sequence: int) -> None:
        """Frees it; the number may be given out again.

        Raises:
            SequenceError: There is none of that number.
        """

    def step(
        self, pieces: Sequence[Piece], choices: Sequence[Choice | None]
    ) -> list[int]:
        """Feeds pieces and chooses the next token after each one's last row.

        Args:
            pieces: At most one per sequence.
            choices: One per piece; None where no token is wanted (the prompt
                continues): then -1 is returned in its place.

        Raises:
            SequenceError: A piece is not the continuation of an open sequence, two
                are of the same, or a choice is out of range. Nothing was fed then.
            CacheOverflow: The machine has not enough memory for so many rows.
        """

    def logits(self, index: int) -> Int32Array:
        """Returns a copy of the logits after piece `index` of the last step.

        Shape (vocab_size,).

        Raises:
            SequenceError: No token was chosen after that piece.
        """

    def trace(self, pieces: Sequence[Piece]) -> dict[str, Int32Array]:
        """Feeds one sequence and returns the operations of its last row, in order.

        Arithmetic spec, §10: operation name to its values, flattened.

        Args:
            pieces: At least one, all of the same sequence.

        Raises:
            SequenceError: The pieces are not those of one open sequence.
        """


def check_capacity(capacity: int, shape: IntegerShape) -> None:
    """Checks how long a sequence may become. Raises SequenceError."""
    if not 1 <= capacity <= shape.context_length:
        raise SequenceError(
            "capacity",
            capacity,
            "not a number of positions of this model",
            f"give 1 to {shape.context_length}",
        )


def check_choices(pieces: Sequence[Piece], choices: Sequence[Choice | None]) -> None:
    """Checks that there is a choice, or none, for each piece. Raises SequenceError."""
    if len(pieces) != len(choices):
        raise SequenceError(
            "choices",
            len(choices),
            f"there are {len(pieces)} pieces",
            "give one choice, or none, per piece",
        )


def check_traced(pieces: Sequence[Piece]) -> None:
    """Checks that pieces to trace are of one sequence. Raises SequenceError."""
    if len({piece.sequence for piece in pieces}) != 1:
        raise SequenceError(
            "pieces", len(pieces), "not of one sequence", "trace one at a time"
        )


def refused(field: str, value: object, problem: str) -> SequenceError:
    """Returns the error for a piece that may not be fed."""
    remedy = "feed each open sequence in order, once per step"
    return SequenceError(field, value, problem, remedy)


def unknown_sequence(sequence: int) -> SequenceError:
    """Returns the error for a number that is no open sequence's."""
    return SequenceError(
        "sequence",
        sequence,
        NOT_OPEN,
        "use what open_sequence returned, until close_sequence",
    )


def no_logits(index: int) -> SequenceError:
    """Returns the error for a piece after which no token was chosen."""
    return SequenceError(
        "index",
        index,
        "the last step chose no token there",
        "ask for a piece of the last step that had a choice",
    )
