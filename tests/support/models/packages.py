"""Small random packages on disk, and ways to damage them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from inference.architectures.torch_model import TorchModel
from inference.models.layout import IntegerShape
from inference.packages.package import write_package
from inference.packages.vectors import encode_vectors, make_vectors
from inference.profiles import W8B8, Profile
from tests.support.models.random_models import random_shape, random_tensors
from tests.support.models.tokenizers import byte_tokenizer

SEED = 20


def small_shape(profile: Profile = W8B8) -> IntegerShape:
    return random_shape(
        profile, vocab_size=256, context_length=24, width=16, inner_width=32, heads=2
    )


def write_random_package(
    folder: Path, shape: IntegerShape | None = None, *, with_vectors: bool = True
) -> IntegerShape:
    """Writes a package of random weights whose test vectors are right."""
    shape = shape or small_shape()
    tensors = random_tensors(shape, SEED)
    vectors = b'{"vectors": []}'
    if with_vectors:
        text = np.random.default_rng(SEED).integers(0, shape.vocab_size, 64).tolist()
        vectors = encode_vectors(make_vectors(TorchModel(shape, tensors), text))
    write_package(
        folder, shape, tensors, tokenizer=byte_tokenizer(), vectors=vectors, card="?"
    )
    return shape


def change_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def read_header(path: Path) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, and its data."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def write_with_header(path: Path, header: object, data: bytes) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
