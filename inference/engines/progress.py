"""One answer while it grows: which token ends it, whichever engine generates it."""

from collections.abc import Sequence

from inference.engine import (
    MAX_STOP_BYTES,
    FinishReason,
    Generation,
    GenerationRequest,
    ModelLimits,
    TokenLogprobs,
)
from inference.errors import InvalidSetting


def check_vocabulary(vocabulary: Sequence[bytes], vocab_size: int) -> None:
    """Checks that a vocabulary may be a model's.

    Raises:
        InvalidSetting: It has not one byte string for every token id.
    """
    if len(vocabulary) != vocab_size:
        raise InvalidSetting(
            "vocabulary",
            len(vocabulary),
            f"the model has {vocab_size} tokens",
            "pass the vocabulary of the tokenizer.json of the same model",
        )


class Progress:
    """Collects the tokens generated for one request."""

    def __init__(
        self,
        request: GenerationRequest,
        limits: ModelLimits,
        vocabulary: Sequence[bytes],
    ) -> None:
        """Starts without a token.

        Args:
            request: A valid request.
            limits: Those of the model that answers.
            vocabulary: The byte string of every token id.
        """
        self._request = request
        self._ends = {*request.stop_ids, limits.end_of_text}
        self._vocabulary = vocabulary
        self._ids: list[int] = []
        self._logprobs: list[TokenLogprobs] = []
        self._recent = b""

    @property
    def generated(self) -> int:
        """Tokens taken so far."""
        return len(self._ids)

    def take(self, token: int, logprobs: TokenLogprobs | None) -> Generation | None:
        """Takes the next token; returns the answer when that ends it, else None.

        Args:
            token: The id that was chosen.
            logprobs: Its log-probabilities, if the request asked for them.
        """
        if token in self._ends:
            return self._answer(FinishReason.STOP)
        self._ids.append(token)
        if logprobs is not None:
            self._logprobs.append(logprobs)
        # A stop string that this token completes begins at most so far back.
        self._recent = self._recent[-MAX_STOP_BYTES:] + self._vocabulary[token]
        if any(string in self._recent for string in self._request.stop):
            return self._answer(FinishReason.STOP)
        if len(self._ids) == self._request.max_new_tokens:
            return self._answer(FinishReason.LENGTH)
        return None

    def _answer(self, finish: FinishReason) -> Generation:
        return Generation(tuple(self._ids), finish, tuple(self._logprobs))
