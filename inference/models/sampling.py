"""Choosing the next token from integer logits: `docs/spec/arithmetic.md` §8.

Randomness is a hash of seed and position, not a stateful generator, so a choice
depends on its own request only. Logits are Q16 in nats, as int32 of one value per
token; all arithmetic is on integers, so a choice is the same on every machine.
"""

import hashlib
import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inference.engine import MILLION, GenerationRequest, TokenLogprobs
from inference.models.integer_model import Choice, Int32Array

Int64Array = NDArray[np.int64]

_DOMAIN = b"assay/sampling/1"
_LOG2_E = 94_548
"""Powers of two per nat, in Q16."""
_LN_2 = 45_426
"""Nats per power of two, in Q16."""
_DISTANCE_BITS = 54
"""Scaled distances from here on weigh nothing."""
_WEIGHT_SHIFT = 4
_LARGEST_SHIFT = 31
_LOG2_ONE = 27
"""The likeliest token weighs 2**27."""


def draw(seed: int, position: int) -> int:
    """Returns the 64-bit number that decides a choice.

    The first 8 bytes of SHA-256 over a domain tag, seed and position, the two as
    8 bytes each, big-endian.

    Args:
        seed: The request's seed, 0 to 2**64 - 1.
        position: Which generated token this is, counted from 0.
    """
    counter = seed.to_bytes(8, "big") + position.to_bytes(8, "big")
    return int.from_bytes(hashlib.sha256(_DOMAIN + counter).digest()[:8], "big")


def choice_for(request: GenerationRequest, position: int) -> Choice:
    """Returns how to choose a request's token.

    Args:
        request: A valid request.
        position: Which generated token this is, counted from 0.
    """
    return Choice(
        temperature=request.temperature,
        top_k=request.top_k,
        top_p=request.top_p,
        draw=draw(request.seed, position) if request.temperature else 0,
    )


def choose_token(logits: Int32Array, choice: Choice) -> int:
    """Returns the id of the next token.

    Greedy when the temperature is 0: the highest logit, of equals the lowest id.
    Otherwise a draw from the tokens that top-k and top-p keep.

    Args:
        logits: Shape (vocab_size,).
        choice: A valid choice.
    """
    if choice.temperature == 0:
        return int(np.argmax(logits))  # of equals, the first
    weights = sampling_weights(logits, choice.temperature)
    kept = _kept(logits, weights, choice)
    reached = np.cumsum(weights[kept])
    wanted = choice.draw % int(reached[-1])
    return int(kept[np.searchsorted(reached, wanted, side="right")])


def sampling_weights(logits: Int32Array, temperature: int) -> Int64Array:
    """Returns what each token weighs in a draw, 0 to 2**27; the likeliest the most.

    Args:
        logits: Shape (vocab_size,).
        temperature: In millionths, at least 1.
    """
    factor = (_LOG2_E << 16) * MILLION // temperature
    distance = np.int64(np.max(logits)) - logits
    # Beyond this distance the product would weigh nothing and might not fit.
    near = distance <= ((1 << _DISTANCE_BITS) - 1) // factor
    halvings = np.where(near, distance, 0) * factor >> 32
    coarse, fine = _tables()
    fraction = (coarse[halvings >> 8 & 255] * fine[halvings & 255]) >> 31
    shift = _WEIGHT_SHIFT + (halvings >> 16)
    weights = fraction >> np.minimum(shift, _LARGEST_SHIFT)
    return np.where(near & (shift <= _LARGEST_SHIFT), weights, 0)


def token_logprobs(logits: Int32Array, token: int, alternatives: int) -> TokenLogprobs:
    """Returns log-probabilities at temperature 1 over the whole vocabulary.

    Args:
        logits: Shape (vocab_size,).
        token: The chosen id.
        alternatives: How many of the likeliest tokens to list.
    """
    total = int(sampling_weights(logits, MILLION).sum())
    normaliser = ((log2_fixed(total) - (_LOG2_ONE << 16)) * _LN_2 + (1 << 15)) >> 16
    top = int(np.max(logits))

    def logprob(index: int) -> int:
        return int(logits[index]) - top - normaliser

    likeliest = _first_ranked(logits, alternatives)
    return TokenLogprobs(
        logprob=logprob(token), top=tuple((n, logprob(n)) for n in likeliest)
    )


def log2_fixed(value: int) -> int:
    """Returns the binary logarithm of a positive integer in Q16, rounded down."""
    bits = value.bit_length()
    result = bits - 1
    rest = value << 32 >> bits
    for _ in range(16):
        rest = rest * rest >> 31
        result <<= 1
        if rest >> 32:
            result |= 1
            rest >>= 1
    return result


def _kept(logits: Int32Array, weights: Int64Array, choice: Choice) -> Int64Array:
    """Returns the ids that top-k and top-p keep, rising; weightless ones may miss."""
    candidates = np.flatnonzero(weights)
    is_cut = 0 < choice.top_k < len(candidates)
    if not is_cut and choice.top_p == MILLION:
        return candidates
    ranked = candidates[np.argsort(-logits[candidates], kind="stable")]
    if is_cut:
        ranked = ranked[: choice.top_k]
    reached = np.cumsum(weights[ranked])
    needed = reached[-1] * choice.top_p
    last = int(np.searchsorted(reached * MILLION, needed, side="left"))
    return np.sort(ranked[: last + 1])


def _first_ranked(logits: Int32Array, count: int) -> list[int]:
    """Returns the ids of the `count` highest logits; of equals, the lower id first."""
    count = min(count, len(logits))
    if count == 0:
        return []
    # All that reach the last place, so that the ids decide between equals.
    threshold = np.partition(logits, -count)[-count]
    candidates = np.flatnonzero(logits >= threshold)
    order = np.argsort(-logits[candidates], kind="stable")
    ranked: list[int] = candidates[order][:count].tolist()
    return ranked


@cache
def _tables() -> tuple[Int64Array, Int64Array]:
    """Returns 2**31 * 2**-(i / 256) and 2**31 * 2**-(i / 65536), i from 0 to 255."""
    return _powers(8), _powers(16)


def _powers(roots: int) -> Int64Array:
    """Returns 2**31 * 2**-(i / 2**roots), rounded, for i from 0 to 255.

    Computed with 128 bits after the point: what the roots and products round away
    is far too little to reach the rounding of any entry.
    """
    bits = 128
    step = 1 << (bits - 1)
    for _ in range(roots):
        step = math.isqrt(step << bits)
    powers = [1 << bits]
    for _ in range(255):
        powers.append(powers[-1] * step >> bits)
    rounded = [((power >> (bits - 32)) + 1) >> 1 for power in powers]
    return np.array(rounded, dtype=np.int64)
