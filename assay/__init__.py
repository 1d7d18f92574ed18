"""Assay for programs: every name that a user of the SDK imports.

    from assay import Client, Decoding, Terms

    client = Client.connect()
    job = client.submit("It was a fine morning", decoding=Decoding(max_new_tokens=8))

A name is loaded when it is first used, so importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from protocol.errors import MarketError
    from requester.batches.batch import Batch
    from requester.batches.records import BatchOptions
    from requester.client import Client
    from requester.jobs.drafts import Terms
    from requester.prompts.decoding import Decoding
    from requester.prompts.request import PromptRequest
    from requester.prompts.tasks import Task
    from requester.receipts.verify import verify

__all__ = [
    "Batch",
    "BatchOptions",
    "Client",
    "Decoding",
    "MarketError",
    "PromptRequest",
    "Task",
    "Terms",
    "verify",
]

_HOMES = {
    "Batch": "requester.batches.batch",
    "BatchOptions": "requester.batches.records",
    "Client": "requester.client",
    "Decoding": "requester.prompts.decoding",
    "MarketError": "protocol.errors",
    "PromptRequest": "requester.prompts.request",
    "Task": "requester.prompts.tasks",
    "Terms": "requester.jobs.drafts",
    "verify": "requester.receipts.verify",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'assay' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
