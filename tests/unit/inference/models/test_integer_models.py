"""What every integer model promises: the same tests for PyTorch, native and fake."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inference.architectures.torch_model import TorchModel
from inference.engine import MILLION
from inference.errors import InvalidSetting, SequenceError
from inference.models.integer_model import (
    BAD_CHOICE,
    BAD_START,
    BAD_TOKEN,
    NO_ROOM,
    NO_TOKENS,
    NOT_OPEN,
    REPEATED,
    Choice,
    IntegerModel,
    Piece,
)
from inference.models.sampling import choose_token
from inference.profiles import W8A16
from tests.support.models.random_models import random_shape, random_tensors
from tests.support.reference.backends import BACKENDS, load

GREEDY = Choice(0, 0, MILLION, 0)
DRAWN = Choice(MILLION, 50, 900_000, 2**64 - 5)

NO_FIT = "does not fit its type"
"""What the native model says of numbers that C cannot hold."""

SHAPE = random_shape(W8A16, vocab_size=200, context_length=40)


@pytest.fixture(params=BACKENDS)
def model(request: pytest.FixtureRequest) -> IntegerModel:
    return load(request.param, SHAPE, random_tensors(SHAPE, 6))


def test_shape_loaded_model_is_that_asked_for(model: IntegerModel) -> None:
    assert model.shape == SHAPE
    assert model.bytes_per_token() >= 2 * SHAPE.layers * SHAPE.width * 2


def test_open_sequence_after_one_was_closed_starts_afresh(model: IntegerModel) -> None:
    first, second = model.open_sequence(3), model.open_sequence(40)
    model.step([Piece(first, 0, (1, 2))], [None])
    model.close_sequence(first)

    again = model.open_sequence(2)

    assert len({first, second}) == len({second, again}) == 2
    assert model.step([Piece(again, 0, (1, 2))], [GREEDY]) != [-1]


@pytest.mark.parametrize("capacity", [0, -1, 41, 2**32 + 5, 2**40])
def test_open_sequence_impossible_capacity_raises(
    model: IntegerModel, capacity: int
) -> None:
    with pytest.raises(SequenceError, match=r"^capacity="):
        model.open_sequence(capacity)


@pytest.mark.parametrize("number", [0, -1, 7, 2**32, 2**70])
def test_close_sequence_unknown_number_raises(model: IntegerModel, number: int) -> None:
    with pytest.raises(SequenceError, match=rf"^sequence={number}:"):
        model.close_sequence(number)


def test_step_no_pieces_returns_nothing(model: IntegerModel) -> None:
    assert model.step([], []) == []


def test_step_choice_only_where_asked_gives_tokens(model: IntegerModel) -> None:
    a, b, c = (model.open_sequence(9) for _ in range(3))
    pieces = [Piece(a, 0, (4, 5)), Piece(b, 0, (6,)), Piece(c, 0, (4, 5))]

    tokens = model.step(pieces, [GREEDY, None, DRAWN])

    assert tokens[1] == -1
    assert tokens[0] == choose_token(model.logits(0), GREEDY)
    assert tokens[2] == choose_token(model.logits(2), DRAWN)
    assert np.array_equal(model.logits(0), model.logits(2))


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [
        ([Piece(2**30, 0, (1,))], NOT_OPEN),
        ([Piece(-1, 0, (1,))], NOT_OPEN),
        ([Piece(2**32, 0, (1,))], f"{NOT_OPEN}|{NO_FIT}"),
        ([Piece(0, 2, (1,)), Piece(0, 3, (1,))], REPEATED),
        ([Piece(1, 1, (1,))], BAD_START),
        ([Piece(0, 1, (1,))], BAD_START),
        ([Piece(0, 3, (1,))], BAD_START),
        ([Piece(0, -1, (1,))], BAD_START),
        ([Piece(0, 2, ())], NO_TOKENS),
        ([Piece(0, 2, (1, 1, 1, 1))], NO_ROOM),
        ([Piece(1, 0, (1, 200))], BAD_TOKEN),
        ([Piece(1, 0, (1, -1))], BAD_TOKEN),
        ([Piece(1, 0, (2**32,))], f"{BAD_TOKEN}|{NO_FIT}"),
    ],
)
@pytest.mark.parametrize("place", ["alone", "after a good one"])
def test_step_piece_out_of_order_raises_and_feeds_nothing(
    model: IntegerModel, pieces: list[Piece], problem: str, place: str
) -> None:
    numbers = {n: model.open_sequence(5) for n in range(3)}
    model.step([Piece(numbers[0], 0, (1, 2))], [GREEDY])
    good = [Piece(2, 0, (5, 6))] if place == "after a good one" else []
    batch = [
        replace(piece, sequence=numbers.get(piece.sequence, piece.sequence))
        for piece in good + pieces
    ]

    with pytest.raises(SequenceError, match=problem):
        model.step(batch, [GREEDY] * len(batch))

    # Had the good piece been fed, it could not start at 0 again.
    rest = [Piece(numbers[0], 2, (3, 4, 5)), Piece(numbers[1], 0, (1, 2, 3, 4, 5))]
    model.step([*rest, Piece(numbers[2], 0, (5, 6))], [GREEDY] * 3)
    assert np.array_equal(model.logits(0), model.logits(1))


@pytest.mark.parametrize(
    "choice",
    [
        Choice(-1, 0, MILLION, 0),
        Choice(100 * MILLION + 1, 0, MILLION, 0),
        Choice(1, -1, MILLION, 0),
        Choice(1, 0, 0, 0),
        Choice(1, 0, MILLION + 1, 0),
        Choice(1, 0, 1, -1),
        Choice(1, 0, 1, 2**64),
        Choice(2**63, 0, 1, 0),
    ],
)
def test_step_impossible_choice_raises_and_feeds_nothing(
    model: IntegerModel, choice: Choice
) -> None:
    number = model.open_sequence(5)

    with pytest.raises(SequenceError, match=f"{BAD_CHOICE}|{NO_FIT}"):
        model.step([Piece(number, 0, (1,))], [choice])

    model.step([Piece(number, 0, (1,))], [GREEDY])


@pytest.mark.parametrize("count", [0, 2])
def test_step_choices_not_one_a_piece_raises(model: IntegerModel, count: int) -> None:
    number = model.open_sequence(5)

    with pytest.raises(SequenceError, match=f"choices={count}: there are 1 pieces"):
        model.step([Piece(number, 0, (1,))], [GREEDY] * count)


@pytest.mark.parametrize("index", [1, 2, -1, 2**32])
def test_logits_no_token_was_chosen_raises(model: IntegerModel, index: int) -> None:
    a, b = model.open_sequence(5), model.open_sequence(5)
    model.step([Piece(a, 0, (1,)), Piece(b, 0, (1,))], [GREEDY, None])

    with pytest.raises(SequenceError, match=rf"^index={index}:"):
        model.logits(index)


def test_logits_changed_by_caller_stay_what_they_are(model: IntegerModel) -> None:
    number = model.open_sequence(5)
    model.step([Piece(number, 0, (1,))], [GREEDY])
    kept = model.logits(0).copy()

    model.logits(0)[:] = 0

    assert model.logits(0).dtype == np.int32
    assert np.array_equal(model.logits(0), kept)


def test_trace_whole_or_in_pieces_is_the_same(model: IntegerModel) -> None:
    a, b = model.open_sequence(5), model.open_sequence(5)

    whole = model.trace([Piece(a, 0, (1, 2, 3, 4))])
    parts = model.trace([Piece(b, 0, (1,)), Piece(b, 1, (2, 3)), Piece(b, 3, (4,))])

    assert list(whole) == list(parts)
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)
    assert whole["1.scores"].shape == (SHAPE.heads * 4,)
    model.step([Piece(a, 4, (5,))], [GREEDY])


@pytest.mark.parametrize(
    "make", [lambda a, b: [], lambda a, b: [Piece(a, 0, (1,)), Piece(b, 0, (1,))]]
)
def test_trace_not_one_sequence_raises(
    model: IntegerModel, make: Callable[[int, int], list[Piece]]
) -> None:
    a, b = model.open_sequence(5), model.open_sequence(5)

    with pytest.raises(SequenceError, match="not of one sequence"):
        model.trace(make(a, b))


@pytest.mark.parametrize("start", [1, -5, 2**31 - 1])
def test_trace_piece_out_of_order_raises(model: IntegerModel, start: int) -> None:
    number = model.open_sequence(5)

    with pytest.raises(SequenceError, match=BAD_START):
        model.trace([Piece(number, start, (1,))])


@pytest.mark.parametrize("backend", BACKENDS)
def test_create_each_tensor_is_asked_for_once(backend: str) -> None:
    asked: list[str] = []
    tensors = random_tensors(SHAPE, 6)

    def tensor(name: str) -> Any:
        asked.append(name)
        return tensors(name)

    load(backend, SHAPE, tensor)

    assert sorted(asked) == sorted(layout.name for layout in SHAPE.tensors())


@pytest.mark.parametrize("device", ["cuda:77", "tpu", "", "meta2"])
def test_torch_model_device_that_is_not_there_raises(device: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"^device='{device}'"):
        TorchModel(SHAPE, random_tensors(SHAPE, 6), device=device)
