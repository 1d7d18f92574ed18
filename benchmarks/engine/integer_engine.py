"""The project's engine as a worker runs it, behind a pipe.

python -m benchmarks.engine.integer_engine PACKAGE THREADS
"""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.engine.child import (
    Operation,
    engine_operations,
    serve,
    timed_generate,
)
from benchmarks.random_package import vocabulary
from inference.engine import GenerationRequest
from inference.engines.integer_engine import IntegerEngine
from inference.loading import load_model
from inference.models.integer_model import Choice, IntegerModel, Piece
from inference.packages.package import read_package

_GREEDY = Choice(temperature=0, top_k=0, top_p=1_000_000, draw=0)


class ServedEngine:
    """`IntegerEngine` on a native model, with its default settings."""

    def __init__(self, folder: Path, threads: int) -> None:
        """Loads the package in `folder`."""
        package = read_package(folder)
        self._model = load_model(package, threads=threads, backend="native")
        self._engine = IntegerEngine(self._model, vocabulary(package.shape))

    def generate(self, prompts: list[list[int]], new_tokens: int) -> list[list[int]]:
        """Continues every prompt greedily; see `child.Generate`."""
        requests = [GenerationRequest(tuple(ids), new_tokens) for ids in prompts]
        return [list(answer.ids) for answer in self._engine.generate(requests)]

    def last_logits(self, rows: list[list[int]], whole: int) -> NDArray[Any]:
        """Returns logits after the last token; see `child.LastLogits`."""
        steps = BareSteps(self._model, rows)
        steps.feed([row[:whole] for row in rows])
        for place in range(whole, len(rows[0])):
            steps.feed([[row[place]] for row in rows])
        logits = np.stack([self._model.logits(index) for index in range(len(rows))])
        steps.close()
        return logits

    def generate_bare(
        self, prompts: list[list[int]], new_tokens: int
    ) -> list[list[int]]:
        """Does what `generate` does with nothing around the model's steps."""
        steps = BareSteps(self._model, prompts, new_tokens)
        last = steps.feed(prompts)
        rows = [[token] for token in last]
        for _ in range(new_tokens - 1):
            last = steps.feed([[token] for token in last])
            for row, token in zip(rows, last, strict=True):
                row.append(token)
        steps.close()
        return rows

    def cache_bytes_per_token(self) -> int:
        """Returns bytes of cache that one position of a sequence takes."""
        return self._model.bytes_per_token()


class BareSteps:
    """Sequences of a model that go forward together."""

    def __init__(
        self, model: IntegerModel, rows: list[list[int]], new_tokens: int = 0
    ) -> None:
        """Opens a sequence for each row and as many tokens as may follow."""
        self._model = model
        self._sequences = [model.open_sequence(len(row) + new_tokens) for row in rows]
        self._fed = 0

    def feed(self, rows: list[list[int]]) -> list[int]:
        """Feeds equally many tokens to every sequence and returns the next of each."""
        pieces = [
            Piece(sequence, self._fed, tuple(row))
            for sequence, row in zip(self._sequences, rows, strict=True)
        ]
        self._fed += len(rows[0])
        return self._model.step(pieces, [_GREEDY] * len(pieces))

    def close(self) -> None:
        """Frees the sequences."""
        for sequence in self._sequences:
            self._model.close_sequence(sequence)


def operations(folder: Path, threads: int) -> Mapping[str, Operation]:
    """Loads the model and returns what the parent may ask of it."""
    served = ServedEngine(folder, threads)
    return {
        **engine_operations(served),
        "generate_bare": partial(timed_generate, served.generate_bare),
        "cache_bytes_per_token": served.cache_bytes_per_token,
    }


if __name__ == "__main__":
    serve(lambda: operations(Path(sys.argv[1]), int(sys.argv[2])))
