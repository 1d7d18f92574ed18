"""The integer model in PyTorch: slower than the native one, but it runs anywhere.

On a CPU or a GPU it gives the bits of `docs/spec/arithmetic.md`, as the native
engine does. Weights take 4 bytes each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.engine import MAX_SEED, MAX_TEMPERATURE, MILLION
from inference.errors import InvalidSetting, SequenceError
from inference.models.integer_model import Choice, Int32Array, Piece
from inference.models.layout import LOGIT_SHIFT, MAX_HEAD_VALUE, IntegerShape
from inference.models.sampling import choose_token
from inference.models.torch_operations import (
    Product,
    add_residual,
    attend,
    clamp,
    embed,
    exact_products,
    normalise,
    split_heads,
)

_CACHED_BYTES = 2
_ACTIVATION_LIMIT = 32_767

Trace = dict[str, Int32Array]


@dataclass(slots=True)
class _Sequence:
    """The cache of one sequence: keys and values, (layers, heads, capacity, h)."""

    keys: Tensor
    values: Tensor
    length: int = 0

    @property
    def capacity(self) -> int:
        return self.keys.shape[2]


@dataclass(frozen=True, slots=True)
class _Layer:
    """The parameters of one block, on the device."""

    norm1: Tensor
    qkv: Product
    sharpness: Tensor
    proj: Product
    norm2: Tensor
    fc: Product
    activation: Tensor
    out: Product


class TorchModel:
    """An `IntegerModel` on PyTorch; not safe for use by two threads."""

    def __init__(
        self,
        shape: IntegerShape,
        tensors: Callable[[str], NDArray[Any]],
        *,
        device: str = "cpu",
    ) -> None:
        """Loads the tensors.

        Args:
            shape: The model's shape and profile.
            tensors: Gives a tensor by its name; called once for each.
            device: A PyTorch device, e.g. `cpu` or `cuda:0`.

        Raises:
            InvalidSetting: PyTorch has no such device here.
        """
        self._shape = shape
        self._device = _device(device)
        self._token = self._load(tensors("token_embedding"))
        self._token_shift = self._load(tensors("token_shift")).to(torch.int64)
        self._position = self._load(tensors("position_embedding"))
        self._layers = [
            self._layer(f"layers.{n}", tensors) for n in range(shape.layers)
        ]
        self._final = self._load(tensors("final.shift")).to(torch.int64)
        self._head = self._product("head", tensors)
        self._sequences: dict[int, _Sequence] = {}
        self._logits: dict[int, Int32Array] = {}

    @property
    def shape(self) -> IntegerShape:
        """The model's shape and profile."""
        return self._shape

    def bytes_per_token(self) -> int:
        """Bytes of cache that one position of a sequence takes."""
        return 2 * self._shape.layers * self._shape.width * _CACHED_BYTES

    def open_sequence(self, capacity: int) -> int:
        """Reserves the cache of a sequence of at most `capacity` positions.

        Raises:
            SequenceError: `capacity` is not 1 to the context length.
        """
        shape = self._shape
        if not 1 <= capacity <= shape.context_length:
            raise SequenceError(
                "capacity",
                capacity,
                "not a number of positions of this model",
                f"give 1 to {shape.context_length}",
            )
        size = (shape.layers, shape.heads, capacity, shape.head_width)
        keys, values = (
            torch.zeros(size, dtype=torch.int16, device=self._device) for _ in range(2)
        )
        number = next(n for n in range(len(self._sequences) + 1) if self._is_free(n))
        self._sequences[number] = _Sequence(keys, values)
        return number

    def close_sequence(self, sequence: int) -> None:
        """Frees it; the number may be given out again.

        Raises:
            SequenceError: There is none of that number.
        """
        if sequence not in self._sequences:
            raise SequenceError(
                "sequence",
                sequence,
                "no open sequence has this number",
                "use what open_sequence returned, until close_sequence",
            )
        del self._sequences[sequence]

    def step(
        self, pieces: Sequence[Piece], choices: Sequence[Choice | None]
    ) -> list[int]:
        """Feeds pieces and chooses the next token after each one's last row.

        Raises:
            SequenceError: A piece is not the continuation of an open sequence, two
                are of the same, or a choice is out of range. Nothing was fed then.
        """
        if len(pieces) != len(choices):
            raise SequenceError(
                "choices",
                len(choices),
                f"there are {len(pieces)} pieces",
                "give one choice, or none, per piece",
            )
        self._logits = {}
        if not pieces:
            return []
        self._check(pieces, choices)
        with exact_products(self._device):
            last = self._feed(pieces, None)
            self._keep_logits(last, choices)
        return [
            -1 if choice is None else choose_token(self._logits[index], choice)
            for index, choice in enumerate(choices)
        ]

    def logits(self, index: int) -> Int32Array:
        """Returns a copy of the logits after piece `index` of the last step.

        Raises:
            SequenceError: No token was chosen after that piece.
        """
        if index not in self._logits:
            raise SequenceError(
                "index",
                index,
                "the last step chose no token there",
                "ask for a piece of the last step that had a choice",
            )
        return self._logits[index].copy()

    def trace(self, pieces: Sequence[Piece]) -> Trace:
        """Feeds one sequence and returns the operations of its last row, in order.

        Args:
            pieces: At least one, all of the same sequence.

        Raises:
            SequenceError: The pieces are not those of one open sequence.
        """
        if len({piece.sequence for piece in pieces}) != 1:
            raise SequenceError(
                "pieces", len(pieces), "not of one sequence", "trace one at a time"
            )
        trace: Trace = {}
        with exact_products(self._device):
            for piece in pieces:
                self._check([piece], [None])
                trace = {}
                last = self._feed([piece], trace)
            _record(trace, "head", self._logits_of(last))
        return trace

    # ---- loading

    def _load(self, values: NDArray[Any]) -> Tensor:
        """A copy on the device; PyTorch computes with few unsigned types."""
        wide = values.astype(np.int64) if values.dtype == np.uint32 else values
        return torch.from_numpy(np.array(wide)).to(self._device)

    def _product(self, name: str, tensors: Callable[[str], NDArray[Any]]) -> Product:
        weight, multiplier, bias = (
            tensors(f"{name}.{part}") for part in ("weight", "multiplier", "bias")
        )
        profile = self._shape.profile
        return Product(profile, weight, multiplier, bias, self._device)

    def _layer(self, name: str, tensors: Callable[[str], NDArray[Any]]) -> _Layer:
        def load(part: str) -> Tensor:
            return self._load(tensors(f"{name}.{part}"))

        return _Layer(
            norm1=load("norm1.shift").to(torch.int64),
            qkv=self._product(f"{name}.qkv", tensors),
            sharpness=load("sharpness"),
            proj=self._product(f"{name}.proj", tensors),
            norm2=load("norm2.shift").to(torch.int64),
            fc=self._product(f"{name}.fc", tensors),
            activation=load("activation").reshape(-1),
            out=self._product(f"{name}.out", tensors),
        )

    # ---- sequences

    def _is_free(self, number: int) -> bool:
        return number not in self._sequences

    def _check(self, pieces: Sequence[Piece], choices: Sequence[Choice | None]) -> None:
        """Raises before anything was fed."""
        seen: set[int] = set()
        for index, (piece, choice) in enumerate(zip(pieces, choices, strict=True)):
            problem = self._problem(piece, seen)
            if not problem and not _is_possible(choice):
                problem = "has a choice outside the ranges of the arithmetic"
            if problem:
                raise SequenceError(
                    f"pieces[{index}]",
                    piece,
                    problem,
                    "feed each open sequence in order, once per step",
                )
            seen.add(piece.sequence)

    def _problem(self, piece: Piece, seen: set[int]) -> str:
        sequence = self._sequences.get(piece.sequence)
        if sequence is None:
            return "no open sequence has this number"
        if piece.sequence in seen:
            return "a second piece of the same sequence"
        if piece.start != sequence.length:
            return f"the sequence has {sequence.length} tokens so far"
        if not 1 <= len(piece.ids) <= sequence.capacity - piece.start:
            return f"does not fit a sequence of {sequence.capacity} tokens"
        if min(piece.ids) < 0 or max(piece.ids) >= self._shape.vocab_size:
            return f"has ids outside the vocabulary of {self._shape.vocab_size}"
        return ""

    # ---- computing

    def _feed(self, pieces: Sequence[Piece], trace: Trace | None) -> Tensor:
        """Runs all layers; returns the residual row after each piece's last token."""
        ids = [token for piece in pieces for token in piece.ids]
        places = [piece.start + n for piece in pieces for n in range(len(piece.ids))]
        token = self._token[torch.tensor(ids, device=self._device)]
        position = self._position[torch.tensor(places, device=self._device)]
        x = embed(token, self._token_shift, position)
        _record(trace, "embed", x)
        for number, layer in enumerate(self._layers):
            x = self._block(number, layer, x, pieces, trace)
        for piece in pieces:
            self._sequences[piece.sequence].length += len(piece.ids)
        lengths = torch.tensor([len(piece.ids) for piece in pieces])
        last = normalise(
            x[(lengths.cumsum(0) - 1).to(self._device)],
            self._shape.norm_fraction,
            self._final,
            self._shape.epsilon,
        )
        _record(trace, "final", last)
        return last

    def _block(
        self,
        number: int,
        layer: _Layer,
        x: Tensor,
        pieces: Sequence[Piece],
        trace: Trace | None,
    ) -> Tensor:
        fraction, epsilon = self._shape.norm_fraction, self._shape.epsilon
        row = normalise(x, fraction, layer.norm1, epsilon)
        _record(trace, f"{number}.norm1", row)
        mixed = self._attention(number, layer, row, pieces, trace)
        x = add_residual(x, layer.proj(mixed))
        _record(trace, f"{number}.proj", x)
        row = normalise(x, fraction, layer.norm2, epsilon)
        _record(trace, f"{number}.norm2", row)
        inner = clamp(layer.fc(row), _ACTIVATION_LIMIT)
        _record(trace, f"{number}.fc", inner)
        active = layer.activation[inner + 32_768].to(torch.int64)
        _record(trace, f"{number}.activation", active)
        x = add_residual(x, layer.out(active))
        _record(trace, f"{number}.out", x)
        return x

    def _attention(
        self,
        number: int,
        layer: _Layer,
        row: Tensor,
        pieces: Sequence[Piece],
        trace: Trace | None,
    ) -> Tensor:
        """Returns what attention mixes for every row, shape (rows, width)."""
        q, k, v = split_heads(layer.qkv(row), self._shape.heads)
        qkv = torch.cat([part.transpose(0, 1).flatten(1) for part in (q, k, v)], dim=1)
        _record(trace, f"{number}.qkv", qkv)
        mixed, begin = [], 0
        for piece in pieces:
            sequence = self._sequences[piece.sequence]
            rows = slice(begin, begin + len(piece.ids))
            end = piece.start + len(piece.ids)
            keys, values = sequence.keys[number], sequence.values[number]
            keys[:, piece.start : end] = k[:, rows].to(torch.int16)
            values[:, piece.start : end] = v[:, rows].to(torch.int16)
            scores, weights, part = attend(
                q[:, rows], keys[:, :end], values[:, :end], layer.sharpness, piece.start
            )
            _record(trace, f"{number}.scores", scores, by_head=True)
            _record(trace, f"{number}.weights", weights, by_head=True)
            mixed.append(part.transpose(0, 1).flatten(1))
            begin = rows.stop
        result = torch.cat(mixed)
        _record(trace, f"{number}.mixed", result)
        return result

    def _keep_logits(self, last: Tensor, choices: Sequence[Choice | None]) -> None:
        wanted = [index for index, choice in enumerate(choices) if choice is not None]
        if not wanted:
            return
        rows = self._logits_of(last[torch.tensor(wanted, device=self._device)])
        values = rows.to(torch.int32).cpu().numpy()
        self._logits = dict(zip(wanted, values, strict=True))

    def _logits_of(self, rows: Tensor) -> Tensor:
        return clamp(self._head(rows), MAX_HEAD_VALUE) << LOGIT_SHIFT


def _record(
    trace: Trace | None, name: str, values: Tensor, *, by_head: bool = False
) -> None:
    """Keeps the last row of an operation, if a trace is wanted."""
    if trace is not None:
        last = values[:, -1] if by_head else values[-1]
        trace[name] = last.to(torch.int32).cpu().flatten().numpy().copy()


def _is_possible(choice: Choice | None) -> bool:
    return choice is None or (
        0 <= choice.temperature <= MAX_TEMPERATURE
        and choice.top_k >= 0
        and 1 <= choice.top_p <= MILLION
        and 0 <= choice.draw <= MAX_SEED
    )


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InvalidSetting(
            "device", name, "PyTorch cannot use it here", "use 'cpu' or 'cuda'"
        ) from error
    return device
