"""A worker that lies: it runs the model and alters what came out.

`python -m devnet.demo.liar` takes the flags of `assay worker run`. It exists to be
caught.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from devnet.network.variants import WrappedEngine, run_worker_with
from inference.engine import Generation, GenerationRequest

__all__ = ["LyingEngine"]


class LyingEngine(WrappedEngine):
    """Changes the first generated id of the first answer that has one.

    Always in the same way, and to another id of the vocabulary: a lie that only a
    comparison with others brings to light.
    """

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """What the honest engine answers, but for one token."""
        answers = list(self.honest.generate(requests))
        for index, answer in enumerate(answers):
            if answer.ids:
                altered = (answer.ids[0] + 1) % self.limits.vocab_size
                answers[index] = replace(answer, ids=(altered, *answer.ids[1:]))
                break
        return answers


if __name__ == "__main__":
    run_worker_with(LyingEngine)
