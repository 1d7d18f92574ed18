"""The integer engine: `Engine` by the arithmetic spec, on any integer model."""

from collections.abc import Sequence

from inference.engine import Generation, GenerationRequest, ModelLimits
from inference.engines.scheduler import Scheduler
from inference.errors import InvalidPrompt
from inference.models.integer_model import IntegerModel, Piece
from inference.trace import PositionTrace, hash_operations

DEFAULT_CACHE_BYTES = 2**30
DEFAULT_PREFILL_ROWS = 512


class IntegerEngine:
    """An `Engine` whose answers are the same on every machine.

    Requests run together; not safe for use by two threads.
    """

    def __init__(
        self,
        model: IntegerModel,
        vocabulary: Sequence[bytes],
        *,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        prefill_rows: int = DEFAULT_PREFILL_ROWS,
    ) -> None:
        """Wraps a model that is ready to run.

        Args:
            model: What computes.
            vocabulary: The byte string of every token id.
            cache_bytes: Most memory of all sequences together.
            prefill_rows: Most rows of one step.

        Raises:
            InvalidSetting: A setting is unusable, or the vocabulary is not the
                model's.
        """
        self._model = model
        self._scheduler = Scheduler(
            model, vocabulary, cache_bytes=cache_bytes, prefill_rows=prefill_rows
        )

    @property
    def profile(self) -> str:
        """Name of the model's integer profile."""
        return self._model.shape.profile.name

    @property
    def limits(self) -> ModelLimits:
        """What the loaded model accepts."""
        return self._model.shape.limits

    @property
    def scheduler(self) -> Scheduler:
        """For callers that add jobs while others run; `generate` uses it too."""
        return self._scheduler

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """Answers every request, in order, as if each were alone.

        Jobs that were submitted to the scheduler go on meanwhile.

        Raises:
            InvalidRequest: A request is malformed or beyond the model's limits.
            CacheOverflow: A request alone needs more than `cache_bytes`.
        """
        handle = self._scheduler.submit(requests)
        try:
            while self._scheduler.is_unfinished(handle):
                self._scheduler.run_step()
            return self._scheduler.take(handle)
        finally:
            # After an error or an interrupt; else there is nothing left to cancel.
            self._scheduler.cancel(handle)

    def trace(self, ids: Sequence[int]) -> PositionTrace:
        """Returns the operations of the position of the last id, hashed (§10).

        Args:
            ids: A prompt, or a prompt and the beginning of its answer.

        Raises:
            InvalidPrompt: No ids, too many, or one outside the vocabulary.
        """
        limits = self.limits
        is_known = all(0 <= token < limits.vocab_size for token in ids)
        if not is_known or not 1 <= len(ids) <= limits.context_length:
            raise InvalidPrompt(
                "ids",
                tuple(ids),
                "not a text that this model can read",
                f"give 1 to {limits.context_length} ids below {limits.vocab_size}",
            )
        sequence = self._model.open_sequence(len(ids))
        try:
            piece = Piece(sequence, 0, tuple(ids))
            return hash_operations(self._model.trace([piece]))
        finally:
            self._model.close_sequence(sequence)
