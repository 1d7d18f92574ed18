"""Models that a worker serves: fetched by digest, verified, cached, loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inference.engine import Engine
from inference.errors import EngineError
from inference.package import load_engine
from inference.throughput import measure_tokens_per_second
from protocol.chain.client import MarketClient
from protocol.errors import ModelRefused
from protocol.market import DEVELOPMENT_CHAIN_IDS, ModelId, ModelSpec
from protocol.store.packages import fetch_package
from protocol.store.port import ContentStore
from protocol.text import TokenCodec

__all__ = ["FLOAT_PROFILE", "ServedModel", "WrapEngine", "load_model"]

logger = logging.getLogger(__name__)

FLOAT_PROFILE = "float-dev"
WrapEngine = Callable[[Engine], Engine]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model ready to work.

    Attributes:
        model_id: Its id.
        spec: Its registered spec.
        engine: The engine that runs it.
        codec: Its tokenizer.
        tokens_per_second: Speed measured at start.
    """

    model_id: ModelId
    spec: ModelSpec
    engine: Engine
    codec: TokenCodec
    tokens_per_second: float


def load_model(
    client: MarketClient,
    store: ContentStore,
    model_id: ModelId,
    *,
    cache: Path,
    threads: int,
    wrap_engine: WrapEngine,
) -> ServedModel:
    """Fetch a registered model, check it against its spec, load and time it.

    Raises:
        ModelRefused: The profile may not be served on this chain, or the package does
            not hold what the spec says.
        ContractReverted: The model is not registered.
        StoreError: The package cannot be fetched.
    """
    spec = client.spec_of(model_id)
    require_profile(spec, client.chain_id)
    folder = fetch_package(store, spec.package_digest, cache)
    try:
        codec = TokenCodec.from_bytes((folder / "tokenizer.json").read_bytes())
        engine = load_engine(
            folder,
            profile=spec.profile_name,
            vocabulary=codec.vocabulary,
            threads=threads,
        )
    except EngineError as error:
        raise ModelRefused(f"model 0x{model_id.hex()}: {error}") from error
    _require_same_limits(model_id, spec, engine)
    engine = wrap_engine(engine)
    speed = measure_tokens_per_second(engine)
    logger.info(
        "model loaded",
        extra={"model_id": "0x" + model_id.hex(), "tokens_per_second": round(speed, 1)},
    )
    return ServedModel(model_id, spec, engine, codec, speed)


def require_profile(spec: ModelSpec, chain_id: int) -> None:
    """Refuse float arithmetic where it could cost somebody a bond.

    Float results differ between machines, so their hashes cannot be compared between
    strangers. Raises ModelRefused.
    """
    is_float = spec.profile_name == FLOAT_PROFILE
    if is_float and chain_id not in DEVELOPMENT_CHAIN_IDS:
        raise ModelRefused(
            f"profile {FLOAT_PROFILE} is not reproducible across machines and is "
            f"served on development chains only, not on chain {chain_id}"
        )


def _require_same_limits(model_id: ModelId, spec: ModelSpec, engine: Engine) -> None:
    stated = (spec.vocab_size, spec.context_length)
    found = (engine.limits.vocab_size, engine.limits.context_length)
    if stated != found:
        raise ModelRefused(
            f"model 0x{model_id.hex()} is registered with vocabulary and context "
            f"{stated}, its package has {found}"
        )
