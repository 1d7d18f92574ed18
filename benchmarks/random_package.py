"""Packages of the 124M shape with random tensors: speed does not depend on values."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.models.layout import IntegerShape
from inference.packages.package import write_package
from inference.profiles import Profile
from tests.support.models import random_models

SEED: Final = 1234
VOCAB_SIZE: Final = 50_257


def gpt2_shape(profile: Profile) -> IntegerShape:
    """Returns the shape of GPT-2 124M, without an end of text, so that none comes."""
    return replace(random_models.gpt2_shape(profile), end_of_text=None)


def random_tensors(shape: IntegerShape) -> Callable[[str], NDArray[np.generic]]:
    """Returns a function from a tensor's name to its values, the same every time."""
    return random_models.random_tensors(shape, SEED)


def vocabulary(shape: IntegerShape) -> list[bytes]:
    """Returns a byte string for every token id: its number."""
    return [b"%d " % token for token in range(shape.vocab_size)]


def write_random_package(folder: Path, profile: Profile) -> None:
    """Writes a whole package of the 124M shape."""
    shape = gpt2_shape(profile)
    ids = {f"{token}": token for token in range(shape.vocab_size)}
    tokenizer = {"version": "1.0", "model": {"type": "WordLevel", "vocab": ids}}
    write_package(
        folder,
        shape,
        random_tensors(shape),
        tokenizer=json.dumps(tokenizer).encode("ascii"),
        card="Random tensors for benchmarks.\n",
    )
