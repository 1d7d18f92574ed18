"""Whom a worker's IPFS node gets to know, and how the worker makes itself known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from protocol.chain.client import MarketClient
from protocol.errors import ContentNotFound
from protocol.market.types import ModelId
from protocol.peers.introductions import Introductions
from protocol.store.packages import fetch_package
from protocol.store.port import ContentStore, PeerNode
from worker.settings import WorkerSettings

__all__ = ["acquainted", "fetch_by_introduction"]


@contextmanager
def acquainted(
    client: MarketClient, node: PeerNode, settings: WorkerSettings
) -> Iterator[Introductions]:
    """Announce the worker's node, and connect it to others while inside.

    Raises:
        ConfigError: The address to announce may not be dialled by others.
    """
    introductions = Introductions(client, node, allow_private=settings.private_peers)
    introductions.announce(client, settings.announce)
    try:
        yield introductions
    finally:
        introductions.close()


def fetch_by_introduction(
    introductions: Introductions,
    client: MarketClient,
    store: ContentStore,
    model_id: ModelId,
    cache: Path,
) -> None:
    """Have a model's package in the cache, from whoever registered it if need be.

    Raises:
        ContractReverted: The model is not registered.
        StoreError: The package cannot be fetched.
    """
    digest = client.spec_of(model_id).package_digest
    try:
        fetch_package(store, digest, cache)
    except ContentNotFound:
        if introductions.meet_publisher(digest) is None:
            raise
        fetch_package(store, digest, cache)
