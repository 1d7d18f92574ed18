"""The integer model in PyTorch: slower than the native one, but it runs anywhere.

On a CPU or a GPU it gives the bits of `docs/spec/arithmetic.md`, as the native
engine does. Weights take 4 bytes each.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from inference.architectures.torch_table import load_network
from inference.engine import MAX_SEED, MAX_TEMPERATURE, MILLION
from inference.errors import InvalidSetting
from inference.models import integer_model as port
from inference.models.integer_model import Choice, Int32Array, Piece
from inference.models.layout import IntegerShape
from inference.models.sampling import choose_token
from inference.models.torch_network import Cache, Loader, Tensors, Trace, record
from inference.models.torch_operations import exact_products

_CACHED_BYTES = 2


class TorchModel:
    """An `IntegerModel` on PyTorch; not safe for use by two threads."""

    def __init__(
        self,
        shape: IntegerShape,
        tensors: Tensors,
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
        loader = Loader(tensors, shape.profile, self._device)
        self._network = load_network(shape, loader)
        self._sequences: dict[int, Cache] = {}
        self._logits: dict[int, Int32Array] = {}

    @property
    def shape(self) -> IntegerShape:
        """The model's shape and profile."""
        return self._shape

    def bytes_per_token(self) -> int:
        """Bytes of cache that one position of a sequence takes."""
        return 2 * self._shape.layers * self._shape.width * _CACHED_BYTES

    def open_sequence(self, capacity: int) -> int:
        """As the port says; takes the memory at once."""
        port.check_capacity(capacity, self._shape)
        shape = self._shape
        size = (shape.layers, shape.heads, capacity, shape.head_width)
        keys, values = (
            torch.zeros(size, dtype=torch.int16, device=self._device) for _ in range(2)
        )
        used = self._sequences
        number = next(n for n in range(len(used) + 1) if n not in used)
        used[number] = Cache(keys, values)
        return number

    def close_sequence(self, sequence: int) -> None:
        """As the port says."""
        if sequence not in self._sequences:
            raise port.unknown_sequence(sequence)
        del self._sequences[sequence]

    def step(
        self, pieces: Sequence[Piece], choices: Sequence[Choice | None]
    ) -> list[int]:
        """As the port says."""
        port.check_choices(pieces, choices)
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
        """As the port says."""
        if index not in self._logits:
            raise port.no_logits(index)
        return self._logits[index].copy()

    def trace(self, pieces: Sequence[Piece]) -> Trace:
        """As the port says."""
        port.check_traced(pieces)
        trace: Trace = {}
        with exact_products(self._device):
            for piece in pieces:
                self._check([piece], [None])
                trace = {}
                last = self._feed([piece], trace)
            record(trace, "head", self._network.logits(last))
        return trace

    def _check(self, pieces: Sequence[Piece], choices: Sequence[Choice | None]) -> None:
        """Raises before anything was fed."""
        seen: set[int] = set()
        for index, (piece, choice) in enumerate(zip(pieces, choices, strict=True)):
            problem = self._problem(piece, seen)
            if not problem and not _is_possible(choice):
                problem = port.BAD_CHOICE
            if problem:
                raise port.refused(f"pieces[{index}]", piece, problem)
            seen.add(piece.sequence)

    def _problem(self, piece: Piece, seen: set[int]) -> str:
        cache = self._sequences.get(piece.sequence)
        if cache is None:
            return port.NOT_OPEN
        if piece.sequence in seen:
            return port.REPEATED
        if piece.start != cache.length:
            return port.BAD_START
        if not piece.ids:
            return port.NO_TOKENS
        if len(piece.ids) > cache.capacity - piece.start:
            return port.NO_ROOM
        if min(piece.ids) < 0 or max(piece.ids) >= self._shape.vocab_size:
            return port.BAD_TOKEN
        return ""

    def _feed(self, pieces: Sequence[Piece], trace: Trace | None) -> Tensor:
        """Returns what the head reads after each piece, shape (pieces, width)."""
        fed = [(piece, self._sequences[piece.sequence]) for piece in pieces]
        last = self._network.feed(fed, trace)
        for piece, cache in fed:
            cache.length += len(piece.ids)
        return last

    def _keep_logits(self, last: Tensor, choices: Sequence[Choice | None]) -> None:
        wanted = [index for index, choice in enumerate(choices) if choice is not None]
        if not wanted:
            return
        rows = self._network.logits(last[torch.tensor(wanted, device=self._device)])
        values = rows.to(torch.int32).cpu().numpy()
        self._logits = dict(zip(wanted, values, strict=True))


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
