"""An integer model whose logits are a hash of the tokens fed: for the scheduler.

It holds its caller to the contract: pieces in order, within capacity, one per sequence.
It reserves caches in blocks of 32 positions, as the native model does.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from inference.models.integer_model import Choice, Int32Array, Piece
from inference.models.layout import IntegerShape
from inference.models.sampling import choose_token
from inference.profiles import W8A16
from tests.support.models.random_models import random_shape

TOKEN_BYTES = 10


class FakeModel:
    """Keeps what every step did.

    Attributes:
        steps: The pieces of every step.
        open: Capacity of every open sequence by its number.
        most_bytes: Most cache memory that was reserved at a time.
        fails_at: Number of the step that raises, if any.
    """

    def __init__(
        self, *, vocab_size: int = 30, context_length: int = 64, end_of_text: int | None
    ) -> None:
        self.shape: IntegerShape = random_shape(
            W8A16,
            vocab_size=vocab_size,
            context_length=context_length,
            end_of_text=end_of_text,
        )
        self.steps: list[list[Piece]] = []
        self.open: dict[int, int] = {}
        self.max_bytes = 0
        self.fails_at: int | None = None
        self._fed: dict[int, list[int]] = {}
        self._logits: dict[int, Int32Array] = {}

    def bytes_per_token(self) -> int:
        return TOKEN_BYTES

    def open_sequence(self, capacity: int) -> int:
        assert 1 <= capacity <= self.shape.context_length
        number = min(set(range(len(self.open) + 1)) - set(self.open))
        self.open[number] = capacity
        self._fed[number] = []
        reserved = sum(-(-capacity // 32) * 32 for capacity in self.open.values())
        self.max_bytes = max(self.max_bytes, reserved * TOKEN_BYTES)
        return number

    def close_sequence(self, sequence: int) -> None:
        del self.open[sequence], self._fed[sequence]

    def step(
        self, pieces: Sequence[Piece], choices: Sequence[Choice | None]
    ) -> list[int]:
        if len(self.steps) == self.fails_at:
            raise RuntimeError("the model broke")
        assert len({piece.sequence for piece in pieces}) == len(pieces) == len(choices)
        self.steps.append(list(pieces))
        self._logits = {}
        return [
            self._feed(index, piece, choice)
            for index, (piece, choice) in enumerate(zip(pieces, choices, strict=True))
        ]

    def logits(self, index: int) -> Int32Array:
        return self._logits[index].copy()

    def trace(self, pieces: Sequence[Piece]) -> dict[str, Int32Array]:
        self.step(pieces, [Choice(0, 0, 1, 0)] * len(pieces))
        return {"embed": np.array([1, -2], np.int32), "head": self.logits(0)}

    def _feed(self, index: int, piece: Piece, choice: Choice | None) -> int:
        fed = self._fed[piece.sequence]
        assert piece.ids
        assert piece.start == len(fed)
        fed += piece.ids
        assert len(fed) <= self.open[piece.sequence]
        if choice is None:
            return -1
        self._logits[index] = self.logits_after(fed)
        return choose_token(self._logits[index], choice)

    def logits_after(self, ids: Sequence[int]) -> Int32Array:
        """The logits after these tokens, whoever fed them and how."""
        digest = hashlib.sha256(repr(list(ids)).encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        reach = 200_000
        return rng.integers(-reach, reach, self.shape.vocab_size, np.int32)
