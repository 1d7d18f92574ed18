"""Seeded random integer models of any shape, made without a float.

A tensor depends on the seed and its name alone, so it may be asked for in any order
and is the same on every machine. Magnitudes are those of a trained model: the residual
stream is Q16 with a deviation near 1, queries and keys stay mostly within their clamp,
one channel in 32 is an outlier, and logits differ by a few nats.
"""

import math
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inference.architectures.gpt2.shapes import IntegerGpt2
from inference.models.layout import IntegerShape, TensorLayout
from inference.profiles import Profile

Tensors = Callable[[str], NDArray[np.generic]]

_TARGETS = {"qkv": 900, "proj": 15_000, "fc": 3_000, "out": 15_000, "head": 2_200}
"""Wanted deviation of each product's values; of the head in Q10, two nats."""

_INPUTS = {"qkv": 1_500, "proj": 700, "fc": 1_500, "out": 1_500, "head": 4_000}
"""Rough deviation of what each product reads."""


def random_shape(
    profile: Profile,
    *,
    vocab_size: int = 300,
    context_length: int = 64,
    width: int = 64,
    inner_width: int = 160,
    layers: int = 2,
    heads: int = 4,
    end_of_text: int | None = None,
) -> IntegerShape:
    """Returns a small shape; its epsilon is 1e-5 in the square of Q16."""
    return IntegerGpt2(
        profile=profile,
        vocab_size=vocab_size,
        context_length=context_length,
        width=width,
        inner_width=inner_width,
        layers=layers,
        heads=heads,
        epsilon=42_950,
        end_of_text=end_of_text,
    )


def gpt2_shape(profile: Profile) -> IntegerShape:
    """Returns the shape of GPT-2 124M."""
    return random_shape(
        profile,
        vocab_size=50_257,
        context_length=1_024,
        width=768,
        inner_width=3_072,
        layers=12,
        heads=12,
        end_of_text=50_256,
    )


def random_tensors(shape: IntegerShape, seed: int) -> Tensors:
    """Returns a function from a tensor's name to its values, the same every time."""
    layouts = {layout.name: layout for layout in shape.tensors()}

    def tensor(name: str) -> NDArray[np.generic]:
        layout = layouts[name]
        bits = np.random.PCG64([seed, zlib.crc32(name.encode())])
        values = _values(shape, layout, np.random.Generator(bits))
        clipped = np.clip(values, layout.lowest, layout.highest)
        return np.ascontiguousarray(clipped.astype(layout.dtype, copy=False))

    return tensor


def extreme_tensors(shape: IntegerShape, seed: int) -> Tensors:
    """Like `random_tensors`, but a third each at its ends only or anywhere in range."""
    layouts = {layout.name: layout for layout in shape.tensors()}
    mild = random_tensors(shape, seed)

    def tensor(name: str) -> NDArray[np.generic]:
        layout = layouts[name]
        rng = np.random.default_rng([seed, 1, zlib.crc32(name.encode())])
        low, high = layout.lowest, layout.highest
        values: NDArray[np.generic]
        match int(rng.integers(3)):
            case 0:
                return mild(name)
            case 1:
                values = rng.choice([low, high], layout.shape)
            case _:
                values = rng.integers(low, high, layout.shape, np.int64, endpoint=True)
        return values.astype(layout.dtype)

    return tensor


def _values(
    shape: IntegerShape, layout: TensorLayout, rng: np.random.Generator
) -> NDArray[np.generic]:
    *path, kind = layout.name.split(".")
    size = layout.shape
    if kind == "weight":
        dtype = np.int8 if layout.storage == "I8" else np.int16
        return rng.integers(layout.lowest, layout.highest, size, dtype, endpoint=True)
    if kind == "multiplier":
        return _multipliers(shape, path[-1], size[0], rng)
    if kind == "bias":
        reach = _TARGETS[path[-1]] // 4
        return rng.integers(-reach, reach, size, endpoint=True)
    if kind == "shift":
        return _norm_shifts(path[-1], size[0], rng)
    if kind == "sharpness":
        # A deviation of the scores means two to four halvings of the weight.
        spread = math.isqrt(shape.head_width * _TARGETS["qkv"] ** 4)
        return rng.integers(2 << 40, 4 << 40, size) // spread
    if kind == "activation":
        return _activation(rng).reshape(size)
    return _embedding(kind, size, rng)


def _multipliers(
    shape: IntegerShape, product: str, outputs: int, rng: np.random.Generator
) -> NDArray[np.generic]:
    profile = shape.profile
    terms = shape.inner_width if product == "out" else shape.width
    # A uniform weight deviates by its limit / sqrt(3).
    sum_squared = terms * (profile.weight_limit * _INPUTS[product]) ** 2 // 3
    shift = 4 if profile.rounds_activations else profile.block_shift
    total = max(1, math.isqrt(sum_squared) >> shift)
    typical = min(2**31 - 1, (_TARGETS[product] << 32) // total)
    # Between 3/4 and 5/4 of it.
    return typical * rng.integers(768, 1280, outputs) // 1024


def _norm_shifts(
    norm: str, width: int, rng: np.random.Generator
) -> NDArray[np.generic]:
    lowest, highest = (2, 4) if norm == "final" else (0, 2)
    shifts = rng.integers(lowest, highest, width, endpoint=True)
    shifts[_outliers(width)] = 0
    return shifts


def _outliers(width: int) -> slice:
    return slice(3 % width, None, 32)


def _activation(rng: np.random.Generator) -> NDArray[np.generic]:
    """A leaky rectifier with a random slope for each sign."""
    inputs = np.arange(-32768, 32768, dtype=np.int64)
    right, left = rng.integers(700, 1024), rng.integers(-64, 64)
    return np.where(inputs > 0, inputs * right, inputs * left) >> 10


def _embedding(
    kind: str, size: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.generic]:
    if kind == "token_embedding":
        return rng.integers(-8_000, 8_000, size, np.int16, endpoint=True)
    if kind == "position_embedding":
        return rng.integers(-20_000, 20_000, size, np.int32, endpoint=True)
    shifts = rng.integers(3, 4, size, endpoint=True)
    shifts[_outliers(size[0])] = 8
    return shifts
