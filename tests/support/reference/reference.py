"""The arithmetic of `docs/spec/arithmetic.md` in Python's unbounded integers.

Written straight from the page, one value at a time, to be compared with; it shares
nothing with the engines. Every bound the page gives is asserted where it applies.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from operator import mul
from typing import Any

from inference.models.layout import IntegerShape
from inference.profiles import Profile

REST = 2**30 - 1
INT32 = 2**31 - 1

Row = Sequence[int]


def clamp(value: int, limit: int) -> int:
    return min(max(value, -limit), limit)


def scale(total: int, multiplier: int) -> int:
    return (total * multiplier + 2**31) >> 32


def dot(left: Row, right: Row) -> int:
    return sum(map(mul, left, right))


# ---- §3 products


def product_total(profile: Profile, x: Row, w: Row) -> int:
    """The sum of one dot product, before its multiplier."""
    return _total(profile, _blocks(profile, x), w)


def _blocks(profile: Profile, x: Row) -> list[tuple[slice, list[int], int]]:
    """Where every block is, its activations and by how much its sum is shifted."""
    places = [slice(n, n + profile.block) for n in range(0, len(x), profile.block)]
    if profile.rounds_activations:
        return [(place, *round_group(x[place])) for place in places]
    return [(place, list(x[place]), 0) for place in places]


def _total(profile: Profile, blocks: list[tuple[slice, list[int], int]], w: Row) -> int:
    total = 0
    for place, x, shift in blocks:
        part = dot(x, w[place]) << shift
        assert abs(part) <= INT32
        total += part >> profile.block_shift
    assert abs(total) <= INT32
    return total


def round_group(x: Row) -> tuple[list[int], int]:
    """Activations of one group in 8 significant bits, and the group's shift."""
    top = max(abs(value) for value in x)
    shift = max(0, top.bit_length() - 7)
    if shift == 0:
        return list(x), 0
    return [clamp((value + 2 ** (shift - 1)) >> shift, 127) for value in x], shift


def product(
    profile: Profile, x: Row, weights: Sequence[Row], multipliers: Row, biases: Row
) -> list[int]:
    """One activation row times all weight rows; not clamped."""
    blocks = _blocks(profile, x)
    values = [
        scale(_total(profile, blocks, w), m) + b
        for w, m, b in zip(weights, multipliers, biases, strict=True)
    ]
    assert all(abs(value) <= INT32 for value in values)
    return values


# ---- §4 embedding


def embed(token: Row, token_shift: Row, position: Row) -> list[int]:
    return [
        clamp((t << s) + p, REST)
        for t, s, p in zip(token, token_shift, position, strict=True)
    ]


# ---- §5 layer normalisation


def norm(x: Row, fraction: int, shifts: Row, epsilon: int) -> list[int]:
    n = len(x)
    mean = sum(x) // n
    d = [value - mean for value in x]
    top = max(abs(value) for value in d)
    if top == 0:
        return [0] * n
    s = max(top.bit_length() - 24, -16)
    c = [value >> s if s >= 0 else value << -s for value in d]
    v = sum(value * value for value in c) // n
    v += epsilon >> (2 * s) if s >= 0 else epsilon << (-2 * s)
    r = 2**40 // math.isqrt(v)
    assert max(abs(value) for value in c) <= 2**24
    assert sum(value * value for value in c) < 2**59
    assert v < 2**48 + 2**62
    assert r < 2**30
    y = []
    for value, e in zip(c, shifts, strict=True):
        t = 40 - fraction - e
        assert 18 <= t <= 31
        assert abs(value * r) < 2**47
        y.append(clamp((value * r + 2 ** (t - 1)) >> t, 32767))
    return y


# ---- §6 attention


def exp16(u: int) -> int:
    """65536 * 2^-(u / 65536), for u in 0 to 65535."""

    def high(a: int, b: int) -> int:
        return (a * b) >> 16

    return 65535 - high(u, 45336 - high(u, 15189 - high(u, 2625)))


@dataclass(frozen=True)
class Attended:
    """What one head makes of one position."""

    scores: list[int]
    weights: list[int]
    mixed: list[int]


def attend(q: Row, keys: Sequence[Row], values: Sequence[Row], sharp: int) -> Attended:
    """One head at one position over keys and values of positions 0 to its own."""
    scores = [dot(q, k) for k in keys]
    top = max(scores)
    e = [_softmax_term(top - score, sharp) for score in scores]
    total = sum(e)
    inverse = min(65535, 2**31 // total)
    weights = [(term * inverse) >> 16 for term in e]
    whole = sum(weights)
    mixed = []
    for column in zip(*values, strict=True):
        part = dot(weights, column)
        assert abs(part) < 2**30
        mixed.append((part * (2**31 // whole) + 2**30) >> 31)
    assert all(abs(score) <= INT32 for score in scores)
    assert 32767 <= total < 2**25
    assert inverse >= 64
    assert 31 <= whole <= 2**15
    assert all(weight <= 32766 for weight in weights)
    assert all(abs(value) <= 32767 for value in mixed)
    return Attended(scores, weights, mixed)


def _softmax_term(distance: int, sharpness: int) -> int:
    assert distance * sharpness < 2**64
    z = (distance * sharpness) >> 24
    return 0 if z >= 2**20 else exp16(z & 65535) >> (1 + (z >> 16))


# ---- §7 the model


class ReferenceModel:
    """A whole model, one position after the other, nothing cached but k and v."""

    def __init__(self, shape: IntegerShape, tensors: Callable[[str], Any]) -> None:
        self.shape = shape
        self._t = {
            layout.name: tensors(layout.name).tolist() for layout in shape.tensors()
        }

    def logits(self, ids: Sequence[int]) -> list[list[int]]:
        """The logits after every position."""
        return [trace["head"] for trace in self.traces(ids)]

    def traces(self, ids: Sequence[int]) -> list[dict[str, list[int]]]:
        """§10: the operations of every position, in order."""
        past: list[list[list[int]]] = [[] for _ in range(self.shape.layers)]
        return [self._position(token, place, past) for place, token in enumerate(ids)]

    def _position(
        self, token: int, place: int, past: list[list[list[int]]]
    ) -> dict[str, list[int]]:
        t = self._t
        position = t["position_embedding"][place]
        x = embed(t["token_embedding"][token], t["token_shift"], position)
        trace = {"embed": x}
        for layer in range(self.shape.layers):
            x = self._block(layer, x, past[layer], trace)
        trace["final"] = self._norm("final", x)
        head = self._product("head", trace["final"], 2**24 - 1)
        trace["head"] = [value << 6 for value in head]
        return trace

    def _block(
        self, layer: int, x: list[int], past: list[list[int]], trace: dict[str, Any]
    ) -> list[int]:
        name, n = f"layers.{layer}", self.shape.width
        ops: dict[str, list[int]] = {"norm1": self._norm(f"{name}.norm1", x)}
        qkv = self._product(f"{name}.qkv", ops["norm1"], INT32)
        ops["qkv"] = [clamp(value, 4095) for value in qkv[: 2 * n]]
        ops["qkv"] += [clamp(value, 32767) for value in qkv[2 * n :]]
        past.append(ops["qkv"])
        ops |= self._attention(layer, past)
        ops["proj"] = self._residual(f"{name}.proj", ops["mixed"], x)
        ops["norm2"] = self._norm(f"{name}.norm2", ops["proj"])
        ops["fc"] = self._product(f"{name}.fc", ops["norm2"], 32767)
        table = [value for row in self._t[f"{name}.activation"] for value in row]
        ops["activation"] = [table[value + 32768] for value in ops["fc"]]
        ops["out"] = self._residual(f"{name}.out", ops["activation"], ops["proj"])
        trace |= {f"{layer}.{op}": values for op, values in ops.items()}
        return ops["out"]

    def _attention(self, layer: int, past: list[list[int]]) -> dict[str, list[int]]:
        n, h = self.shape.width, self.shape.head_width
        ops: dict[str, list[int]] = {"scores": [], "weights": [], "mixed": []}
        for head, sharpness in enumerate(self._t[f"layers.{layer}.sharpness"]):
            q, k, v = (
                [row[part * n + head * h : part * n + (head + 1) * h] for row in past]
                for part in range(3)
            )
            attended = attend(q[-1], k, v, sharpness)
            ops["scores"] += attended.scores
            ops["weights"] += attended.weights
            ops["mixed"] += attended.mixed
        return ops

    def _norm(self, name: str, x: list[int]) -> list[int]:
        fraction = 10 if self.shape.width <= 1023 else 9
        return norm(x, fraction, self._t[f"{name}.shift"], self.shape.epsilon)

    def _product(self, name: str, x: list[int], limit: int) -> list[int]:
        weights, multipliers, biases = (
            self._t[f"{name}.{part}"] for part in ("weight", "multiplier", "bias")
        )
        values = product(self.shape.profile, x, weights, multipliers, biases)
        return [clamp(value, limit) for value in values]

    def _residual(self, name: str, x: list[int], rest: list[int]) -> list[int]:
        added = self._product(name, x, REST)
        return [clamp(a + b, REST) for a, b in zip(rest, added, strict=True)]


# ---- §8 choosing a token

_PRECISE = Context(prec=60)


def power_table(parts: int) -> list[int]:
    """2^31 * 2^-(i / parts) for i in 0 to 255, rounded to nearest."""
    table = []
    for i in range(256):
        exponent = _PRECISE.divide(Decimal(31 * parts - i), Decimal(parts))
        exact = _PRECISE.power(Decimal(2), exponent)
        table.append(int(exact.quantize(Decimal(1), ROUND_HALF_EVEN, _PRECISE)))
    return table


COARSE = power_table(256)
FINE = power_table(65536)


def exp31(u: int) -> int:
    return (COARSE[u >> 8] * FINE[u & 255]) >> 31


def draw(seed: int, position: int) -> int:
    """§8 step 3: the number r."""
    text = b"assay/sampling/1" + seed.to_bytes(8, "big") + position.to_bytes(8, "big")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def ranking(logits: Row) -> list[int]:
    return sorted(range(len(logits)), key=lambda token: (-logits[token], token))


def sampling_weights(logits: Row, temperature: int) -> list[int]:
    factor = 94548 * 2**16 * 1000000 // temperature
    assert factor < 2**53
    top = max(logits)
    return [_sampling_weight((top - logit) * factor) for logit in logits]


def _sampling_weight(product_: int) -> int:
    if product_ >= 2**54:
        return 0
    z = product_ >> 32
    shift = 4 + (z >> 16)
    weight = 0 if shift > 31 else exp31(z & 65535) >> shift
    assert weight <= 2**27
    return weight


def sample(logits: Row, temperature: int, top_k: int, top_p: int, r: int) -> int:
    """The token chosen from logits; `r` is the draw."""
    ranked = ranking(logits)
    if temperature == 0:
        return ranked[0]
    weights = sampling_weights(logits, temperature)
    ranked = ranked[: top_k or None]
    total = sum(weights[token] for token in ranked)
    assert total <= 2**43
    kept: list[int] = []
    reached = 0
    for token in ranked:
        kept.append(token)
        reached += weights[token]
        if reached * 1000000 >= total * top_p:
            break
    u = r % reached
    running = 0
    for token in sorted(kept):
        running += weights[token]
        if running > u:
            return token
    raise AssertionError("the running sum reaches the sum of the kept weights")


def log2_16(total: int) -> int:
    """log2 in Q16, rounded down, by repeated squaring."""
    bits = total.bit_length()
    result = (bits - 1) << 16
    x = total << (32 - bits) if bits <= 32 else total >> (bits - 32)
    for place in range(15, -1, -1):
        assert 2**31 <= x < 2**32
        x = (x * x) >> 31
        if x >= 2**32:
            result |= 1 << place
            x >>= 1
    return result


def logprob(logits: Row, token: int) -> int:
    """The log-probability of a token in Q16 nats."""
    total = sum(sampling_weights(logits, 1000000))
    distance = max(logits) - logits[token]
    return -distance - (((log2_16(total) - (27 << 16)) * 45426 + 2**15) >> 16)


# ---- §9 and §10 hashes


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    level = list(leaves)
    while len(level) > 1:
        pairs = [
            hashlib.sha256(b"\x01" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def operation_hash(values: Row) -> bytes:
    leaves = []
    for index in range((len(values) + 7) // 8):
        chunk = values[index * 8 : index * 8 + 8]
        packed = b"".join(value.to_bytes(4, "big", signed=True) for value in chunk)
        leaf = b"\x00" + index.to_bytes(4, "big") + packed
        leaves.append(hashlib.sha256(leaf).digest())
    return merkle_root(leaves)


def trace_root(trace: dict[str, list[int]]) -> bytes:
    leaves = [
        hashlib.sha256(b"\x00" + index.to_bytes(4, "big") + operation_hash(values))
        for index, values in enumerate(trace.values())
    ]
    return merkle_root([leaf.digest() for leaf in leaves])
