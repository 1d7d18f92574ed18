"""How parties on different IPFS nodes find each other: by announcements on the chain.

An account announces one address of its node. Who has business with it, and with nobody
else, looks that up and connects its own node: a worker to the requesters of its jobs, a
requester to the members of its committees. So nobody can make others dial much by
announcing, and whoever is dialled too often was announced by an account that pays.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from eth_typing import ChecksumAddress

from protocol.digests import Digest
from protocol.errors import ConfigError, MarketError
from protocol.market.events import Announced, Event, Log, ModelRegistered
from protocol.peers.address import AddressRefused, PeerAddress, own_address
from protocol.store.port import PeerNode

__all__ = [
    "AUTO",
    "OFF",
    "AnnouncementSource",
    "Announcer",
    "Introductions",
]

logger = logging.getLogger(__name__)

AUTO, OFF = "auto", "off"
"""Settings of what to announce, besides an address itself."""

# Announcements are looked for in so many of the last blocks, and made anew in time.
_LOOK_BACK_BLOCKS = 50_000
_RENEW_BLOCKS = _LOOK_BACK_BLOCKS // 2
# An account's peer is dialled again after so long, if there is still business with it.
_AGAIN_SECONDS = 30.0
_MAX_DIALS_PER_MINUTE = 30
_MAX_WAITING = 256
_MINUTE = 60.0


class AnnouncementSource(Protocol):
    """Where announcements are read; `MarketReader` is one. Raises `ChainError`."""

    def block_number(self) -> int:
        """Number of the last block."""
        ...

    def events(
        self,
        *,
        from_block: int | None = None,
        kinds: tuple[type[Event], ...] | None = None,
        account: ChecksumAddress | None = None,
    ) -> list[Log]:
        """Events of an account since a block."""
        ...


class Announcer(AnnouncementSource, Protocol):
    """Who can announce; `MarketClient` with an account is one."""

    @property
    def address(self) -> ChecksumAddress:
        """The account."""
        ...

    def announce(self, message: bytes) -> object:
        """Announces in the account's name."""
        ...


def _given(setting: str, *, allow_private: bool) -> PeerAddress:
    try:
        return PeerAddress.parse(setting, allow_private=allow_private)
    except AddressRefused as error:
        raise ConfigError(f"the address to announce: {error}") from error


def _latest(
    source: AnnouncementSource, account: ChecksumAddress, blocks: int
) -> bytes | None:
    logs = source.events(
        from_block=max(source.block_number() - blocks, 0),
        kinds=(Announced,),
        account=account,
    )
    found = [log.event.message for log in logs if isinstance(log.event, Announced)]
    return found[-1] if found else None


class Introductions:
    """Connects one's node to the nodes of accounts that one has business with.

    Work is done on a thread of its own, which `close` ends. Failures are logged and
    change nothing: what cannot be fetched is missed by whoever fetches it.
    """

    def __init__(
        self,
        client: Announcer,
        node: PeerNode,
        *,
        allow_private: bool,
        own_address: str = OFF,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nobody is met before `meet`, and nothing announced before `announce`.

        Args:
            client: Where announcements are read; its account announces.
            node: The account's node, which connects.
            allow_private: Whether addresses of private networks are announced and
                connected to.
            own_address: What to announce: an address, `auto` for one that the node
                itself knows, or `off`.
            clock: Seconds that only go forward.

        Raises:
            ConfigError: The address to announce may not be dialled by others.
        """
        self._client = client
        self._node = node
        self._allow_private = allow_private
        self._is_auto = own_address == AUTO
        self._own: PeerAddress | None = None
        if own_address not in (AUTO, OFF):
            self._own = _given(own_address, allow_private=allow_private)
        self._clock = clock
        self._tried: dict[ChecksumAddress, float] = {}
        self._dials: list[float] = []
        self._waiting: dict[ChecksumAddress, None] = {}
        self._changed = threading.Condition()
        self._is_closed = False
        self._announcing = threading.Lock()
        self._has_announced = False
        self._thread: threading.Thread | None = None

    def announce(self) -> None:
        """Say on the chain where the account's content can be had, once a process.

        What was said lately is not said again. A failure is logged; the next call
        tries again.
        """
        with self._announcing:
            if self._has_announced:
                return
            try:
                self._announce()
            except MarketError as error:
                logger.warning("not announced", extra={"reason": str(error)})
            else:
                self._has_announced = True

    def meet(self, accounts: Iterable[ChecksumAddress]) -> None:
        """Connect to their nodes soon. Never waits.

        Args:
            accounts: Whose announcements to look up. Who was met lately is left out;
                so are those beyond what one minute has room for, until named again.
        """
        with self._changed:
            for account in accounts:
                if self._is_due(account) and len(self._waiting) < _MAX_WAITING:
                    self._waiting[account] = None
            if self._waiting and self._thread is None and not self._is_closed:
                self._thread = threading.Thread(
                    target=self._run, name="introductions", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def meet_now(self, account: ChecksumAddress) -> str | None:
        """Connect to an account's node and wait for it.

        Args:
            account: Whose announcement to look up.

        Returns:
            The address connected to; None if there is none, it is refused, too many
            were dialled lately, or it does not answer.
        """
        with self._changed:
            now = self._clock()
            # Names cost their requesters little, so those of long ago are not kept.
            self._tried = {
                known: at
                for known, at in self._tried.items()
                if now - at < _AGAIN_SECONDS
            }
            self._tried[account] = now
            self._dials = [at for at in self._dials if now - at < _MINUTE]
            if len(self._dials) >= _MAX_DIALS_PER_MINUTE:
                return None
            self._dials.append(now)
        try:
            return self._connect(account)
        except (AddressRefused, MarketError) as error:
            facts = {"account": account, "reason": str(error)}
            logger.info("peer not reached", extra=facts)
            return None

    def meet_publisher(self, package_digest: Digest) -> str | None:
        """Connect to the node of who registered a model first, and wait for it.

        Args:
            package_digest: The model's package.

        Returns:
            As `meet_now`.
        """
        try:
            logs = self._client.events(kinds=(ModelRegistered,))
        except MarketError as error:
            logger.info("publisher not found", extra={"reason": str(error)})
            return None
        events = [log.event for log in logs]
        for event in events:
            if not isinstance(event, ModelRegistered):
                continue
            if event.spec.package_digest == package_digest:
                return self.meet_now(event.registrant)
        return None

    def close(self) -> None:
        """Meet nobody any more. A connection being made is not waited for."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._changed.notify()

    def _announce(self) -> None:
        own = self._own
        if self._is_auto:
            stated = self._node.addresses()
            own = own_address(stated, allow_private=self._allow_private)
        if own is None:
            return
        message = own.text.encode("ascii")
        if _latest(self._client, self._client.address, _RENEW_BLOCKS) != message:
            self._client.announce(message)
            logger.info("announced", extra={"address": own.text})

    def _is_due(self, account: ChecksumAddress) -> bool:
        tried = self._tried.get(account)
        return tried is None or self._clock() - tried >= _AGAIN_SECONDS

    def _connect(self, account: ChecksumAddress) -> str | None:
        message = _latest(self._client, account, _LOOK_BACK_BLOCKS)
        if message is None:
            return None
        peer = PeerAddress.parse(message, allow_private=self._allow_private)
        self._node.connect(peer.text)
        logger.info("peer met", extra={"account": account, "address": peer.text})
        return peer.text

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                account = next(iter(self._waiting))
            self.meet_now(account)
            with self._changed:
                self._waiting.pop(account, None)
