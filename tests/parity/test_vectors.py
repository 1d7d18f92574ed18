"""Python computes what the contracts compute, on vectors that a forge test writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from protocol.market.commitments import commitment
from protocol.market.output_tree import output_proofs, output_root, root_of_proof
from protocol.market.transcript import Member, Phase, round_word, transcript
from protocol.market.types import JobId, JobParams, ModelSpec, Outcome, OutcomeStatus

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "contracts.json").read_text()
)


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def numbered(name: str) -> list[Any]:
    return [pytest.param(one, id=str(i)) for i, one in enumerate(VECTORS[name])]


def an_outcome(vector: dict[str, Any]) -> Outcome:
    return Outcome(
        status=OutcomeStatus(vector["status"]),
        token_count=vector["tokenCount"],
        results_root=unhex(vector["resultsRoot"]),
        results_digest=unhex(vector["resultsDigest"]),  # type: ignore[arg-type]
        fingerprint=unhex(vector["fingerprint"]),
    )


@pytest.mark.parametrize("vector", numbered("models"))
def test_model_id_equals_the_registry(vector: dict[str, Any]) -> None:
    words = ("packageDigest", "weightsRoot", "profile")
    numbers = ("vocabSize", "contextLength", "msPerToken", "basePrice")
    spec = ModelSpec.from_abi(
        [unhex(vector[name]) for name in words] + [vector[name] for name in numbers]
    )
    assert spec.model_id() == unhex(vector["modelId"])


@pytest.mark.parametrize("vector", numbered("jobs"))
def test_job_id_equals_the_marketplace(vector: dict[str, Any]) -> None:
    values = [
        unhex(value) if name in ("modelId", "promptsDigest") else value
        for name, value in vector.items()
        if name != "jobId"
    ]
    params = JobParams.from_abi(values)
    job_id = params.job_id(VECTORS["chainId"], VECTORS["marketplace"])
    assert job_id == unhex(vector["jobId"])


@pytest.mark.parametrize("vector", numbered("outcomes"))
def test_outcome_hash_and_answer_equal_the_library(vector: dict[str, Any]) -> None:
    outcome = an_outcome(vector)
    assert outcome.hash() == unhex(vector["hash"])
    assert outcome.answer() == unhex(vector["answer"])


@pytest.mark.parametrize("vector", numbered("commitments"))
def test_commitment_equals_the_library(vector: dict[str, Any]) -> None:
    by_hash = {one["hash"]: an_outcome(one) for one in VECTORS["outcomes"]}
    computed = commitment(
        chain_id=VECTORS["chainId"],
        marketplace=VECTORS["marketplace"],
        job_id=JobId(unhex(vector["jobId"])),
        round_number=vector["round"],
        worker=vector["worker"],
        outcome=by_hash[vector["outcomeHash"]],
        salt=unhex(vector["salt"]),
    )
    assert computed == unhex(vector["commitment"])


@pytest.mark.parametrize("vector", numbered("trees"))
def test_output_tree_equals_the_library(vector: dict[str, Any]) -> None:
    hashes = [unhex(one) for one in vector["outputHashes"]]
    proofs = [[unhex(node) for node in proof] for proof in vector["proofs"]]
    assert output_root(hashes) == unhex(vector["root"])
    assert output_proofs(hashes) == proofs
    for index, proof in enumerate(proofs):
        root = root_of_proof(hashes[index], index, len(hashes), proof)
        assert root == unhex(vector["root"])


@pytest.mark.parametrize("vector", numbered("settlements"))
def test_transcript_and_record_equal_the_settlement(vector: dict[str, Any]) -> None:
    word = int(vector["roundWord"], 16)
    committed, revealed = word >> 228 & 0x1FF, word >> 237 & 0x1FF
    answers = [unhex(one) for one in vector["answers"]]
    members = [
        Member(
            seat_id=word >> 48 + 20 * place & 0xFFFFF,
            worker=worker,
            commitment=answers[place] if committed >> place & 1 else None,
            answer=answers[place] if revealed >> place & 1 else None,
        )
        for place, worker in enumerate(vector["workers"])
    ]
    computed = round_word(
        members,
        round_number=word >> 4 & 0xF,
        phase=Phase(word & 0xF),
        deadline=word >> 8 & 0xFFFFFFFFFF,
        is_accepted=bool(word >> 246 & 1),
    )
    assert computed == word
    earlier = unhex(vector["earlierTranscript"])
    assert transcript(computed, members, earlier) == unhex(vector["transcript"])
    pair = [unhex(vector["accepted"]), unhex(vector["transcript"])]
    record = keccak(encode(["bytes32", "bytes32"], pair))
    assert record[:31] == unhex(vector["record"])[:31]
