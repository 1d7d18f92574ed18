"""Choosing the next token from float logits, reproducibly.

Randomness is a hash of seed and position, not a stateful generator, so a choice
depends on its own request only. All arithmetic here is float64.
"""

import hashlib
from typing import TYPE_CHECKING

from inference.engine import MILLION, GenerationRequest

if TYPE_CHECKING:
    from torch import Tensor

_DOMAIN = b"assay/float-dev/sampling/1"


def uniform(seed: int, position: int) -> float:
    """Returns a number in [0, 1) that depends on its arguments alone.

    The first 53 bits of SHA-256 over a domain tag, seed and position, the two as
    8 bytes each, big-endian.

    Args:
        seed: The request's seed, 0 to 2**64 - 1.
        position: Which generated token this is, counted from 0.
    """
    counter = seed.to_bytes(8, "big") + position.to_bytes(8, "big")
    digest = hashlib.sha256(_DOMAIN + counter).digest()
    return float((int.from_bytes(digest[:8], "big") >> 11) / 2**53)


def choose_token(logits: "Tensor", request: GenerationRequest, position: int) -> int:
    """Returns the id of the next token.

    Greedy when the temperature is 0: the highest logit, of equals the lowest id.
    Otherwise: tokens are ordered by falling logit (equals by rising id), cut to
    the first top-k, weighed by softmax at the temperature, cut to the shortest
    prefix whose probabilities reach top-p, and drawn by inverse transform.

    Args:
        logits: One finite value per token of the vocabulary.
        request: A valid request.
        position: Which generated token this is, counted from 0.
    """
    if request.temperature == 0:
        return int(logits.argmax())  # of equals, torch returns the first
    ordered = logits.double().sort(descending=True, stable=True)
    kept = ordered.values[: request.top_k or None]
    scaled = (kept - kept[0]) * (MILLION / request.temperature)
    weights = scaled.exp()
    reached = weights.cumsum(0)
    target = reached[-1] * (request.top_p / MILLION)
    # Rounding may leave the last sum a hair below the target: then all are kept.
    last = min(int((reached < target).sum()), len(reached) - 1)
    draw = uniform(request.seed, position) * reached[last]
    return int(ordered.indices[min(int((reached <= draw).sum()), last)])
