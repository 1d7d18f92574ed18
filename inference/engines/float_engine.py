"""The float engine: GPT-2 by Hugging Face transformers in float32 on the CPU.

The baseline for fidelity and speed, and the `float-dev` profile. Every prompt runs
alone with a KV cache and a fixed number of threads, so on one machine a request
has one answer whatever ran before it; other machines may round differently.
"""

from collections.abc import Sequence
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import DynamicCache, GPT2Config, GPT2LMHeadModel
from transformers.utils import logging as transformers_logging

from inference.checkpoints.checkpoint import Checkpoint, CheckpointShape
from inference.engine import (
    Generation,
    GenerationRequest,
    ModelLimits,
    validate_requests,
)
from inference.engines.progress import Progress
from inference.errors import ModelPackageError, NumericsError
from inference.models.integer_model import Int32Array
from inference.models.layout import MAX_REST
from inference.models.sampling import choice_for, choose_token, token_logprobs
from inference.profiles import FLOAT_DEV


class FloatEngine:
    """An `Engine` on float32 arithmetic; made by `load`."""

    def __init__(
        self,
        model: GPT2LMHeadModel,
        limits: ModelLimits,
        vocabulary: Sequence[bytes],
        threads: int,
    ) -> None:
        """Wraps a model that is ready to run.

        Args:
            model: A float32 GPT-2 in evaluation mode.
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
        weights = finite_weights(checkpoint)
        model = _build_model(checkpoint.shape, weights)
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
            RequestError: A request is malformed or beyond the model's limits.
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


def finite_weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Reads the parameters as float32 under the model's own names."""
    wanted = {name for name, _ in checkpoint.shape.tensors()}
    weights = {}
    for stored_name, tensor in load_file(checkpoint.weights_path).items():
        name = stored_name.removeprefix("transformer.")
        if name not in wanted:
            continue
        if not bool(torch.isfinite(tensor).all()):
            raise ModelPackageError(
                f"{checkpoint.weights_path.name} {name}",
                "NaN or infinity",
                "every weight must be finite",
                "fetch the weights again or use another model",
            )
        # A copy in any case, so that alignment does not depend on the file.
        weights[f"transformer.{name}"] = tensor.to(torch.float32, copy=True)
    return weights


def _build_model(shape: CheckpointShape, weights: dict[str, Tensor]) -> GPT2LMHeadModel:
    """Makes a GPT-2 from checked fields only, never from the raw configuration."""
    attention: dict[str, Any] = {"attn_implementation": "sdpa"}
    config = GPT2Config(
        vocab_size=shape.vocab_size,
        n_positions=shape.context_length,
        n_embd=shape.width,
        n_inner=shape.inner_width,
        n_layer=shape.layers,
        n_head=shape.heads,
        activation_function=shape.activation,
        layer_norm_epsilon=shape.norm_epsilon,
        bos_token_id=shape.end_of_text,
        eos_token_id=shape.end_of_text,
        dtype=torch.float32,
        **attention,
    )
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    arguments: dict[str, Any] = {"config": config, "state_dict": weights}
    model: GPT2LMHeadModel = GPT2LMHeadModel.from_pretrained(None, **arguments)
    model.train(False)
    return model
