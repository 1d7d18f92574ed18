from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from eth_utils.address import to_checksum_address

from inference.engine import (
    FinishReason,
    Generation,
    GenerationRequest,
    ModelLimits,
    TokenLogprobs,
)
from inference.errors import InvalidPrompt
from protocol.digests import Digest
from protocol.documents.prompts import Prompt, PromptsDocument
from protocol.documents.results import ResultsDocument
from protocol.documents.tokenizer import TokenCodec
from protocol.hexadecimal import to_hex
from protocol.market.types import (
    ZERO_ADDRESS,
    JobParams,
    ModelId,
    ModelSpec,
    OutcomeStatus,
)
from protocol.store.unixfs import file_digest
from tests.support.models.tokenizers import byte_tokenizer
from worker.duties.computation import compute

MODEL = ModelId(b"\xab" * 32)
SPEC = ModelSpec(
    package_digest=Digest(b"\1" * 32),
    weights_root=bytes(32),
    profile=b"int-w8b8".ljust(32, b"\0"),
    vocab_size=256,
    context_length=16,
    ms_per_token=5,
    base_price=2,
)
DOCUMENT = PromptsDocument(
    model_id=to_hex(MODEL),
    prompts=(
        Prompt(ids=(1, 2, 3), max_new_tokens=4, temperature=700_000, seed=9),
        Prompt(ids=(4,), max_new_tokens=2, stop=("b",), stop_ids=(7,), logprobs=2),
    ),
)
PARAMS = JobParams(
    requester=to_checksum_address("0x" + "33" * 20),
    nonce=5,
    model_id=MODEL,
    tick=0,
    prompts_digest=file_digest(DOCUMENT.to_bytes()),
    prompt_count=2,
    max_tokens=10,
    redundancy=3,
    max_rounds=1,
    min_seats=3,
    callback=ZERO_ADDRESS,
    callback_gas_limit=0,
)


class ScriptedEngine:
    """Answers every prompt with "abc" and remembers what it was asked."""

    profile = "int-w8b8"
    limits = ModelLimits(vocab_size=256, context_length=16, end_of_text=None)

    def __init__(self, codec: TokenCodec) -> None:
        self.asked: list[GenerationRequest] = []
        self._ids = codec.encode("abc")

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        self.asked += requests
        return [self._answer(request) for request in requests]

    def _answer(self, request: GenerationRequest) -> Generation:
        listed = TokenLogprobs(-70, ((9, -5),))
        logprobs = () if request.logprobs is None else (listed,) * len(self._ids)
        return Generation(self._ids, FinishReason.STOP, logprobs)


class RefusingEngine(ScriptedEngine):
    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        raise InvalidPrompt("prompt_ids", (), "is empty", "give one")


@pytest.fixture(scope="module")
def codec() -> TokenCodec:
    return TokenCodec.from_bytes(byte_tokenizer())


def test_compute_valid_document_gives_results_under_their_digest(
    codec: TokenCodec,
) -> None:
    engine = ScriptedEngine(codec)
    done = compute(DOCUMENT.to_bytes(), PARAMS, SPEC, engine=engine, codec=codec)
    assert done.results is not None
    results = ResultsDocument.from_bytes(done.results)
    assert [output.text for output in results.outputs] == ["abc", "a"]
    assert results.prompts_digest == to_hex(PARAMS.prompts_digest)
    assert done.outcome.status is OutcomeStatus.OK
    assert done.outcome.results_digest == file_digest(done.results)
    assert done.outcome.results_root == results.root()
    assert done.outcome.token_count == 3 + 1 + 3 + 3
    assert engine.asked[0] == GenerationRequest(
        prompt_ids=(1, 2, 3), max_new_tokens=4, seed=9, temperature=700_000
    )
    assert engine.asked[1].stop == (b"b",)
    assert engine.asked[1].stop_ids == (7,)
    assert engine.asked[1].logprobs == 1
    assert results.outputs[0].logprobs == ()
    assert results.outputs[1].logprobs == tuple(
        ((token_id, -70), (9, -5)) for token_id in results.outputs[1].ids
    )


@pytest.mark.parametrize(
    ("params", "spec", "reason"),
    [
        (replace(PARAMS, prompt_count=3), SPEC, "promptCount is 3"),
        (replace(PARAMS, max_tokens=9), SPEC, "maxTokens is 9"),
        (PARAMS, replace(SPEC, vocab_size=4), "vocabulary"),
        (PARAMS, replace(SPEC, context_length=6), "context"),
        (replace(PARAMS, model_id=ModelId(bytes(32))), SPEC, "modelId"),
    ],
)
def test_compute_document_that_does_not_fit_the_job_is_invalid(
    codec: TokenCodec, params: JobParams, spec: ModelSpec, reason: str
) -> None:
    engine = ScriptedEngine(codec)
    done = compute(DOCUMENT.to_bytes(), params, spec, engine=engine, codec=codec)
    assert done.outcome.status is OutcomeStatus.INPUT_INVALID
    assert done.outcome.token_count == 0
    assert done.results is None
    assert reason in done.reason
    assert engine.asked == []


def test_compute_bytes_that_are_no_document_are_invalid(codec: TokenCodec) -> None:
    engine = ScriptedEngine(codec)
    done = compute(b"\xff\x00", PARAMS, SPEC, engine=engine, codec=codec)
    assert done.outcome.status is OutcomeStatus.INPUT_INVALID


def test_compute_request_the_engine_refuses_is_invalid(codec: TokenCodec) -> None:
    engine = RefusingEngine(codec)
    done = compute(DOCUMENT.to_bytes(), PARAMS, SPEC, engine=engine, codec=codec)
    assert done.outcome.status is OutcomeStatus.INPUT_INVALID
