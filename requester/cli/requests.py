"""Flags of `assay job` as the values that the SDK takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_typing import ChecksumAddress
from eth_utils.address import is_address, is_checksum_address, to_checksum_address

from protocol.amounts import MILLIONTHS, Amounts, parse_scaled
from protocol.errors import RequestError
from protocol.market.types import JobId, ModelId
from requester.batches.records import DEFAULT_JOB_SIZE, BatchOptions
from requester.jobs.drafts import Terms
from requester.prompts.decoding import Decoding
from requester.prompts.files import read_prompts
from requester.prompts.request import PromptRequest
from requester.prompts.tasks import Task
from requester.settings import RequesterSettings

__all__ = [
    "SubmitRequest",
    "parse_address",
    "parse_job_id",
    "read_batch_options",
    "read_request",
]

_WORD = re.compile(r"0x[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """What `assay job submit` was asked for."""

    prompts: Sequence[PromptRequest]
    task: Task
    decoding: Decoding
    terms: Terms
    amounts: Amounts


def read_request(
    prompt: str | None,
    file: Path | None,
    given: Mapping[str, Any],
    settings: RequesterSettings,
) -> SubmitRequest:
    """Reads prompts and flags. Raises RequestError, naming the flag.

    Args:
        prompt: The argument.
        file: The prompts file.
        given: The other flags, by parameter name.
        settings: For the model and the token's decimals.
    """
    if (prompt is None) == (file is None):
        raise RequestError("give one prompt, or --file with prompts")
    requests = [PromptRequest(prompt)] if prompt is not None else _read(file)
    return SubmitRequest(
        requests,
        Task(given["task"]),
        _decoding(given),
        _terms(given, settings),
        settings.amounts,
    )


def read_batch_options(
    given: Mapping[str, Any], settings: RequesterSettings
) -> BatchOptions:
    """Reads a batch's flags. Raises RequestError, naming the flag.

    Args:
        given: The flags, by parameter name.
        settings: For the model and the token's decimals.
    """
    size, budget = given["job_size"], given["budget"]
    return BatchOptions(
        task=Task(given["task"]),
        decoding=_decoding(given),
        terms=_terms(given, settings),
        job_size=DEFAULT_JOB_SIZE if size is None else size,
        in_flight=given["in_flight"],
        budget=None if budget is None else settings.amounts.units(budget, "--budget"),
    )


def parse_job_id(text: str) -> JobId:
    """Reads a job id. Raises RequestError."""
    return JobId(_word(text, "job id"))


def parse_model_id(text: str) -> ModelId:
    """Reads a model id. Raises RequestError."""
    return ModelId(_word(text, "model id"))


def parse_address(text: str, name: str = "--requester") -> ChecksumAddress:
    """Reads an address; capitals must be its checksum (EIP-55). Raises RequestError."""
    is_plain = is_address(text) and text[2:].islower()
    if not text.startswith("0x") or not (is_plain or is_checksum_address(text)):
        raise RequestError(
            f"{name} is {text[:60]!r}; give 0x and 40 hexadecimal digits, with "
            "the checksum if it has capitals"
        )
    return to_checksum_address(text)


def _terms(given: Mapping[str, Any], settings: RequesterSettings) -> Terms:
    max_cost, callback = given["max_cost"], given["callback"]
    amounts = settings.amounts
    return Terms(
        model_id=parse_model_id(settings.model) if settings.model else None,
        redundancy=given["redundancy"],
        rounds=given["rounds"],
        tick=given["tick"],
        min_seats=given["min_seats"],
        max_job_tokens=given["max_job_tokens"],
        max_cost=None if max_cost is None else amounts.units(max_cost, "--max-cost"),
        callback=None if callback is None else parse_address(callback, "--callback"),
        callback_gas=given["callback_gas"],
    )


def _read(file: Path | None) -> list[PromptRequest]:
    return read_prompts(file) if file is not None else []


def _decoding(given: Mapping[str, Any]) -> Decoding:
    return Decoding(
        max_new_tokens=given["max_new_tokens"],
        temperature=_millionths(given["temperature"], "--temperature"),
        top_k=given["top_k"],
        top_p=_millionths(given["top_p"], "--top-p"),
        seed=given["seed"],
        stop=tuple(given["stop"]) or None,
        stop_ids=tuple(given["stop_id"]) or None,
        logprobs=given["logprobs"],
    )


def _millionths(text: str | None, name: str) -> int | None:
    return None if text is None else parse_scaled(text, MILLIONTHS, name)


def _word(text: str, name: str) -> bytes:
    if _WORD.fullmatch(text) is None:
        raise RequestError(
            f"{name} {text[:80]!r} is none; give 0x and 64 hexadecimal digits"
        )
    return bytes.fromhex(text[2:])
