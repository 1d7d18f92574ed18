"""What a requester's objects share: chain, store, tokenizers, clock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from eth_typing import ChecksumAddress

from protocol.chain.client import MarketClient
from protocol.market.advancing import Due, due
from protocol.market.types import Round
from protocol.peers.introductions import Introductions
from protocol.roles.session import Session
from protocol.store.port import ContentStore
from requester.jobs.clock import Clock, SystemClock
from requester.jobs.tokenizers import TokenizerCache

__all__ = ["Connections"]


@dataclass(frozen=True, slots=True)
class Connections:
    """Connections of one requester.

    Attributes:
        market: The marketplace.
        account: Address that posts and pays; None for one that only reads.
        store: Where prompts go and results come from.
        tokenizers: Codecs of model packages.
        clock: Time for waiting loops.
        poll_seconds: Pause between two looks at the chain.
        results_timeout_seconds: How long to try to fetch a document.
        data_dir: Folder for what must outlive the process: batches, tokenizers.
        confirmations: Blocks that a batch's job must have ended under before its end is
            believed.
        introductions: Connects the IPFS node to those of workers; None where it finds
            them by itself.
    """

    market: MarketClient
    account: ChecksumAddress | None
    store: ContentStore
    tokenizers: TokenizerCache
    clock: Clock
    poll_seconds: float
    results_timeout_seconds: float
    data_dir: Path = Path(".assay/requester")
    confirmations: int = 0
    introductions: Introductions | None = None

    @classmethod
    def of(
        cls,
        session: Session,
        *,
        data_dir: Path,
        poll_seconds: float,
        results_timeout_seconds: float,
        confirmations: int = 0,
    ) -> Self:
        """Those of a role's session; the arguments as the attributes."""
        find = session.introductions.meet_publisher
        return cls(
            market=session.market,
            account=session.account,
            store=session.store,
            tokenizers=TokenizerCache(
                session.store, data_dir / "tokenizers", find=find
            ),
            clock=SystemClock(),
            poll_seconds=poll_seconds,
            results_timeout_seconds=results_timeout_seconds,
            data_dir=data_dir,
            confirmations=confirmations,
            introductions=session.introductions,
        )

    def due(self, current: Round) -> Due:
        """What a job in this round needs next. Raises RpcUnavailable."""
        # A chain that mines on demand has an old latest block.
        now = max(self.market.block_time(), int(self.clock.now()))
        return due(current, self.market.block_number(), now)
