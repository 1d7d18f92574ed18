"""A role's connections to chain, content store and peers, made from its settings alone.

Whoever acts as a role connects here, so that each setting holds wherever it does.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress

from protocol.chain.client import MarketClient
from protocol.chain.deployment import Deployment
from protocol.chain.keys.accounts import load_account
from protocol.chain.transactions.options import SendObserver
from protocol.errors import ContentNotFound
from protocol.host.private_files import make_private_folder
from protocol.market.types import ModelId
from protocol.peers.introductions import OFF, Introductions
from protocol.roles.settings import RoleSettings
from protocol.store.failover import IpfsContent, open_store
from protocol.store.packages import fetch_package

__all__ = ["Session", "open_read_only", "open_session", "unlock_account"]


@dataclass(frozen=True, slots=True)
class Session(AbstractContextManager["Session"]):
    """The connections of one role. As a context manager it closes them.

    Attributes:
        market: The marketplace. It sends within the role's limits, and remembers what
            it sent in the outbox of the role's data folder.
        store: The content store.
        introductions: Announces the role's IPFS node, and connects it to others'.
        account: Address that sends and pays; None for a session that only reads.
    """

    market: MarketClient
    store: IpfsContent
    introductions: Introductions
    account: ChecksumAddress | None

    def fetch_package(self, model_id: ModelId, cache: Path) -> None:
        """Have a model's package in a cache, from whoever registered it if need be.

        Raises:
            ContractReverted: The model is not registered.
            StoreError: The package cannot be fetched.
        """
        digest = self.market.spec_of(model_id).package_digest
        try:
            fetch_package(self.store, digest, cache)
        except ContentNotFound:
            if self.introductions.meet_publisher(digest) is None:
                raise
            fetch_package(self.store, digest, cache)

    def close(self) -> None:
        """Connect to no more peers."""
        self.introductions.close()

    def __exit__(self, *exception: object) -> None:
        """Closes it."""
        self.close()


def unlock_account(settings: RoleSettings) -> LocalAccount:
    """The role's account. Asks for a password if the key file needs one.

    Raises:
        ConfigError: No key file is set, it cannot be used, or the deployment file
            cannot.
        WrongPassword: The password does not open it.
    """
    return load_account(
        settings.require_key_file(),
        chain_id=Deployment.load(settings.deployment).chain_id,
        password=settings.password,
    )


def open_session(
    settings: RoleSettings,
    account: LocalAccount | None = None,
    *,
    observer: SendObserver | None = None,
) -> Session:
    """Connect with the role's key. Nothing is announced yet.

    Args:
        settings: The role's.
        account: From `unlock_account`, for who needs it before; None unlocks it here.
        observer: Told what transactions cost.

    Raises:
        ConfigError: A setting, the key file, the deployment file or the data folder
            cannot be used.
        OutboxError: The outbox in the data folder cannot be used.
        ChainError: The chain does not answer, or is not the deployment's.
    """
    return _connect(settings, account or unlock_account(settings), observer)


def open_read_only(settings: RoleSettings) -> Session:
    """Connect without a key: no password is asked for, and no outbox opened.

    Raises:
        ConfigError: A setting or the deployment file cannot be used.
        ChainError: The chain does not answer, or is not the deployment's.
    """
    return _connect(settings, None, None)


def _connect(
    settings: RoleSettings,
    account: LocalAccount | None,
    observer: SendObserver | None,
) -> Session:
    options, own_address = None, OFF
    if account is not None:
        make_private_folder(settings.data_dir, "data folder")
        options = replace(settings.sender_options, observer=observer)
        own_address = settings.announce
    store = open_store(settings.ipfs_api)
    market = MarketClient.connect(
        settings.rpc_url,
        Deployment.load(settings.deployment),
        account,
        options=options,
    )
    introductions = Introductions(
        market,
        store,
        allow_private=settings.private_peers,
        own_address=own_address,
    )
    address = None if account is None else market.address
    return Session(market, store, introductions, address)
