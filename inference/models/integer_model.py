"""The port that integer engines implement: one step over a batch of rows.

A row is one token of one sequence at one position. Rows of a sequence come in
rising position, after all positions that the sequence has taken before, so a prompt
may be fed in pieces of any size, and sequences may join and leave between steps.
What a row yields depends on its own sequence alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.models.layout import IntegerShape

Int32Array = NDArray[np.int32]


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
        """Bytes of cache that one position of a sequence takes."""

    def open_sequence(self, capacity: int) -> int:
        """Reserves the cache of a sequence of at most `capacity` positions."""

    def close_sequence(self, sequence: int) -> None:
        """Frees it; the number may be given out again."""

    def step(
        self, pieces: Sequence[Piece], choices: Sequence[Choice | None]
    ) -> list[int]:
        """Feeds pieces and chooses the next token after each one's last row.

        Args:
            pieces: At most one per sequence.
            choices: One per piece; None where no token is wanted (the prompt
                continues): then -1 is returned in its place.
        """

    def logits(self, index: int) -> Int32Array:
        """Returns a copy of the logits after piece `index` of the last step.

        Shape (vocab_size,). Only for pieces whose choice was not None.
        """

    def trace(self, pieces: Sequence[Piece]) -> dict[str, Int32Array]:
        """Feeds one sequence and returns the operations of its last row, in order.

        Arithmetic spec, §10: operation name to its values, flattened.
        """
