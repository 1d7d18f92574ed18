"""Choosing tokens: greedy, top-k, top-p, temperature, and the hash behind it."""

import math
from collections import Counter

import numpy as np
import pytest

from inference.engine import MAX_SEED, MILLION, GenerationRequest
from inference.models.integer_model import Choice, Int32Array
from inference.models.sampling import (
    choice_for,
    choose_token,
    draw,
    log2_fixed,
    sampling_weights,
    token_logprobs,
)

# Probabilities 1/2, 1/4, 1/8, 1/8 under ids 2, 0, 1, 3; ln 2 is 45426 in Q16.
LOGITS = np.array([-45_426, -90_852, 0, -90_852], dtype=np.int32)
DRAWS = 4000


def a_request(
    *, seed: int = 0, temperature: int = MILLION, top_k: int = 0, top_p: int = MILLION
) -> GenerationRequest:
    return GenerationRequest((1,), 1, seed, temperature, top_k, top_p)


def frequencies(
    request: GenerationRequest, logits: Int32Array = LOGITS
) -> dict[int, float]:
    drawn = Counter(choose_token(logits, choice_for(request, n)) for n in range(DRAWS))
    return {token: count / DRAWS for token, count in drawn.items()}


@pytest.mark.parametrize(
    ("seed", "position", "expected"),
    [
        (0, 0, 0xE8BE703C91A3B9D7),
        (0, 1, 0xF2E0E6E24F786160),
        (1, 0, 0xEEC82ABF27CF6AD1),
        (MAX_SEED, 511, 0x3CA7163C22B0CB1C),
    ],
)
def test_draw_vector_matches(seed: int, position: int, expected: int) -> None:
    assert draw(seed, position) == expected


def test_choice_for_greedy_draws_nothing() -> None:
    assert choice_for(a_request(seed=5, temperature=0), 3) == Choice(0, 0, MILLION, 0)


def test_choice_for_sampled_takes_draw_of_position() -> None:
    request = a_request(seed=5, temperature=3, top_k=7, top_p=9)

    assert choice_for(request, 3) == Choice(3, 7, 9, draw(5, 3))


def test_choose_token_greedy_tie_takes_lowest_id() -> None:
    logits = np.array([-3, 7, 7, -1, 7], dtype=np.int32)

    assert choose_token(logits, Choice(0, 0, MILLION, 0)) == 1


def test_choose_token_sampling_follows_probabilities() -> None:
    shares = frequencies(a_request())

    for token, probability in {2: 0.5, 0: 0.25, 1: 0.125, 3: 0.125}.items():
        # Four standard deviations of a share of so many draws.
        margin = 4 * math.sqrt(probability * (1 - probability) / DRAWS)
        assert abs(shares[token] - probability) < margin


def test_choose_token_half_temperature_squares_odds() -> None:
    shares = frequencies(a_request(temperature=MILLION // 2))

    assert shares[2] == pytest.approx(16 / 22, abs=0.03)


def test_choose_token_lowest_temperature_is_greedy() -> None:
    assert frequencies(a_request(temperature=1)) == {2: 1.0}


@pytest.mark.parametrize(
    ("top_k", "kept"),
    [
        (1, {2}),
        (2, {2, 0}),
        (3, {2, 0, 1}),
        (4, {0, 1, 2, 3}),
        (9, {0, 1, 2, 3}),
        (0, {0, 1, 2, 3}),
    ],
)
def test_choose_token_top_k_keeps_likeliest_lowest_id_first(
    top_k: int, kept: set[int]
) -> None:
    assert set(frequencies(a_request(top_k=top_k))) == kept


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(1, {2}), (490_000, {2}), (510_000, {2, 0}), (760_000, {2, 0, 1})],
)
def test_choose_token_top_p_keeps_shortest_prefix(top_p: int, kept: set[int]) -> None:
    assert set(frequencies(a_request(top_p=top_p))) == kept


def test_choose_token_top_p_after_top_k_renormalises() -> None:
    # Within the top two, the first alone holds two thirds.
    assert set(frequencies(a_request(top_k=2, top_p=660_000))) == {2}


def test_choose_token_other_seed_draws_differently() -> None:
    first, second = (
        [choose_token(LOGITS, choice_for(a_request(seed=s), n)) for n in range(50)]
        for s in (1, 2)
    )

    assert first != second


@pytest.mark.parametrize(
    ("drawn", "token"),
    [(0, 0), (2**27 - 1, 0), (2**27, 1), (2**28 - 1, 1), (2**28, 0), (2**64 - 1, 1)],
)
def test_choose_token_equal_odds_splits_the_draw_evenly(drawn: int, token: int) -> None:
    logits = np.array([5, 5], dtype=np.int32)

    assert choose_token(logits, Choice(MILLION, 0, MILLION, drawn)) == token


def test_choose_token_one_token_vocabulary_returns_it() -> None:
    assert choose_token(np.array([-5], dtype=np.int32), choice_for(a_request(), 0)) == 0


def test_sampling_weights_likeliest_weighs_most_and_far_ones_nothing() -> None:
    # 27 halvings leave a weight of 1, 28 none.
    logits = np.array([0, -45_426, -45_426 * 27 - 1, -45_427 * 28], dtype=np.int32)

    weights = sampling_weights(logits, MILLION).tolist()

    assert weights == [2**27, pytest.approx(2**26, rel=2e-5), 1, 0]


def test_sampling_weights_exactly_27_halvings_still_weigh_one() -> None:
    # At this temperature the distances are 27 * 2**16 and 1 more.
    logits = np.array([0, -1_769_471, -1_769_472], dtype=np.int32)

    assert sampling_weights(logits, 1_442_687).tolist() == [2**27, 1, 0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 0), (2, 1 << 16), (3, 103_872), (2**27, 27 << 16), (2**43, 43 << 16)],
)
def test_log2_fixed_known_value_matches(value: int, expected: int) -> None:
    assert log2_fixed(value) == expected


def test_token_logprobs_known_odds_returns_their_logarithms() -> None:
    answer = token_logprobs(LOGITS, token=3, alternatives=3)

    assert answer.logprob == pytest.approx(math.log(1 / 8) * 65_536, abs=3)
    assert [token for token, _ in answer.top] == [2, 0, 1]
    for (_, logprob), odds in zip(answer.top, (2, 4, 8), strict=True):
        assert logprob == pytest.approx(-math.log(odds) * 65_536, abs=3)


@pytest.mark.parametrize(("alternatives", "listed"), [(0, 0), (2, 2), (20, 4)])
def test_token_logprobs_alternatives_lists_at_most_the_vocabulary(
    alternatives: int, listed: int
) -> None:
    assert len(token_logprobs(LOGITS, 0, alternatives).top) == listed
