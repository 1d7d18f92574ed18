from __future__ import annotations

from inference.profiles import PROFILES
from protocol.market.types import EXACT_PROFILES


def test_exact_profiles_are_those_the_engines_compute() -> None:
    assert frozenset(PROFILES) == EXACT_PROFILES
