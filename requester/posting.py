"""Handing prompts to the content store, so that every worker can fetch them."""

from __future__ import annotations

from protocol.digests import Digest
from protocol.errors import DigestMismatch
from protocol.store.port import ContentStore

__all__ = ["store_prompts"]


def store_prompts(store: ContentStore, content: bytes, digest: Digest) -> None:
    """Puts, pins and reads back: workers that cannot fetch cost a failed job.

    Args:
        store: The content store.
        content: The prompts document.
        digest: Its digest, as the job's parameters state it.

    Raises:
        DigestMismatch: The store keeps the bytes under another digest, or returns
            other ones.
        StoreError: It does not answer.
    """
    stored = store.put(content)
    if stored != digest:
        raise DigestMismatch(
            f"the content store put the prompts under 0x{stored.hex()} instead of "
            f"0x{digest.hex()}; it must chunk by 256 KiB and make CIDv0"
        )
    store.pin(digest)
    if store.get(digest, max_bytes=len(content)) != content:
        raise DigestMismatch(
            f"the content store returned other prompts under 0x{digest.hex()}; "
            "use another IPFS node"
        )
