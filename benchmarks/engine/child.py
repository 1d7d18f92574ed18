"""The child's side of a benchmark process: one engine behind a pipe.

Runs in the project's environment and in `.venv-bench`, so it imports only the
standard library. A request is one line of JSON, `{"operation": …, …arguments}`; so
is a reply, `{"result": …}` or `{"error": …}`.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

Operation = Callable[..., Any]


Generate = Callable[[list[list[int]], int], list[list[int]]]
"""Continues every prompt greedily by exactly so many tokens."""


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
