"""What is measured: the cases, and the rate that follows from their times."""

import random
from dataclasses import dataclass
from typing import Final

from benchmarks.errors import BenchmarkError
from benchmarks.random_package import VOCAB_SIZE

DECODE_PROMPT: Final = 32
PREFILL_PROMPT: Final = 512

BANDWIDTH: Final = "bandwidth_b1"
"""Share of the memory's read bandwidth that decoding at batch 1 uses."""

MEMORY: Final = "memory"
"""Peak memory of a fresh process against its bound."""


@dataclass(frozen=True, slots=True)
class Case:
    """A batch of equally long random prompts.

    Attributes:
        name: As written in the report.
        batch: Prompts per call.
        prompt_tokens: Tokens of each.
        decodes: Whether the rate counts the tokens generated or those of the prompt.
    """

    name: str
    batch: int
    prompt_tokens: int
    decodes: bool

    def prompts(self, source: random.Random) -> list[list[int]]:
        """Draws fresh prompts, so that no engine finds one in its prefix cache."""
        return [
            [source.randrange(VOCAB_SIZE) for _ in range(self.prompt_tokens)]
            for _ in range(self.batch)
        ]


CASES: Final = {
    case.name: case
    for case in (
        Case("decode_b1", 1, DECODE_PROMPT, True),
        Case("decode_b8", 8, DECODE_PROMPT, True),
        Case("decode_b32", 32, DECODE_PROMPT, True),
        Case("prefill_512", 1, PREFILL_PROMPT, False),
    )
}
"""The timed cases by name."""

ALL_CASES: Final = (*CASES, BANDWIDTH, MEMORY)
"""Names of the timed cases and of the others."""


def decode_rate(batch: int, new_tokens: int, first: float, all_tokens: float) -> float:
    """Returns decoded tokens per second, the prompt's part taken out.

    Args:
        batch: Prompts per call.
        new_tokens: Tokens generated after each prompt, at least 2.
        first: Seconds of a call that generates one token per prompt.
        all_tokens: Seconds of a call that generates `new_tokens` per prompt.

    Raises:
        BenchmarkError: The longer call was not the slower one.
    """
    if all_tokens <= first:
        raise BenchmarkError(
            f"{new_tokens} tokens took {all_tokens:.3f} s and one took {first:.3f} s: "
            "the machine is too busy to measure; try again, or with more new tokens"
        )
    return batch * (new_tokens - 1) / (all_tokens - first)


def prefill_rate(case: Case, seconds: float) -> float:
    """Returns prompt tokens per second of a call that generates one token each."""
    return case.batch * case.prompt_tokens / seconds
