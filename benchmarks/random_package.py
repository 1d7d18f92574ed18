"""Packages of the 124M shape with random tensors: speed does not depend on values.

Magnitudes follow those of a trained model all the same, so that no operation runs on
nothing but zeros or saturated values.
"""

import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.architectures.gpt2.shapes import IntegerGpt2
from inference.models.layout import IntegerShape, TensorLayout
from inference.packages.package import write_package
from inference.profiles import Profile

SEED: Final = 1234
VOCAB_SIZE: Final = 50_257

_INPUT_DEVIATION: Final = {
    "qkv": 1_000,
    "proj": 600,
    "fc": 1_000,
    "out": 1_500,
    "head": 1_000,
}
_OUTPUT_DEVIATION: Final = {
    "qkv": 900,
    "proj": 15_000,
    "fc": 3_000,
    "out": 15_000,
    "head": 2_000,
}


def gpt2_shape(profile: Profile) -> IntegerShape:
    """Returns the shape of GPT-2 124M, without an end of text, so that none comes."""
    return IntegerGpt2(
        profile=profile,
        vocab_size=VOCAB_SIZE,
        context_length=1_024,
        width=768,
        inner_width=3_072,
        layers=12,
        heads=12,
        epsilon=42_950,
        end_of_text=None,
    )


def random_tensors(shape: IntegerShape) -> Callable[[str], NDArray[np.generic]]:
    """Returns a function from a tensor's name to its values, the same every time."""
    layouts = {layout.name: layout for layout in shape.tensors()}

    def tensor(name: str) -> NDArray[np.generic]:
        layout = layouts[name]
        bits = np.random.PCG64([SEED, zlib.crc32(name.encode())])
        values = _values(shape, layout, np.random.Generator(bits))
        return np.ascontiguousarray(values, layout.dtype)

    return tensor


def _values(
    shape: IntegerShape, layout: TensorLayout, source: np.random.Generator
) -> NDArray[Any]:
    product, _, kind = layout.name.rpartition(".")
    size = layout.shape
    if kind == "weight":
        dtype = layout.dtype
        return source.integers(layout.lowest, layout.highest, size, dtype, True)
    if kind == "multiplier":
        typical = _typical_multiplier(shape, product.rpartition(".")[2])
        return source.integers(typical * 3 // 4, typical * 5 // 4, size)
    if kind == "sharpness":
        # Scores of random queries and keys deviate by 900 * 900 * 8.
        return np.full(size, 3 * 2**40 // (900 * 900 * 8))
    if kind == "activation":
        # A rectifier.
        return np.maximum(np.arange(-32768, 32768), 0).reshape(size)
    reach = {"token_embedding": 8_000, "position_embedding": 20_000, "bias": 200}
    if kind in reach:
        return source.integers(-reach[kind], reach[kind], size)
    return np.full(size, 3 if kind == "token_shift" else 1)


def _typical_multiplier(shape: IntegerShape, product: str) -> int:
    profile = shape.profile
    terms = shape.inner_width if product == "out" else shape.width
    # A uniform weight deviates by its limit / sqrt(3).
    total = math.isqrt(terms * (profile.weight_limit * _INPUT_DEVIATION[product]) ** 2)
    total = total * 4 // 7 >> profile.block_shift
    return min(3 * 2**29, (_OUTPUT_DEVIATION[product] << 32) // total)


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
