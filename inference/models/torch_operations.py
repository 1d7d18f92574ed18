"""The operations of the arithmetic in PyTorch: `docs/spec/arithmetic.md` §3 to §6.

Tensors of integers are int64 unless a name says otherwise, and rows come first.
Matrix products run in floating point, on integers so small that every partial sum is
an integer a float holds: what is exact cannot depend on the order of a sum, so CPU
and GPU agree to the bit. `exact_products` keeps PyTorch from computing them in less.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.models.layout import KEY_LIMIT, MAX_REST, VALUE_LIMIT
from inference.profiles import Profile

_LARGEST_PRODUCT = 2**24
"""Most values of one matrix product's result that are held at a time."""

_HIDDEN = -(2**60)
"""The score of a position that a row may not see; far beyond what weighs anything."""


@contextmanager
def exact_products(device: torch.device) -> Iterator[None]:
    """Computes float32 products in float32, whatever the process asked for."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


def scale(total: Tensor, multiplier: Tensor) -> Tensor:
    """Returns sums in the format that their multipliers lead to."""
    return (total * multiplier + 2**31) >> 32


def clamp(values: Tensor, limit: int) -> Tensor:
    """Returns the nearest values within plus and minus `limit`."""
    return values.clamp(-limit, limit)


class Product:
    """All dot products of activation rows and one weight matrix (§3)."""

    def __init__(
        self,
        profile: Profile,
        weight: NDArray[Any],
        multiplier: NDArray[Any],
        bias: NDArray[Any],
        device: torch.device,
    ) -> None:
        """Brings weights into the form they are used in: 4 bytes each.

        Args:
            profile: The arithmetic.
            weight: Shape (outputs, terms), of the profile's type.
            multiplier: Shape (outputs,), int32.
            bias: Shape (outputs,), int32.
            device: Where to compute.
        """
        outputs, terms = weight.shape
        self._profile = profile
        self._blocks = -(-terms // profile.block)
        self._padding = self._blocks * profile.block - terms
        stored = torch.from_numpy(np.ascontiguousarray(weight)).to(device)
        padded = torch.nn.functional.pad(stored, (0, self._padding))
        blocks = padded.reshape(outputs, self._blocks, profile.block)
        # Block, term, output: for few rows, twice as fast as output before term.
        self._weight = blocks.permute(1, 2, 0).to(torch.float32).contiguous()
        self._multiplier = torch.from_numpy(multiplier.astype(np.int64)).to(device)
        self._bias = torch.from_numpy(bias.astype(np.int64)).to(device)
        self._rows = max(1, _LARGEST_PRODUCT // (2 * self._blocks * outputs))

    def __call__(self, x: Tensor) -> Tensor:
        """Returns the values for rows of activations; not clamped.

        Args:
            x: Shape (rows, terms), within plus and minus 32767.

        Returns:
            Shape (rows, outputs).
        """
        padded = torch.nn.functional.pad(x, (0, self._padding))
        cut = padded.reshape(len(x), self._blocks, self._profile.block).transpose(0, 1)
        total = self._rounded if self._profile.rounds_activations else self._whole
        sums = torch.cat([total(rows) for rows in torch.split(cut, self._rows, 1)])
        return scale(sums, self._multiplier) + self._bias

    def _whole(self, x: Tensor) -> Tensor:
        """Totals for activations of 16 bits: the upper and the lower 8 apart.

        Either half times 8 bits, 512 times, or 12 bits, 32 times, is below 2**24.
        """
        upper = (x + 128) >> 8
        lower = x - (upper << 8)
        halves = self._multiply(torch.cat([upper, lower], dim=1))
        upper_sum, lower_sum = halves.chunk(2, dim=1)
        block = (upper_sum << 8) + lower_sum
        return (block >> self._profile.block_shift).sum(dim=0)

    def _rounded(self, x: Tensor) -> Tensor:
        """Totals for activations rounded to 8 bits group by group."""
        shift = (bit_length(x.abs().amax(dim=2, keepdim=True)) - 7).clamp(min=0)
        half = (1 << shift) >> 1
        block = self._multiply(clamp((x + half) >> shift, 127)) << shift.to(torch.int32)
        return (block >> self._profile.block_shift).sum(dim=0)

    def _multiply(self, x: Tensor) -> Tensor:
        """Shape (blocks, rows, block) to (blocks, rows, outputs), as int32."""
        return torch.bmm(x.to(torch.float32), self._weight).to(torch.int32)


def bit_length(values: Tensor) -> Tensor:
    """Returns the number of bits of integers from 0 to 2**53."""
    return torch.frexp(values.to(torch.float64)).exponent.to(torch.int64)


def integer_root(values: Tensor) -> Tensor:
    """Returns the largest `r` with `r * r <= v`, for `v` from 0 to 2**62 + 2**48."""
    root = values.to(torch.float64).sqrt().to(torch.int64)
    # A float has 53 bits, so its root may be off by one.
    root = root - (root * root > values).to(torch.int64)
    return root + ((root + 1) * (root + 1) <= values).to(torch.int64)


def shifted(values: Tensor, bits: Tensor) -> Tensor:
    """Returns values shifted right by bits, or left where bits are negative."""
    return (values >> bits.clamp(min=0)) << (-bits).clamp(min=0)


def normalise(x: Tensor, fraction: int, shift: Tensor, epsilon: int) -> Tensor:
    """Returns normalised rows (§5).

    Args:
        x: Residual rows, shape (rows, width).
        fraction: Fraction bits before the channel's shift.
        shift: Further fraction bits of every channel, shape (width,).
        epsilon: In the square of the residual's unit.
    """
    width = x.shape[1]
    mean = x.sum(dim=1, keepdim=True).div(width, rounding_mode="floor")
    distance = x - mean
    top = distance.abs().amax(dim=1, keepdim=True)
    bits = (bit_length(top) - 24).clamp(min=-16)
    centred = shifted(distance, bits)
    square = (centred * centred).sum(dim=1, keepdim=True)
    variance = square.div(width, rounding_mode="floor")
    variance = variance + shifted(torch.full_like(variance, epsilon), 2 * bits)
    # Zero only where every distance is.
    root = integer_root(variance).clamp(min=1)
    inverse = torch.full_like(root, 2**40).div(root, rounding_mode="floor")
    drop = 40 - fraction - shift
    return clamp((centred * inverse + (1 << (drop - 1))) >> drop, VALUE_LIMIT)


def exp16(u: Tensor) -> Tensor:
    """Returns 65536 * 2**-(u / 65536) by the cubic of §6, for u from 0 to 65535."""
    inner = 15_189 - ((u * 2_625) >> 16)
    return 65_535 - ((u * (45_336 - ((u * inner) >> 16))) >> 16)


def attend(
    q: Tensor, keys: Tensor, values: Tensor, sharpness: Tensor, first: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Attends from consecutive positions of one sequence to all up to their own (§6).

    Args:
        q: Shape (heads, rows, head width), within plus and minus 4095.
        keys: Shape (heads, positions, head width), int16, of all positions so far.
        values: Like `keys`.
        sharpness: Shape (heads,).
        first: Position of the first row.

    Returns:
        Scores and weights, shape (heads, rows, positions), and what is mixed, shape
        (heads, rows, head width).
    """
    rows, positions = q.shape[1], keys.shape[1]
    # Sums below 2**31 of integers: exact in a double.
    exact = torch.bmm(q.to(torch.float64), keys.to(torch.float64).transpose(1, 2))
    scores = exact.to(torch.int64)
    place = torch.arange(positions, device=q.device)
    own = torch.arange(first, first + rows, device=q.device)
    scores = scores.masked_fill(place[None, :] > own[:, None], _HIDDEN)
    weights = _attention_weights(scores, sharpness[:, None, None])
    sums = torch.bmm(weights.to(torch.float64), values.to(torch.float64))
    whole = weights.sum(dim=2, keepdim=True)
    share = torch.full_like(whole, 2**31).div(whole, rounding_mode="floor")
    return scores, weights, (sums.to(torch.int64) * share + 2**30) >> 31


def _attention_weights(scores: Tensor, sharpness: Tensor) -> Tensor:
    distance = scores.amax(dim=2, keepdim=True) - scores
    # From here on the scaled distance is 2**20 or more, and might not fit.
    limit = torch.full_like(sharpness, 2**44 - 1).div(sharpness, rounding_mode="floor")
    near = distance <= limit
    halvings = (distance.masked_fill(~near, 0) * sharpness) >> 24
    terms = (exp16(halvings & 65_535) >> (1 + (halvings >> 16))).masked_fill(~near, 0)
    total = terms.sum(dim=2, keepdim=True)
    inverse = torch.full_like(total, 2**31).div(total, rounding_mode="floor")
    return (terms * inverse.clamp(max=65_535)) >> 16


def split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns clamped queries, keys and values of rows, each (heads, rows, width)."""
    rows = len(qkv)
    q, k, v = qkv.reshape(rows, 3, heads, -1).permute(1, 2, 0, 3)
    return clamp(q, KEY_LIMIT), clamp(k, KEY_LIMIT), clamp(v, VALUE_LIMIT)


def embed(token: Tensor, token_shift: Tensor, position: Tensor) -> Tensor:
    """Returns residual rows (§4) from rows of both embeddings."""
    shifted_token = token.to(torch.int64) << token_shift
    return clamp(shifted_token + position.to(torch.int64), MAX_REST)


def add_residual(x: Tensor, values: Tensor) -> Tensor:
    """Returns the residual stream after a product's values were added (§7)."""
    return clamp(x + clamp(values, MAX_REST), MAX_REST)
