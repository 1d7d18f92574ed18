"""What a model consists of: its shape, its tensors and the bounds of the arithmetic.

Source: `docs/spec/arithmetic.md` §2 to §9. C has the same numbers in
`native/src/spec.h`. Pure data: it reads no files and names no family.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Final, Literal

import numpy as np

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

KEY_LIMIT: Final = 4_095
"""Bound of queries and keys."""

VALUE_LIMIT: Final = 32_767
"""Bound of attention's values, of norms, hidden values and token embeddings."""

MAX_TOKEN_SHIFT: Final = 14
MAX_NORM_SHIFT: Final = 12
MAX_SHARPNESS: Final = 2**32 - 1
MAX_MULTIPLIER: Final = 2**31 - 1

LOGIT_SHIFT: Final = 6
"""The head computes logits in Q10; shifted left by this they are Q16."""

MAX_HEAD_VALUE: Final = 2**24 - 1
"""Bound of the head's values before that shift."""

NORM_FRACTION: Final = 10
"""Fraction bits of a layer norm before the channel's shift; one less if it is wide."""

WIDE_NORM: Final = 1_024
"""From this width on `sqrt(width) * 2**10` might exceed an int16 (§5)."""

Storage = Literal["U8", "I8", "I16", "I32", "U32"]

STORED_TYPES: Final[dict[str, np.dtype[Any]]] = {
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"),
    "U32": np.dtype("<u4"),
}
"""Type of each storage name, little-endian."""


@dataclass(frozen=True, slots=True)
class TensorLayout:
    """Name, storage and shape of one tensor, and the range of its values."""

    name: str
    storage: Storage
    shape: tuple[int, ...]
    lowest: int
    highest: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its type in a file, little-endian."""
        return STORED_TYPES[self.storage]

    @property
    def nbytes(self) -> int:
        """Its size in a file."""
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What a float model and the integer model made of it have in common.

    Attributes:
        vocab_size: Number of token ids.
        context_length: Number of positions.
        width: Size of the residual stream.
        inner_width: Size of the hidden layer of each MLP.
        layers: Number of blocks.
        heads: Attention heads per block; divides `width`.
        end_of_text: The id that ends a text, if any.
    """

    vocab_size: int
    context_length: int
    width: int
    inner_width: int
    layers: int
    heads: int
    end_of_text: int | None

    @property
    def limits(self) -> ModelLimits:
        """What an engine with this model accepts."""
        return ModelLimits(self.vocab_size, self.context_length, self.end_of_text)

    @property
    def head_width(self) -> int:
        """Dimensions of one attention head."""
        return self.width // self.heads


@dataclass(frozen=True, slots=True)
class CheckpointShape(ModelShape, ABC):
    """The fields of a checkpoint's configuration that decide its arithmetic.

    Attributes:
        MODEL_TYPE: The family, as `config.json` names it.
        PREFIX: What some files put before the name of every tensor.
        COPIES: Tensors that a file may hold beside those below, each the copy of one.
        IGNORED: Ends of the names of tensors that are no parameters.
        activation: Name of the MLP's activation function.
        norm_epsilon: Term that keeps layer normalisation finite.
    """

    MODEL_TYPE: ClassVar[str]
    PREFIX: ClassVar[str]
    COPIES: ClassVar[dict[str, str]]
    IGNORED: ClassVar[tuple[str, ...]]

    activation: str
    norm_epsilon: float

    @abstractmethod
    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yields name and shape of every parameter, without the common prefix."""

    @abstractmethod
    def bounded(self) -> Iterator[tuple[str, int, int]]:
        """Yields each field that the arithmetic bounds: name, value, maximum."""


@dataclass(frozen=True, slots=True)
class IntegerShape(ModelShape, ABC):
    """Everything about an integer model but its tensors.

    Attributes:
        FORMAT: The family, as a package's `config.json` names it.
        FAMILY: The family, as a person names it.
        profile: Its arithmetic.
        epsilon: Term of layer normalisation, in the square of the residual's unit.
    """

    FORMAT: ClassVar[str]
    FAMILY: ClassVar[str]

    profile: Profile
    epsilon: int

    @property
    def norm_fraction(self) -> int:
        """Fraction bits of a layer norm's output before the channel's shift."""
        return norm_fraction(self.width)

    @abstractmethod
    def products(self) -> Iterator[tuple[str, int, int]]:
        """Yields name, outputs and terms of every matrix product."""

    @abstractmethod
    def tensors(self) -> Iterator[TensorLayout]:
        """Yields the layout of every tensor of a package."""

    @abstractmethod
    def operations(self, keys: int) -> Iterator[tuple[str, int]]:
        """Yields name and number of values of every operation of a trace, in order.

        Args:
            keys: Positions that the traced one attends to.
        """

    @abstractmethod
    def clamps(self, name: str) -> tuple["Clamp", ...]:
        """Returns where an operation of a trace clamps its values, if anywhere."""


@dataclass(frozen=True, slots=True)
class Clamp:
    """A bound on values of one operation.

    Attributes:
        kind: What a report calls such values, e.g. `residual`.
        limit: The bound of their magnitude.
        start: First of the values.
        stop: One past the last of them, None for all that are left.
    """

    kind: str
    limit: int
    start: int = 0
    stop: int | None = None


def norm_fraction(width: int) -> int:
    """Returns the fraction bits of a layer norm over `width` channels (§5)."""
    return NORM_FRACTION if width < WIDE_NORM else NORM_FRACTION - 1
