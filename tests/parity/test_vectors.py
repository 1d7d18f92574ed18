"""Python computes what the contracts compute, on vectors that a forge test writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from protocol.hexadecimal import from_hex
from protocol.market.commitments import commitment
from protocol.market.output_tree import output_proofs, output_root, root_of_proof
from protocol.market.transcript import Phase, TranscriptMember, round_word, transcript
from protocol.market.types import JobId, JobParams, ModelSpec, Outcome, OutcomeStatus

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "contracts.json").read_text()
)


def numbered(name: str) -> list[Any]:
    return [pytest.param(one, id=str(i)) for i, one in enumerate(VECTORS[name])]


def an_outcome(vector: dict[str, Any]) -> Outcome:
    return Outcome(
        status=OutcomeStatus(vector["status"]),
        token_count=vector["tokenCount"],
        results_root=from_hex(vector["resultsRoot"]),
        results_digest=from_hex(vector["resultsDigest"]),  # type: ignore[arg-type]
        fingerprint=from_hex(vector["fingerprint"]),
    )


@pytest.mark.parametrize("vector", numbered("models"))
def test_model_id_equals_the_registry(vector: dict[str, Any]) -> None:
    words = ("packageDigest", "weightsRoot", "profile")
    numbers = ("vocabSize", "contextLength", "msPerToken", "basePrice")
    spec = ModelSpec.from_abi(
        [from_hex(vector[name]) for name in words] + [vector[name] for name in numbers]
    )
    assert spec.model_id() == from_hex(vector["modelId"])


@pytest.mark.parametrize("vector", numbered("jobs"))
def test_job_id_equals_the_marketplace(vector: dict[str, Any]) -> None:
    values = [
        from_hex(value) if name in ("modelId", "promptsDigest") else value
        for name, value in vector.items()
        if name != "jobId"
    ]
    params = JobParams.from_abi(values)
    job_id = params.job_id(VECTORS["chainId"], VECTORS["marketplace"])
    assert job_id == from_hex(vector["jobId"])


@pytest.mark.parametrize("vector", numbered("outcomes"))
def test_outcome_hash_and_answer_equal_the_library(vector: dict[str, Any]) -> None:
    outcome = an_outcome(vector)
    assert outcome.hash() == from_hex(vector["hash"])
    assert outcome.answer() == from_hex(vector["answer"])


@pytest.mark.parametrize("vector", numbered("commitments"))
def test_commitment_equals_the_library(vector: dict[str, Any]) -> None:
    by_hash = {one["hash"]: an_outcome(one) for one in VECTORS["outcomes"]}
    computed = commitment(
        chain_id=VECTORS["chainId"],
        marketplace=VECTORS["marketplace"],
        job_id=JobId(from_hex(vector["jobId"])),
        round_number=vector["round"],
        worker=vector["worker"],
        outcome=by_hash[vector["outcomeHash"]],
        salt=from_hex(vector["salt"]),
    )
    assert computed == from_hex(vector["commitment"])


@pytest.mark.parametrize("vector", numbered("trees"))
def test_output_tree_equals_the_library(vector: dict[str, Any]) -> None:
    hashes = [from_hex(one) for one in vector["outputHashes"]]
    proofs = [[from_hex(node) for node in proof] for proof in vector["proofs"]]
    assert output_root(hashes) == from_hex(vector["root"])
    assert output_proofs(hashes) == proofs
    for index, proof in enumerate(proofs):
        root = root_of_proof(hashes[index], index, len(hashes), proof)
        assert root == from_hex(vector["root"])


@pytest.mark.parametrize("vector", numbered("settlements"))
def test_transcript_and_record_equal_the_settlement(vector: dict[str, Any]) -> None:
    word = int(vector["roundWord"], 16)
    committed, revealed = word >> 228 & 0x1FF, word >> 237 & 0x1FF
    answers = [from_hex(one) for one in vector["answers"]]
    members = [
        TranscriptMember(
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
    earlier = from_hex(vector["earlierTranscript"])
    assert transcript(computed, members, earlier) == from_hex(vector["transcript"])
    pair = [from_hex(vector["accepted"]), from_hex(vector["transcript"])]
    record = keccak(encode(["bytes32", "bytes32"], pair))
    assert record[:31] == from_hex(vector["record"])[:31]
