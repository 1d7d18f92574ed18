"""The float engine: Hugging Face transformers in float32 on the CPU.

The baseline for fidelity and speed, and the `float-dev` profile. Every prompt runs
alone with a KV cache and a fixed number of threads, so on one machine a request
has one answer whatever ran before it; other machines may round differently.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from inference.checkpoints.checkpoint import Checkpoint
from inference.checkpoints.weights import read_transformers_model
from inference.engine import (
    Generation,
    GenerationRequest,
    ModelLimits,
    validate_requests,
)
from inference.engines.progress import Progress
from inference.errors import NumericsError
from inference.models.integer_model import Int32Array
from inference.models.layout import MAX_REST
from inference.models.sampling import choice_for, choose_token, token_logprobs
from inference.profiles import FLOAT_DEV


class FloatEngine:
    """An `Engine` on float32 arithmetic; made by `load`."""

    def __init__(
        self,
        model: Any,
        limits: ModelLimits,
        vocabulary: Sequence[bytes],
        threads: int,
    ) -> None:
        """Wraps a model that is ready to run.

        Args:
            model: A causal model of the library, in float32 and evaluation mode.
            limits: What it accepts.
            vocabulary: The byte string of every token id.
            threads: CPU threads torch uses in this process.
        """
        self._model = model
        self._limits = limits
        self._vocabulary = tuple(vocabulary)
        self._threads = threads

    @classmethod
    def load(
        cls, checkpoint: Checkpoint, vocabulary: Sequence[bytes], threads: int
    ) -> "FloatEngine":
        """Reads the weights of a checked checkpoint; touches no network.

        Raises:
            ModelPackageError: A weight is NaN or infinite.
        """
        torch.set_num_threads(threads)
        model = read_transformers_model(checkpoint)
        return cls(model, checkpoint.shape.limits, vocabulary, threads)

    @property
    def profile(self) -> str:
        """Always `float-dev`."""
        return FLOAT_DEV

    @property
    def limits(self) -> ModelLimits:
        """What the loaded model accepts."""
        return self._limits

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """Answers every request alone, in order.

        Raises:
            InvalidRequest: A request is malformed or beyond the model's limits.
            NumericsError: The model's logits are not finite.
        """
        validate_requests(requests, self._limits)
        # Other code in the process may have changed it since loading.
        torch.set_num_threads(self._threads)
        with torch.inference_mode():
            return [self._generate_one(request) for request in requests]

    def _generate_one(self, request: GenerationRequest) -> Generation:
        cache = DynamicCache()
        progress = Progress(request, self._limits, self._vocabulary)
        logits = self._next_logits(request.prompt_ids, cache)
        while True:
            token = choose_token(logits, choice_for(request, progress.generated))
            logprobs = None
            if request.logprobs is not None:
                logprobs = token_logprobs(logits, token, request.logprobs)
            answer = progress.take(token, logprobs)
            if answer is not None:
                return answer
            logits = self._next_logits((token,), cache)

    def _next_logits(self, ids: Sequence[int], cache: DynamicCache) -> Int32Array:
        """Feeds ids after those in the cache; returns the last position's logits."""
        output = self._model(
            input_ids=torch.tensor([ids]),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits[0, -1]
        if not bool(torch.isfinite(logits).all()):
            problem = "the logits after these tokens are not finite"
            raise NumericsError("prompt_ids", tuple(ids), problem, NumericsError.REMEDY)
        return fixed_point(logits)


def fixed_point(logits: Tensor) -> Int32Array:
    """Rounds finite logits to Q16, within the bounds of the integer engines."""
    rounded = (logits.double() * 2**16).round().clamp(-MAX_REST, MAX_REST)
    return rounded.to(torch.int32).numpy()
