"""Publishing a model: its package on IPFS, its spec in the registry."""

from __future__ import annotations

from pathlib import Path

from inference.package import FLOAT_DEV, read_package
from protocol.chain.client import MarketClient
from protocol.errors import ContractReverted
from protocol.market import ModelId, ModelSpec
from protocol.store.port import ContentStore

__all__ = ["BASE_PRICE", "FLOAT_MS_PER_TOKEN", "publish_model"]

BASE_PRICE = 2
# The float engine runs each prompt alone on one thread, and several workers share the
# machine: 20 tokens a second is a pace that all of them keep.
FLOAT_MS_PER_TOKEN = 50

_PACKAGE_FILES = ("README.md", "config.json", "model.safetensors", "tokenizer.json")


def publish_model(
    folder: Path,
    store: ContentStore,
    client: MarketClient,
    *,
    profile: str = FLOAT_DEV,
    base_price: int = BASE_PRICE,
    ms_per_token: int = FLOAT_MS_PER_TOKEN,
) -> ModelId:
    """Put a model package on IPFS and register it; registering again changes nothing.

    Args:
        folder: The package's files.
        store: Where the files go.
        client: Whose account registers.
        profile: Name of the arithmetic, at most 32 ASCII characters.
        base_price: Units of the escrow token for a token at tick 0.
        ms_per_token: Pace that a seat's owner signs up to.

    Raises:
        EngineError: The folder holds no usable GPT-2.
        StoreError: The files cannot be stored.
        ChainError: The spec cannot be registered.
    """
    shape = read_package(folder).shape
    files = {
        name: (folder / name).read_bytes()
        for name in _PACKAGE_FILES
        if (folder / name).is_file()
    }
    spec = ModelSpec(
        package_digest=store.put_directory(files),
        weights_root=bytes(32),
        profile=profile.encode("ascii").ljust(32, b"\0"),
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
