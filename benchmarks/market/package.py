"""Random model packages that workers accept, with a tokenizer of any size."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

from benchmarks.random_package import gpt2_shape, random_tensors
from inference.models.layout import IntegerShape
from inference.native import NativeModel
from inference.packages.package import write_package
from inference.packages.vectors import encode_vectors, make_vectors
from inference.profiles import W8B8
from tests.support.models.random_models import random_shape

__all__ = ["LARGE", "SMALL", "write_loadable_package"]

_BYTES = 256
_VECTOR_TOKENS = 64

LARGE = gpt2_shape(W8B8)
"""That of GPT-2 124M."""

SMALL = random_shape(
    W8B8, vocab_size=512, context_length=128, width=64, inner_width=256
)
"""So small that everything but the engine decides how fast jobs go."""


@dataclass(frozen=True, slots=True)
class _Alphabet:
    """The characters that stand for bytes in a byte-level tokenizer."""

    characters: tuple[str, ...]

    @classmethod
    def make(cls) -> _Alphabet:
        printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
        others = [byte for byte in range(_BYTES) if byte not in printable]
        shown = {byte: chr(byte) for byte in printable}
        shown |= {byte: chr(_BYTES + n) for n, byte in enumerate(others)}
        return cls(tuple(shown[byte] for byte in range(_BYTES)))


def write_loadable_package(folder: Path, shape: IntegerShape) -> None:
    """Write a package of random weights whose test vectors are right."""
    tensors = random_tensors(shape)
    text = [(7 * n) % shape.vocab_size for n in range(_VECTOR_TOKENS)]
    with NativeModel(shape, tensors) as model:
        vectors = encode_vectors(make_vectors(model, text))
    write_package(
        folder,
        shape,
        tensors,
        tokenizer=_tokenizer(shape.vocab_size),
        vectors=vectors,
        card="Random tensors for benchmarks.\n",
    )


def _tokenizer(size: int) -> bytes:
    """A byte-level BPE `tokenizer.json`: all bytes, then pairs of them."""
    characters = _Alphabet.make().characters
    pairs = list(islice(product(characters, characters), size - _BYTES))
    symbols = [*characters, *(first + second for first, second in pairs)]
    model = {
        "type": "BPE",
        "vocab": {symbol: index for index, symbol in enumerate(symbols)},
        "merges": [list(pair) for pair in pairs],
    }
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    content: dict[str, Any] = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": model,
    }
    return json.dumps(content).encode("utf-8")
