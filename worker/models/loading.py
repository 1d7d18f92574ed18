"""Models that a worker serves: fetched by digest, verified, cached, loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inference import (
    CACHE_BLOCK,
    BatchingEngine,
    IntegerEngine,
    check_vectors,
    load_model,
    measure_tokens_per_second,
    read_package,
)
from inference.engine import Engine
from inference.errors import EngineError
from protocol.chain.client import MarketClient
from protocol.documents.tokenizer import TokenCodec
from protocol.errors import ModelRefused
from protocol.hexadecimal import to_hex
from protocol.market.types import EXACT_PROFILES, ModelId, ModelSpec
from protocol.store.packages import fetch_package
from protocol.store.port import ContentStore
from worker.settings import EngineOptions

__all__ = ["ServedModel", "WrapEngine", "serve_model"]

logger = logging.getLogger(__name__)

WrapEngine = Callable[[Engine], Engine]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model ready to work.

    Attributes:
        model_id: Its id.
        spec: Its registered spec.
        engine: The engine that runs it, for any number of threads.
        codec: Its tokenizer.
        tokens_per_second: Speed measured at start.
    """

    model_id: ModelId
    spec: ModelSpec
    engine: Engine
    codec: TokenCodec
    tokens_per_second: float


def serve_model(
    client: MarketClient,
    store: ContentStore,
    model_id: ModelId,
    *,
    cache: Path,
    options: EngineOptions,
    wrap_engine: WrapEngine,
) -> ServedModel:
    """Fetch a registered model, check it against its spec, load, try and time it.

    Raises:
        ModelRefused: The profile is not reproducible, the package does not hold what
            the spec says, or this machine does not compute what its vectors say.
        ContractReverted: The model is not registered.
        StoreError: The package cannot be fetched.
    """
    spec = client.spec_of(model_id)
    require_exact(spec)
    folder = fetch_package(store, spec.package_digest, cache)
    try:
        codec = TokenCodec.from_bytes((folder / "tokenizer.json").read_bytes())
        loaded = _load(folder, model_id, spec, codec, options)
        engine = wrap_engine(BatchingEngine(loaded))
    except EngineError as error:
        raise ModelRefused(f"model {to_hex(model_id)}: {error}") from error
    speed = measure_tokens_per_second(engine)
    logger.info(
        "model loaded",
        extra={"model_id": to_hex(model_id), "tokens_per_second": round(speed, 1)},
    )
    return ServedModel(model_id, spec, engine, codec, speed)


def require_exact(spec: ModelSpec) -> None:
    """Refuse arithmetic whose results could cost an honest worker its bond.

    Results that differ between machines cannot be compared between strangers. Raises
    ModelRefused.
    """
    if not spec.is_exact:
        raise ModelRefused(
            f"profile {spec.profile_name!r} may give other results on other machines; "
            f"served are {', '.join(sorted(EXACT_PROFILES))}"
        )


def _load(
    folder: Path,
    model_id: ModelId,
    spec: ModelSpec,
    codec: TokenCodec,
    options: EngineOptions,
) -> IntegerEngine:
    package = read_package(folder)
    _require_same(model_id, "profile", spec.profile_name, package.shape.profile.name)
    _require_same(
        model_id, "vocabulary size", spec.vocab_size, package.shape.vocab_size
    )
    _require_same(
        model_id, "context length", spec.context_length, package.shape.context_length
    )
    model = load_model(package, threads=options.threads, backend=options.backend)
    root = package.weights_root()
    _require_same(model_id, "weights root", spec.weights_root.hex(), root.hex())
    _require_cache(model_id, spec, model.bytes_per_token(), options.cache_bytes)
    engine = IntegerEngine(
        model,
        codec.vocabulary,
        cache_bytes=options.cache_bytes,
        prefill_rows=options.prefill_rows,
    )
    check_vectors(folder, model)
    return engine


def _require_cache(
    model_id: ModelId, spec: ModelSpec, bytes_per_token: int, cache_bytes: int
) -> None:
    """Refuse a model whose longest prompt exceeds the cache, before a seat is drawn."""
    needed = bytes_per_token * (spec.context_length + CACHE_BLOCK)
    if needed > cache_bytes:
        raise ModelRefused(
            f"model {to_hex(model_id)}: one prompt may take {needed >> 20} MiB of "
            f"cache, the engine may use {cache_bytes >> 20}: raise cache_mib"
        )


def _require_same(
    model_id: ModelId, name: str, stated: str | int, found: str | int
) -> None:
    if stated != found:
        raise ModelRefused(
            f"model {to_hex(model_id)} is registered with the {name} {stated}, its "
            f"package has {found}"
        )
