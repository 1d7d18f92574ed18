"""Commitments bind every one of their parts; salts tell every commitment apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eth_utils.address import to_checksum_address
from hypothesis import assume, given
from hypothesis import strategies as st

from protocol.digests import Digest
from protocol.market.commitments import commitment, derive_salt
from protocol.market.types import JobId, Outcome, OutcomeStatus

WORDS = st.binary(min_size=32, max_size=32)
ADDRESSES = st.binary(min_size=20, max_size=20).map(to_checksum_address)
OUTCOMES = st.builds(
    Outcome,
    status=st.just(OutcomeStatus.OK),
    token_count=st.integers(0, 2**32 - 1),
    results_root=WORDS,
    results_digest=WORDS.map(Digest),
    fingerprint=WORDS,
) | st.sampled_from(
    [
        Outcome.error(OutcomeStatus.INPUT_INVALID),
        Outcome.error(OutcomeStatus.INPUT_UNAVAILABLE),
    ]
)
FACTS: dict[str, st.SearchStrategy[Any]] = {
    "chain_id": st.integers(0, 2**256 - 1),
    "marketplace": ADDRESSES,
    "job_id": WORDS.map(JobId),
    "round_number": st.integers(0, 2**256 - 1),
}
PARTS = {**FACTS, "worker": ADDRESSES, "outcome": OUTCOMES, "salt": WORDS}


@given(st.fixed_dictionaries(PARTS), st.sampled_from(sorted(PARTS)), st.data())
def test_commitment_any_other_part_gives_another_hash(
    parts: dict[str, Any], name: str, data: st.DataObject
) -> None:
    other = data.draw(PARTS[name])
    assume(other != parts[name])
    assert commitment(**{**parts, name: other}) != commitment(**parts)
    assert commitment(**parts) == commitment(**parts)


@given(OUTCOMES, OUTCOMES)
def test_outcome_hashes_are_equal_only_for_equal_outcomes(
    one: Outcome, other: Outcome
) -> None:
    assert (one.hash() == other.hash()) == (one == other)
    assert (one.answer() == other.answer()) == (one == other)
    assert Outcome.from_bytes(one.to_bytes()) == one


@given(OUTCOMES, st.integers(0, 7), st.integers(0, 31))
def test_outcome_one_bit_of_a_field_changed_is_another_answer(
    outcome: Outcome, bit: int, at: int
) -> None:
    for name in ("results_root", "results_digest", "fingerprint"):
        word = bytearray(getattr(outcome, name))
        word[at] ^= 1 << bit
        changed = replace(outcome, **{name: bytes(word)})  # type: ignore[arg-type]
        assert changed.answer() != outcome.answer()


@given(
    st.binary(min_size=1, max_size=64),
    st.fixed_dictionaries(FACTS),
    st.sampled_from(sorted(FACTS)),
    st.data(),
)
def test_derive_salt_any_other_fact_or_secret_gives_another_salt(
    secret: bytes, facts: dict[str, Any], name: str, data: st.DataObject
) -> None:
    salt = derive_salt(secret, **facts)
    assert derive_salt(secret, **facts) == salt
    assert len(salt) == 32
    other = data.draw(FACTS[name])
    assume(other != facts[name])
    assert derive_salt(secret, **{**facts, name: other}) != salt
    assert derive_salt(secret + b"x", **facts) != salt
