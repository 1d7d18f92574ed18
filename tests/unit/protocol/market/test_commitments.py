from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from protocol.digests import Digest
from protocol.market.commitments import commitment, derive_salt
from protocol.market.types import JobId, Outcome, OutcomeStatus

OUTCOME = Outcome(OutcomeStatus.OK, 5, b"\1" * 32, Digest(b"\2" * 32), bytes(32))
FACTS: dict[str, Any] = {
    "chain_id": 31337,
    "marketplace": to_checksum_address("0x" + "11" * 20),
    "job_id": JobId(b"\3" * 32),
    "round_number": 1,
}
BOUND: dict[str, Any] = {
    **FACTS,
    "worker": to_checksum_address("0x" + "22" * 20),
    "outcome": OUTCOME,
    "salt": b"\4" * 32,
}
OTHER: dict[str, Any] = {
    "chain_id": 1,
    "marketplace": to_checksum_address("0x" + "12" * 20),
    "job_id": JobId(b"\5" * 32),
    "round_number": 2,
    "worker": to_checksum_address("0x" + "23" * 20),
    "outcome": replace(OUTCOME, token_count=6),
    "salt": b"\6" * 32,
}


@pytest.mark.parametrize("name", OTHER)
def test_commitment_is_bound_to(name: str) -> None:
    assert commitment(**{**BOUND, name: OTHER[name]}) != commitment(**BOUND)


@pytest.mark.parametrize("name", FACTS)
def test_derive_salt_differs_with(name: str) -> None:
    other = derive_salt(b"secret", **{**FACTS, name: OTHER[name]})
    assert other != derive_salt(b"secret", **FACTS)


def test_derive_salt_is_the_same_again_and_secret() -> None:
    assert derive_salt(b"secret", **FACTS) == derive_salt(b"secret", **FACTS)
    assert derive_salt(b"secret", **FACTS) != derive_salt(b"Secret", **FACTS)
    assert len(derive_salt(b"secret", **FACTS)) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"status": OutcomeStatus.INPUT_INVALID},
        {"token_count": 6},
        {"results_root": b"\7" * 32},
        {"results_digest": Digest(b"\7" * 32)},
        {"fingerprint": b"\7" * 32},
    ],
)
def test_answer_differs_with_every_field(change: dict[str, Any]) -> None:
    assert replace(OUTCOME, **change).answer() != OUTCOME.answer()


def test_answer_shows_count_and_status() -> None:
    word = int.from_bytes(OUTCOME.answer())
    assert word & 3 == OutcomeStatus.OK
    assert word >> 2 & 0xFFFFFFFF == 5
