"""The native model's bits: the same whatever shares a step and whoever computes it."""

import hashlib
from functools import cache

import numpy as np
import pytest

from inference.models.integer_model import Choice, IntegerModel, Piece
from inference.models.layout import IntegerShape
from inference.models.sampling import choose_token
from inference.native import NativeModel
from inference.profiles import PROFILES, W8A16, Profile
from tests.support.models.random_models import random_shape, random_tensors
from tests.support.reference.backends import BACKENDS, load
from tests.support.reference.reference import ReferenceModel

GREEDY = Choice(0, 0, 1, 0)
SAMPLED = Choice(900_000, 40, 950_000, 0x0123_4567_89AB_CDEF)

IDS = tuple(hashlib.sha512(b"ids").digest()[:40])
NATIVE = [backend for backend in BACKENDS if backend != "torch"]
THREADS = (1, 2, 4)


def shape_of(profile: Profile) -> IntegerShape:
    """Outputs that fill no panel, heads and terms that fill no vector."""
    return random_shape(
        profile, vocab_size=261, width=60, inner_width=190, heads=5, layers=3
    )


@cache
def wanted(name: str) -> list[dict[str, list[int]]]:
    """What the reference computes at every position of IDS."""
    shape = shape_of(PROFILES[name])
    return ReferenceModel(shape, random_tensors(shape, 7)).traces(IDS)


def logits_in_pieces(model: IntegerModel, sizes: list[int]) -> list[tuple[int, bool]]:
    """Feeds IDS in pieces; position after each and whether its logits are right."""
    sequence = model.open_sequence(len(IDS))
    right, start = [], 0
    for size in sizes:
        piece = Piece(sequence, start, IDS[start : start + size])
        model.step([piece], [GREEDY])
        start += len(piece.ids)
        expected = wanted(model.shape.profile.name)[start - 1]["head"]
        right.append((start, model.logits(0).tolist() == expected))
    model.close_sequence(sequence)
    return right


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("isa", NATIVE)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_step_pieces_of_any_size_equal_the_reference(
    profile: Profile, isa: str, threads: int
) -> None:
    shape = shape_of(profile)
    model = load(isa, shape, random_tensors(shape, 7), threads=threads)

    for sizes in ([1] * 40, [40], [3, 17, 20], [9] * 5):
        assert [n for n, right in logits_in_pieces(model, sizes) if not right] == []


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("isa", NATIVE)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_trace_any_isa_equals_the_reference(
    profile: Profile, isa: str, threads: int
) -> None:
    shape = shape_of(profile)
    model = load(isa, shape, random_tensors(shape, 7), threads=threads)
    sequence = model.open_sequence(len(IDS))

    first, second = Piece(sequence, 0, IDS[:21]), Piece(sequence, 21, IDS[21:])
    trace = model.trace([first, second])

    found = [(name, values.tolist()) for name, values in trace.items()]
    assert found == list(wanted(profile.name)[-1].items())


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_step_mixed_batch_gives_each_piece_its_own_logits(profile: Profile) -> None:
    """Prompts, decoding and an unfinished prompt in one step."""
    shape = shape_of(profile)
    with NativeModel(shape, random_tensors(shape, 7), threads=2) as model:
        fed = [0, 5, 39, 12, 1]
        sequences = [model.open_sequence(n) for n in (6, 40, 40, 20, 30)]
        for sequence, count in zip(sequences, fed, strict=True):
            if count:
                model.step([Piece(sequence, 0, IDS[:count])], [None])
        ends = [6, 37, 40, 13, 30]
        pieces = [
            Piece(sequence, start, IDS[start:end])
            for sequence, start, end in zip(sequences, fed, ends, strict=True)
        ]

        chosen = model.step(pieces, [GREEDY, None, GREEDY, SAMPLED, GREEDY])

        expected = [wanted(profile.name)[end - 1]["head"] for end in ends]
        assert [model.logits(n).tolist() for n in (0, 2, 3, 4)] == [
            expected[n] for n in (0, 2, 3, 4)
        ]
        sampled = choose_token(np.array(expected[3], np.int32), SAMPLED)
        likeliest = [row.index(max(row)) for row in expected]
        assert chosen == [likeliest[0], -1, likeliest[2], sampled, likeliest[4]]


def test_step_closed_and_reopened_sequence_starts_anew() -> None:
    shape = shape_of(W8A16)
    with NativeModel(shape, random_tensors(shape, 7)) as model:
        other = model.open_sequence(10)
        model.step([Piece(other, 0, IDS[20:30])], [None])
        model.close_sequence(other)

        assert logits_in_pieces(model, [4, 36]) == [(4, True), (40, True)]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_step_more_rows_than_a_task_takes_equals_one_by_one(profile: Profile) -> None:
    """Rows of a prompt are cut among the threads; here into several tasks each."""
    shape = random_shape(profile, context_length=900, width=32, inner_width=96, heads=2)
    ids = tuple(n * n % shape.vocab_size for n in range(900))
    with NativeModel(shape, random_tensors(shape, 3), threads=2) as model:
        whole, small = model.open_sequence(900), model.open_sequence(900)
        model.step([Piece(whole, 0, ids)], [GREEDY])
        expected = model.logits(0).tolist()

        for start in range(0, 900, 60):
            model.step([Piece(small, start, ids[start : start + 60])], [GREEDY])

        assert model.logits(0).tolist() == expected
        assert len(set(expected)) > 100


def test_set_tensors_big_endian_array_is_read_by_value() -> None:
    shape = shape_of(W8A16)
    tensors = random_tensors(shape, 7)
    with NativeModel(
        shape, lambda name: tensors(name).astype(tensors(name).dtype.newbyteorder(">"))
    ) as model:
        assert logits_in_pieces(model, [40]) == [(40, True)]
