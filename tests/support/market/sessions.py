"""A role's connections, put together by a test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from protocol.chain.client import MarketClient
from protocol.roles.session import Session
from protocol.store.port import ContentStore

__all__ = ["a_session"]


class NoPeers:
    """For a content store that finds everything by itself."""

    def meet(self, accounts: Iterable[str]) -> None:
        """Meets nobody."""

    def close(self) -> None:
        """Nothing is open."""


def a_session(market: MarketClient, store: ContentStore) -> Session:
    """Connections of an account to a market and to any content store."""
    content: Any = store
    introductions: Any = NoPeers()
    return Session(market, content, introductions, market.address)
