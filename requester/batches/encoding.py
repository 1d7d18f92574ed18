"""Options and prompts of a batch as JSON, for its journal."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from eth_utils.address import to_checksum_address

from protocol.market.types import ModelId
from requester.batches.records import BatchOptions
from requester.jobs.drafts import Terms
from requester.prompts.decoding import Decoding
from requester.prompts.files import PromptRequest
from requester.prompts.tasks import Task

__all__ = ["decode_options", "decode_request", "encode_options", "encode_request"]


def encode_options(options: BatchOptions) -> str:
    """JSON of a batch's options."""
    terms = asdict(options.terms)
    if options.terms.model_id is not None:
        terms["model_id"] = options.terms.model_id.hex()
    value = {
        "task": options.task.value,
        "decoding": _said(options.decoding),
        "terms": terms,
        "job_size": options.job_size,
        "in_flight": options.in_flight,
        "budget": options.budget,
    }
    return json.dumps(value)


def decode_options(text: str) -> BatchOptions:
    """The inverse of `encode_options`."""
    value = json.loads(text)
    terms = value["terms"]
    if terms["model_id"] is not None:
        terms["model_id"] = ModelId(bytes.fromhex(terms["model_id"]))
    if terms["callback"] is not None:
        terms["callback"] = to_checksum_address(terms["callback"])
    return BatchOptions(
        task=Task(value["task"]),
        decoding=_decoding(value["decoding"]),
        terms=Terms(**terms),
        job_size=value["job_size"],
        in_flight=value["in_flight"],
        budget=value["budget"],
    )


def encode_request(request: PromptRequest) -> str:
    """JSON of a prompt and its parameters."""
    return json.dumps({"text": request.text, "decoding": _said(request.decoding)})


def decode_request(text: str) -> PromptRequest:
    """The inverse of `encode_request`."""
    value = json.loads(text)
    return PromptRequest(value["text"], _decoding(value["decoding"]))


def _said(decoding: Decoding) -> dict[str, Any]:
    named = ((field.name, getattr(decoding, field.name)) for field in fields(decoding))
    return {name: value for name, value in named if value is not None}


def _decoding(value: dict[str, Any]) -> Decoding:
    """Lists become tuples again."""
    given: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in value.items()
    }
    return Decoding(**given)
