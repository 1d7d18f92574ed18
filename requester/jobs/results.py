"""Accepted results: fetched from any node, and verified against the outcome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protocol.digests import Digest
from protocol.documents.canonical import MAX_DOCUMENT_BYTES
from protocol.documents.prompts import Prompt, PromptsDocument
from protocol.documents.results import Finish, Output, ResultsDocument
from protocol.documents.tokenizer import TokenCodec
from protocol.errors import BadDocument, DigestMismatch, StoreError
from protocol.hexadecimal import to_hex
from protocol.market.types import JobParams, ModelSpec, Outcome
from protocol.store.port import ContentStore
from protocol.store.unixfs import file_digest
from requester.jobs.clock import Clock

__all__ = ["Results", "check_results", "fetch_document"]

_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Results:
    """The verified results of a job.

    Attributes:
        prompts: What was asked.
        document: What the quorum answered.
        outcome: The accepted outcome, which the document has been checked against.
    """

    prompts: PromptsDocument
    document: ResultsDocument
    outcome: Outcome

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The outputs, in the order of the prompts."""
        return self.document.outputs

    @property
    def texts(self) -> tuple[str, ...]:
        """The outputs' texts."""
        return tuple(output.text for output in self.outputs)

    def __iter__(self) -> Iterator[tuple[Prompt, Output]]:
        """Prompts and their outputs, side by side."""
        return iter(zip(self.prompts.prompts, self.outputs, strict=True))


def fetch_document(
    store: ContentStore, digest: Digest, *, clock: Clock, timeout_seconds: float
) -> bytes:
    """Fetches a document and hashes it again.

    A member of the quorum may take a while to serve its bytes, so what is missing is
    asked for again until the time is over.

    Args:
        store: The content store.
        digest: What the chain says.
        clock: Time for the pauses.
        timeout_seconds: For how long to try.

    Raises:
        StoreError: It cannot be had in time, is too large or does not match.
    """
    deadline = clock.now() + timeout_seconds
    while True:
        try:
            data = store.get(digest, max_bytes=MAX_DOCUMENT_BYTES)
        except StoreError as error:
            if not error.is_retryable or clock.now() >= deadline:
                raise
            clock.sleep(_RETRY_SECONDS)
            continue
        if file_digest(data) != digest:
            raise DigestMismatch(
                f"the store served other bytes under {to_hex(digest)}: they hash to "
                f"{to_hex(file_digest(data))}; use another IPFS node"
            )
        return data


def check_results(
    results: Results, params: JobParams, spec: ModelSpec, codec: TokenCodec
) -> None:
    """Checks a results document against the accepted outcome and the prompts.

    Args:
        results: Documents and outcome; their digests have been checked.
        params: The job's parameters.
        spec: The job's model.
        codec: Its tokenizer.

    Raises:
        BadDocument: Something does not fit; the message says what.
    """
    document, outcome = results.document, results.outcome
    results.prompts.check_against(params.model_id, spec)
    _require("modelId", document.model_id, to_hex(params.model_id))
    _require("promptsDigest", document.prompts_digest, to_hex(params.prompts_digest))
    _require("number of outputs", len(document.outputs), params.prompt_count)
    _require("number of prompts", len(results.prompts.prompts), params.prompt_count)
    _require("Merkle root", document.root().hex(), outcome.results_root.hex())
    counted = document.token_count(results.prompts)
    _require("token count", counted, outcome.token_count)
    for index, (prompt, output) in enumerate(results):
        _check_output(index, prompt, output, spec, codec)


def _check_output(
    index: int, prompt: Prompt, output: Output, spec: ModelSpec, codec: TokenCodec
) -> None:
    where = f"outputs[{index}]"
    if max(output.ids, default=0) >= spec.vocab_size:
        raise BadDocument(f"{where}.ids holds {max(output.ids)}, which is no token id")
    if len(output.ids) > prompt.max_new_tokens:
        raise BadDocument(
            f"{where} has {len(output.ids)} tokens; {prompt.max_new_tokens} were asked"
        )
    is_full = len(output.ids) == prompt.max_new_tokens
    if output.finish is Finish.LENGTH and not is_full:
        raise BadDocument(f"{where}.finish is length after {len(output.ids)} tokens")
    _require(f"{where}.text", output.text, codec.decode_until(output.ids, prompt.stop))


def _require(name: str, found: object, expected: object) -> None:
    if found != expected:
        raise BadDocument(
            f"{name} of the results is {str(found)[:80]!r}, "
            f"{str(expected)[:80]!r} was expected; do not rely on these results"
        )
