"""Where a worker gets the prompts of its jobs."""

from __future__ import annotations

from protocol.documents.canonical import MAX_DOCUMENT_BYTES
from protocol.market.types import JobParams
from protocol.peers.introductions import Introductions
from protocol.store.port import ContentStore
from worker.duty import Duty

__all__ = ["PromptSource"]


class PromptSource:
    """Fetches prompts from the content store. May be used from any thread."""

    def __init__(
        self,
        store: ContentStore,
        introductions: Introductions,
        *,
        fetch_share: int,
    ) -> None:
        """Nothing is fetched yet.

        Args:
            store: Where prompts are.
            introductions: Connects the worker's IPFS node to those of requesters.
            fetch_share: Part of the commit window spent on fetching, percent.
        """
        self._store = store
        self._introductions = introductions
        self._fetch_share = fetch_share

    def prepare(self, params: JobParams) -> None:
        """Have the IPFS node connect to the requester's soon. Never waits."""
        self._introductions.meet([params.requester])

    def fetch(self, params: JobParams) -> bytes:
        """The prompts document of a job. Raises StoreError."""
        return self._store.get(params.prompts_digest, max_bytes=MAX_DOCUMENT_BYTES)

    def fetch_until(self, duty: Duty) -> int:
        """Unix time after which prompts that cannot be had are given up."""
        window = duty.commit_deadline - duty.drawn_at
        return duty.drawn_at + window * self._fetch_share // 100
