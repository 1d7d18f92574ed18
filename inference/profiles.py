"""The arithmetic profiles: how weights and activations are stored and summed.

Source: `docs/spec/arithmetic.md` §2 and §3.
"""

from dataclasses import dataclass
from typing import Final

from inference.errors import UnknownProfile

FLOAT_DEV: Final = "float-dev"
"""The float engine, for fidelity and benchmarks: never served, never published."""

ARITHMETIC_VERSION: Final = 1
"""The version of the arithmetic that this code computes."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One of the integer profiles.

    Attributes:
        name: As it stands in a model's spec.
        weight_limit: Largest magnitude of a stored weight.
        weight_bytes: Bytes of a stored weight.
        block: Terms of a dot product that are summed before a shift.
        block_shift: Bits that a block's sum loses.
        rounds_activations: Whether activations are rounded to 8 significant bits
            in groups of `block`.
    """

    name: str
    weight_limit: int
    weight_bytes: int
    block: int
    block_shift: int
    rounds_activations: bool


W8A16: Final = Profile("int-w8a16", 127, 1, 512, 4, False)
W8B8: Final = Profile("int-w8b8", 127, 1, 128, 4, True)
W12A16: Final = Profile("int-w12a16", 2047, 2, 32, 8, False)

PROFILES: Final = {profile.name: profile for profile in (W8A16, W8B8, W12A16)}
"""Every integer profile by its name."""


def profile_named(name: str) -> Profile:
    """Returns an integer profile.

    Raises:
        UnknownProfile: There is none of that name.
    """
    profile = PROFILES.get(name)
    if profile is None:
        raise UnknownProfile(
            "profile",
            name,
            "no integer profile has this name",
            f"use one of {', '.join(PROFILES)}",
        )
    return profile
