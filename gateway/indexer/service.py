"""The indexer as a part of a running gateway: two threads, started and stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.database.engine import Database
from gateway.indexer.costs import CostSource, fill_costs
from gateway.indexer.indexer import ChainSource, Indexer, IndexStep
from gateway.indexer.position import IndexedMarket
from protocol.chain.reader import MarketReader
from protocol.errors import DatabaseError, MarketError, RpcUnavailable

__all__ = ["IndexService", "IndexStatus", "MarketSource", "market_of"]

_log = logging.getLogger(__name__)

COSTS_AT_ONCE = 100
# A replica that neither moves nor fails for so long is not ready.
STALE_SECONDS = 60.0
_STOP_SECONDS = 30.0
# Costs that could not be had are asked for again.
_COSTS_SECONDS = 10.0


class MarketSource(ChainSource, CostSource, Protocol):
    """What is indexed, with its costs; `MarketReader` is one."""


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """How the index is doing.

    Attributes:
        is_leader: Whether this replica indexes at present.
        head: Last block that is indexed; None before the first look.
        lag_blocks: Blocks mined and not indexed, at the last look.
        events: Events that this replica has indexed.
        rewinds: Reorganisations that it has followed.
        looked_at: Time of the last look that succeeded, `time.monotonic`.
        trouble: What keeps it from going on; None when nothing does.
    """

    is_leader: bool = False
    head: int | None = None
    lag_blocks: int = 0
    events: int = 0
    rewinds: int = 0
    looked_at: float = 0.0
    trouble: str | None = None


def market_of(reader: MarketReader) -> IndexedMarket:
    """What a reader's deployment is, for the index."""
    deployment = reader.deployment
    return IndexedMarket(
        chain_id=deployment.chain_id,
        marketplace=deployment.marketplace,
        start_block=deployment.block_number,
        seat_bond=reader.config.seat_bond,
    )


class IndexService:
    """Keeps the index in step until it is stopped; retries after failures."""

    def __init__(
        self,
        database: Database,
        source: MarketSource,
        market: IndexedMarket,
        *,
        poll_seconds: float = 0.5,
        confirmations: int = 0,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare it; nothing runs before `start`.

        Args:
            database: Migrated.
            source: The market's node.
            market: What is indexed.
            poll_seconds: Pause between two looks at the chain.
            confirmations: Blocks that must lie above one before it is indexed.
            on_change: Called by the indexing thread after each change of the index, on
                followers too; it must be quick.
        """
        self._database = database
        self._source = source
        self._market = market
        self._poll_seconds = poll_seconds
        self._confirmations = confirmations
        self._on_change = on_change
        self._stopped = threading.Event()
        self._wants_costs = threading.Event()
        self._threads: list[threading.Thread] = []
        self._status = IndexStatus()

    @property
    def status(self) -> IndexStatus:
        """How it is doing."""
        return self._status

    def start(self) -> None:
        """Begin; returns at once."""
        for work in (self._index, self._look_up_costs):
            thread = threading.Thread(target=work, name=f"index{work.__name__}")
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End, and let another replica take over at once."""
        self._stopped.set()
        self._wants_costs.set()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)

    def check(self) -> None:
        """Whether the index can be trusted to be fresh.

        Raises:
            DatabaseError: It is not; says why.
        """
        status = self._status
        if status.trouble is not None:
            raise DatabaseError(f"the index does not move: {status.trouble}")
        if time.monotonic() - status.looked_at > STALE_SECONDS:
            raise DatabaseError("the index has not looked at the chain for a minute")

    # ---------------------------------------------------------------- private

    def _index(self) -> None:
        indexer: Indexer | None = None
        while not self._stopped.is_set():
            try:
                if indexer is None:
                    indexer = self._indexer()
                step = indexer.step()
            except Exception as error:
                self._note_trouble(error)
                self._stopped.wait(self._poll_seconds)
                continue
            self._note(step)
            if not step.is_leader or step.lag_blocks == 0:
                self._stopped.wait(self._poll_seconds)
        if indexer is not None:
            self._resign(indexer)

    def _indexer(self) -> Indexer:
        return Indexer(
            self._database,
            self._source,
            self._market,
            confirmations=self._confirmations,
        )

    def _resign(self, indexer: Indexer) -> None:
        try:
            indexer.resign()
        except MarketError as error:
            # The others wait for the lease to run out.
            _log.warning("the lease was not given back", extra={"reason": str(error)})

    def _note(self, step: IndexStep) -> None:
        before = self._status
        if before.trouble is not None:
            _log.info("the index goes on", extra={"head": step.head})
        self._status = IndexStatus(
            is_leader=step.is_leader,
            head=step.head,
            lag_blocks=step.lag_blocks,
            events=before.events + step.event_count,
            rewinds=before.rewinds + int(step.rewound_to is not None),
            looked_at=time.monotonic(),
        )
        if step.head != before.head or step.rewound_to is not None:
            self._on_change()
        if step.is_leader and step.event_count:
            self._wants_costs.set()

    def _note_trouble(self, error: Exception) -> None:
        before = self._status
        if isinstance(error, MarketError):
            trouble = str(error)
        else:
            trouble = f"internal error, {type(error).__name__}"
            _log.exception("the indexer failed")
        if trouble != before.trouble:
            _log.warning("the index does not move", extra={"reason": trouble})
        self._status = IndexStatus(
            head=before.head,
            lag_blocks=before.lag_blocks,
            events=before.events,
            rewinds=before.rewinds,
            looked_at=before.looked_at,
            trouble=trouble,
        )

    def _look_up_costs(self) -> None:
        while not self._stopped.is_set():
            self._wants_costs.wait(_COSTS_SECONDS)
            self._wants_costs.clear()
            if self._stopped.is_set() or not self._status.is_leader:
                continue
            try:
                found = COSTS_AT_ONCE
                while found == COSTS_AT_ONCE and not self._stopped.is_set():
                    found = fill_costs(
                        self._database, self._source, limit=COSTS_AT_ONCE
                    )
            except (RpcUnavailable, DatabaseError) as error:
                _log.warning("gas was not looked up", extra={"reason": str(error)})
