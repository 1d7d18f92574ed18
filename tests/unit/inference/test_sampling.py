"""Choosing tokens: greedy, top-k, top-p, temperature, and the hash behind it."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inference import MAX_SEED, MILLION, GenerationRequest
from inference.sampling import choose_token, uniform

# Probabilities 1/2, 1/4, 1/8, 1/8 under ids 2, 0, 1, 3.
LOGITS = torch.tensor([1 / 4, 1 / 8, 1 / 2, 1 / 8]).log()
DRAWS = 4000


def a_request(
    *, seed: int = 0, temperature: int = MILLION, top_k: int = 0, top_p: int = MILLION
) -> GenerationRequest:
    return GenerationRequest((1,), 1, seed, temperature, top_k, top_p)


def frequencies(request: GenerationRequest, logits: torch.Tensor) -> dict[int, float]:
    drawn = Counter(choose_token(logits, request, n) for n in range(DRAWS))
    return {token: count / DRAWS for token, count in drawn.items()}


@pytest.mark.parametrize(
    ("seed", "position", "expected"),
    [
        (0, 0, 0.41082353354132295),
        (0, 1, 0.06954144038183596),
        (1, 0, 0.7714171042180213),
        (MAX_SEED, 511, 0.09187717688138997),
    ],
)
def test_uniform_vector_matches(seed: int, position: int, expected: float) -> None:
    assert uniform(seed, position) == expected


@given(st.integers(0, MAX_SEED), st.integers(0, 2**32))
def test_uniform_any_arguments_is_in_unit_interval(seed: int, position: int) -> None:
    assert 0 <= uniform(seed, position) < 1


def test_choose_token_greedy_takes_highest() -> None:
    assert choose_token(LOGITS, a_request(temperature=0), 0) == 2


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=40))
def test_choose_token_greedy_tie_takes_lowest_id(values: list[int]) -> None:
    logits = torch.tensor(values, dtype=torch.float32)

    chosen = choose_token(logits, a_request(temperature=0), 0)

    assert chosen == values.index(max(values))


def test_choose_token_sampling_follows_probabilities() -> None:
    shares = frequencies(a_request(), LOGITS)

    for token, probability in {2: 0.5, 0: 0.25, 1: 0.125, 3: 0.125}.items():
        # Four standard deviations of a share of so many draws.
        margin = 4 * math.sqrt(probability * (1 - probability) / DRAWS)
        assert abs(shares[token] - probability) < margin


def test_choose_token_half_temperature_squares_odds() -> None:
    shares = frequencies(a_request(temperature=MILLION // 2), LOGITS)

    assert shares[2] == pytest.approx(16 / 22, abs=0.03)


def test_choose_token_lowest_temperature_is_greedy() -> None:
    assert frequencies(a_request(temperature=1), LOGITS) == {2: 1.0}


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
    assert set(frequencies(a_request(top_k=top_k), LOGITS)) == kept


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(1, {2}), (490_000, {2}), (510_000, {2, 0}), (760_000, {2, 0, 1})],
)
def test_choose_token_top_p_keeps_shortest_prefix(top_p: int, kept: set[int]) -> None:
    assert set(frequencies(a_request(top_p=top_p), LOGITS)) == kept


def test_choose_token_top_p_after_top_k_renormalises() -> None:
    # Within the top two, the first alone holds two thirds.
    assert set(frequencies(a_request(top_k=2, top_p=660_000), LOGITS)) == {2}


def test_choose_token_other_seed_draws_differently() -> None:
    first, second = (
        [choose_token(LOGITS, a_request(seed=seed), n) for n in range(50)]
        for seed in (1, 2)
    )

    assert first != second


@given(
    st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=30),
    st.integers(1, MILLION),
    st.integers(1, 100 * MILLION),
    st.integers(0, MAX_SEED),
)
def test_choose_token_extreme_logits_returns_possible_token(
    values: list[float], top_p: int, temperature: int, seed: int
) -> None:
    logits = torch.tensor(values, dtype=torch.float32)
    request = a_request(seed=seed, temperature=temperature, top_p=top_p)

    token = choose_token(logits, request, 0)

    odds = ((logits.double() - logits.double().max()) * (MILLION / temperature)).exp()
    assert odds[token] > 0
