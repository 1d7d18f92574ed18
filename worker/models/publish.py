"""Publishing a model: its package on IPFS, its spec in the registry."""

from __future__ import annotations

from pathlib import Path

from inference import check_vectors, load_model, package_files, read_package
from protocol.chain.client import MarketClient
from protocol.errors import ContractReverted
from protocol.market.types import ModelId, ModelSpec
from protocol.roles.session import open_session, unlock_account
from protocol.store.port import ContentStore
from worker.settings import WorkerSettings

__all__ = ["BASE_PRICE", "MS_PER_TOKEN", "publish_from_settings", "publish_model"]

BASE_PRICE = 2
# A small model on one thread of a shared machine is many times faster; a seat's owner
# signs up to this pace, so it leaves room for slow machines.
MS_PER_TOKEN = 5


def publish_from_settings(
    folder: Path,
    settings: WorkerSettings,
    *,
    base_price: int | None = None,
    ms_per_token: int | None = None,
) -> ModelId:
    """Try a package, then publish it with a worker's key, chain and IPFS node.

    Args:
        folder: An integer package.
        settings: Where to, and as whom.
        base_price: As `publish_model`, whose default stands for None.
        ms_per_token: As `publish_model`, whose default stands for None.

    Raises:
        EngineError: The folder holds no usable package, or this machine does not
            compute what its vectors say.
        MarketError: As `publish_model`, or a setting is missing.
    """
    account = unlock_account(settings)
    package = read_package(folder)
    options = settings.engine_options
    model = load_model(package, threads=options.threads, backend=options.backend)
    check_vectors(folder, model)
    with open_session(settings, account) as session:
        session.introductions.announce()
        return publish_model(
            folder,
            session.store,
            session.market,
            base_price=BASE_PRICE if base_price is None else base_price,
            ms_per_token=MS_PER_TOKEN if ms_per_token is None else ms_per_token,
        )


def publish_model(
    folder: Path,
    store: ContentStore,
    client: MarketClient,
    *,
    base_price: int = BASE_PRICE,
    ms_per_token: int = MS_PER_TOKEN,
) -> ModelId:
    """Put a model package on IPFS and register it; registering again changes nothing.

    Args:
        folder: An integer package.
        store: Where the files go.
        client: Whose account registers.
        base_price: Units of the escrow token for a token at tick 0.
        ms_per_token: Pace that a seat's owner signs up to.

    Raises:
        EngineError: The folder holds no usable package.
        StoreError: The files cannot be stored.
        ChainError: The spec cannot be registered.
    """
    package = read_package(folder)
    shape = package.shape
    files = {name: (folder / name).read_bytes() for name in package_files(folder)}
    spec = ModelSpec(
        package_digest=store.put_directory(files),
        weights_root=package.weights_root(),
        profile=shape.profile.name.encode("ascii").ljust(32, b"\0"),
        vocab_size=shape.vocab_size,
        context_length=shape.context_length,
        ms_per_token=ms_per_token,
        base_price=base_price,
    )
    try:
        client.register_model(spec)
    except ContractReverted as error:
        if error.name != "ModelAlreadyRegistered":
            raise
    return spec.model_id()
