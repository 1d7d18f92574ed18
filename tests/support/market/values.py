"""Values of a market that tests start from: a model, a job, an outcome, terms."""

from __future__ import annotations

from dataclasses import replace

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from protocol.digests import Digest
from protocol.market.terms import MarketConfig, MarketTerms
from protocol.market.types import (
    ZERO_ADDRESS,
    JobParams,
    JobState,
    ModelSpec,
    Outcome,
    OutcomeStatus,
    Round,
)

__all__ = [
    "a_config",
    "a_digest",
    "a_job",
    "a_model",
    "a_round",
    "an_address",
    "an_outcome",
]


def a_digest(label: str) -> Digest:
    return Digest(keccak(text=label))


def an_address(label: str) -> ChecksumAddress:
    return to_checksum_address(keccak(text=label)[-20:])


def a_model(label: str = "model", **changes: object) -> ModelSpec:
    spec = ModelSpec(
        package_digest=a_digest(label),
        weights_root=bytes(32),
        profile=b"int-w8b8".ljust(32, b"\0"),
        vocab_size=256,
        context_length=64,
        ms_per_token=5,
        base_price=2,
    )
    return replace(spec, **changes)  # type: ignore[arg-type]


def a_job(**changes: object) -> JobParams:
    params = JobParams(
        requester=ZERO_ADDRESS,
        nonce=1,
        model_id=a_model().model_id(),
        tick=0,
        prompts_digest=a_digest("prompts"),
        prompt_count=2,
        max_tokens=1_000,
        redundancy=3,
        max_rounds=1,
        min_seats=0,
        callback=ZERO_ADDRESS,
        callback_gas_limit=0,
    )
    return replace(params, **changes)  # type: ignore[arg-type]


def an_outcome(label: str = "right", token_count: int = 700) -> Outcome:
    return Outcome(
        status=OutcomeStatus.OK,
        token_count=token_count,
        results_root=a_digest(f"root of {label}"),
        results_digest=a_digest(f"results of {label}"),
        fingerprint=bytes(32),
    )


def a_config(**changes: object) -> MarketConfig:
    """The terms of a local network, with its accounts' addresses made up."""
    config = MarketTerms.development(treasury=an_address("treasury")).to_config(
        token=an_address("token"),
        registry=an_address("registry"),
        deployer=an_address("deployer"),
    )
    return replace(config, **changes)  # type: ignore[arg-type]


def a_round(**changes: object) -> Round:
    """A round of three places, drawn a moment ago."""
    drawn = Round(
        state=JobState.COMMITTING,
        number=1,
        seed_block=0,
        expiry_block=0,
        deadline=1_000,
        seat_ids=(3, 7, 9),
        committed=0,
        revealed=0,
        record=bytes(32),
        is_delivered=False,
    )
    return replace(drawn, **changes)  # type: ignore[arg-type]
