"""What an integer model consists of: its shape and its tensors.

Source: `docs/spec/arithmetic.md` §2 and §9. Pure data: it reads no files.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from inference.engine import ModelLimits
from inference.profiles import Profile

MAX_VOCAB: Final = 65_536
MAX_CONTEXT: Final = 1_024
MAX_WIDTH: Final = 2_047
MAX_INNER_WIDTH: Final = 8_192
MAX_LAYERS: Final = 96
MAX_HEAD_WIDTH: Final = 128
MAX_EPSILON: Final = 2**30 - 1
MAX_REST: Final = 2**30 - 1
"""Bound of the residual stream, of biases and of logits (`REST` in the spec)."""

LOGIT_SHIFT: Final = 6
"""The head computes logits in Q10; shifted left by this they are Q16."""

MAX_HEAD_VALUE: Final = 2**24 - 1
"""Bound of the head's values before that shift."""

Storage = Literal["U8", "I8", "I16", "I32", "U32"]


@dataclass(frozen=True, slots=True)
class TensorLayout:
    """Name, storage and shape of one tensor, and the range of its values."""

    name: str
    storage: Storage
    shape: tuple[int, ...]
    lowest: int
    highest: int


@dataclass(frozen=True, slots=True)
class IntegerShape:
    """Everything about an integer model but its tensors.

    Attributes:
        profile: Its arithmetic.
        vocab_size: Number of token ids.
        context_length: Number of positions.
        width: Size of the residual stream.
        inner_width: Size of the hidden layer of each MLP.
        layers: Number of blocks.
        heads: Attention heads per block; divides `width`.
        epsilon: Term of layer normalisation, in the square of the residual's unit.
        end_of_text: The id that ends a text, if any.
    """

    profile: Profile
    vocab_size: int
    context_length: int
    width: int
    inner_width: int
    layers: int
    heads: int
    epsilon: int
    end_of_text: int | None

    @property
    def limits(self) -> ModelLimits:
        """What an engine with this model accepts."""
        return ModelLimits(self.vocab_size, self.context_length, self.end_of_text)

    @property
    def head_width(self) -> int:
        """Dimensions of one attention head."""
        return self.width // self.heads

    @property
    def norm_fraction(self) -> int:
        """Fraction bits of a layer norm's output before the channel's shift."""
        return norm_fraction(self.width)

    def products(self) -> Iterator[tuple[str, int, int]]:
        """Yields name, outputs and terms of every matrix product."""
        width, inner = self.width, self.inner_width
        for layer in range(self.layers):
            yield f"layers.{layer}.qkv", 3 * width, width
            yield f"layers.{layer}.proj", width, width
            yield f"layers.{layer}.fc", inner, width
            yield f"layers.{layer}.out", width, inner
        yield "head", self.vocab_size, width

    def tensors(self) -> Iterator[TensorLayout]:
        """Yields the layout of every tensor of a package."""
        width = self.width
        yield _tensor("token_embedding", "I16", (self.vocab_size, width), -32767, 32767)
        yield _tensor("token_shift", "U8", (width,), 0, 14)
        yield _tensor(
            "position_embedding",
            "I32",
            (self.context_length, width),
            -MAX_REST,
            MAX_REST,
        )
        for layer in range(self.layers):
            prefix = f"layers.{layer}"
            yield _tensor(f"{prefix}.norm1.shift", "U8", (width,), 0, 12)
            yield _tensor(f"{prefix}.norm2.shift", "U8", (width,), 0, 12)
            yield _tensor(f"{prefix}.sharpness", "U32", (self.heads,), 1, 2**32 - 1)
            yield _tensor(f"{prefix}.activation", "I16", (256, 256), -32767, 32767)
        yield _tensor("final.shift", "U8", (width,), 0, 12)
        for name, outputs, terms in self.products():
            yield from self._product_tensors(name, outputs, terms)

    def _product_tensors(
        self, name: str, outputs: int, terms: int
    ) -> Iterator[TensorLayout]:
        storage: Storage = "I8" if self.profile.weight_bytes == 1 else "I16"
        limit = self.profile.weight_limit
        yield _tensor(f"{name}.weight", storage, (outputs, terms), -limit, limit)
        yield _tensor(f"{name}.multiplier", "I32", (outputs,), 0, 2**31 - 1)
        yield _tensor(f"{name}.bias", "I32", (outputs,), -MAX_REST, MAX_REST)


def norm_fraction(width: int) -> int:
    """Returns the fraction bits of a layer norm over `width` channels."""
    return 10 if width <= 1023 else 9


def _tensor(
    name: str, storage: Storage, shape: tuple[int, ...], lowest: int, highest: int
) -> TensorLayout:
    return TensorLayout(name, storage, shape, lowest, highest)
