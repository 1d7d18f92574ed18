"""The child's side of a benchmark process: one engine behind a pipe.

Runs in the project's environment and in `.venv-bench`, so it imports nothing but numpy
beside the standard library. A request is one line of JSON,
`{"operation": …, …arguments}`; so is a reply, `{"result": …}` or `{"error": …}`.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Operation = Callable[..., Any]

Generate = Callable[[list[list[int]], int], list[list[int]]]
"""Continues every prompt greedily by exactly so many tokens."""

LastLogits = Callable[[list[list[int]], int], NDArray[Any]]
"""From equally long rows and a number `whole` to the logits after the last token,
shape (rows, vocabulary): `whole` tokens are fed at once, the others one at a time."""


class GreedyEngine(Protocol):
    """What a process of the benchmark holds."""

    def generate(self, prompts: list[list[int]], new_tokens: int) -> list[list[int]]:
        """Continues every prompt; see `Generate`."""

    def last_logits(self, rows: list[list[int]], whole: int) -> NDArray[Any]:
        """Returns logits after the last token; see `LastLogits`."""


def engine_operations(engine: GreedyEngine) -> dict[str, Operation]:
    """Returns what the parent may ask of any engine."""
    return {
        "generate": partial(timed_generate, engine.generate),
        "compare_logits": partial(compare_logits, engine.last_logits),
        "compare_tokens": partial(compare_tokens, engine.generate),
        "peak_bytes": peak_bytes,
    }


def timed_generate(
    generate: Generate, prompts: list[list[int]], new_tokens: int
) -> dict[str, Any]:
    """Runs one call and times it.

    Returns:
        `seconds` and `tokens`, one list per prompt.

    Raises:
        RuntimeError: The engine stopped early, so that the time means nothing.
    """
    started = time.perf_counter()
    tokens = generate(prompts, new_tokens)
    seconds = time.perf_counter() - started
    lengths = [len(row) for row in tokens]
    if lengths != [new_tokens] * len(prompts):
        raise RuntimeError(f"asked for {new_tokens} tokens a row, got {lengths}")
    return {"seconds": seconds, "tokens": tokens}


def peak_bytes() -> int:
    """Returns the most memory this process ever held."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    # Not on Linux, where this figure would include the parent's before exec.
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def difference(left: NDArray[Any], right: NDArray[Any]) -> dict[str, float]:
    """Compares two arrays of logits.

    Returns:
        `share` of the values that differ and the `largest` difference.
    """
    gap = np.abs(left.astype(np.float64) - right.astype(np.float64))
    return {"share": float(np.mean(left != right)), "largest": float(gap.max())}


def compare_logits(
    last_logits: LastLogits, rows: list[list[int]], whole: int
) -> dict[str, dict[str, float]]:
    """Compares the first row's logits: alone or in a batch, prefilled or decoded.

    Args:
        last_logits: The engine.
        rows: The batch.
        whole: Tokens that are fed at once where the others are decoded.
    """
    alone = last_logits(rows[:1], whole)[0]
    length = len(rows[0])
    return {
        "batch": difference(alone, last_logits(rows, whole)[0]),
        "cache": difference(alone, last_logits(rows[:1], length)[0]),
    }


def compare_tokens(
    generate: Generate, rows: list[list[int]], new_tokens: int
) -> dict[str, int]:
    """Counts tokens of the first row that change in a batch, and without a cache.

    Args:
        generate: The engine, greedy.
        rows: Prompts of the batch.
        new_tokens: Tokens generated after each.
    """
    alone = generate(rows[:1], new_tokens)[0]
    batched = generate(rows, new_tokens)[0]
    afresh = [
        generate([rows[0] + alone[:place]], 1)[0][0] for place in range(new_tokens)
    ]
    return {
        "compared": new_tokens,
        "batch": sum(a != b for a, b in zip(alone, batched, strict=True)),
        "cache": sum(a != b for a, b in zip(alone, afresh, strict=True)),
    }


def serve(load: Callable[[], Mapping[str, Operation]]) -> None:
    """Answers requests until standard input ends.

    Args:
        load: Makes the operations by name; called once, its end is announced by the
            first line, so that the parent can wait for it.
    """
    # Libraries print what they like to standard output: that goes to standard error.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    operations: Mapping[str, Operation] = {}

    def ready() -> str:
        nonlocal operations
        operations = load()
        return "ready"

    _reply(replies.write, ready)
    replies.flush()
    for line in sys.stdin:
        request = json.loads(line)
        operation = operations[request.pop("operation")]
        _reply(replies.write, lambda: operation(**request))  # noqa: B023
        replies.flush()


def _reply(write: Callable[[str], object], produce: Callable[[], object]) -> None:
    try:
        reply = {"result": produce()}
    except Exception as error:
        # The parent repeats it, with the engine's name, and ends the run.
        reply = {"error": f"{type(error).__name__}: {error}"}
    # The parent shows what was printed before beside the reply.
    sys.stdout.flush()
    write(json.dumps(reply) + "\n")
