"""How fast an engine decodes on this machine."""

import time
from collections.abc import Callable

from inference.engine import MILLION, Engine, FinishReason, GenerationRequest

_PROMPT_TOKENS = 8
_NEW_TOKENS = 32
_MIN_STEPS = 64


def measure_tokens_per_second(
    engine: Engine, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Decodes from a fixed short prompt and returns tokens per second.

    One unmeasured round warms the engine up. Then rounds run until 64 tokens were
    computed, an end-of-text token counting as one: a second or less for a small
    model.

    Args:
        engine: A loaded engine, idle otherwise.
        clock: Returns seconds; only differences count.
    """
    _decode(engine, seed=0)
    steps = 0
    started = clock()
    for seed in range(1, _MIN_STEPS + 1):
        steps += _decode(engine, seed)
        if steps >= _MIN_STEPS:
            break
    return steps / (clock() - started)


def _decode(engine: Engine, seed: int) -> int:
    limits = engine.limits
    prompt = min(_PROMPT_TOKENS, limits.context_length - 1)
    request = GenerationRequest(
        prompt_ids=tuple(i % limits.vocab_size for i in range(1, prompt + 1)),
        max_new_tokens=min(_NEW_TOKENS, limits.context_length - prompt),
        seed=seed,
        temperature=MILLION,
    )
    answer = engine.generate([request])[0]
    return len(answer.ids) + (answer.finish is FinishReason.STOP)
