"""The models that can be called, by the names that calls use."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import NothingFound
from gateway.jobs.market_access import MarketAccess
from protocol.errors import ContractReverted
from protocol.hexadecimal import from_hex, to_hex
from protocol.market.events import ModelRegistered
from protocol.market.types import DEVELOPMENT_CHAIN_IDS, ModelId, ModelSpec

__all__ = ["Catalogue", "Listed"]

_ID = re.compile(r"0x[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Listed:
    """A model that can be called.

    Attributes:
        name: What a call names.
        model_id: Its id.
        spec: What is registered about it.
        created_at: When, Unix time in seconds.
    """

    name: str
    model_id: ModelId
    spec: ModelSpec
    created_at: int


class Catalogue:
    """Names the operator gave, or, on a development chain without any, all ids.

    Elsewhere a stranger's model is not served unasked: its tokenizer and its chat
    template would run here.
    """

    def __init__(self, access: MarketAccess, names: Mapping[str, str]) -> None:
        """Take the operator's ids by name."""
        self._access = access
        self._names = {name: ModelId(from_hex(text)) for name, text in names.items()}
        self._is_open = not names and access.market.chain_id in DEVELOPMENT_CHAIN_IDS
        self._times: dict[ModelId, int] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> Mapping[ModelId, str]:
        """What the operator calls models, by their ids."""
        return {model_id: name for name, model_id in self._names.items()}

    def resolve(self, name: str) -> ModelId:
        """The model that a call names, by its name or its id.

        Raises:
            NothingFound: It is not served here, or not registered.
            ChainError: The chain cannot be read.
        """
        model_id = self._names.get(name)
        if model_id is None:
            asked = _id_of(name)
            is_listed = self._is_open or asked in self._names.values()
            model_id = asked if is_listed else None
        if model_id is None:
            raise _unknown(name)
        try:
            is_exact = self._access.spec_of(model_id).is_exact
        except ContractReverted as error:
            if error.name != "UnknownModel":
                raise
            raise _unknown(name) from error
        if not is_exact:
            raise _unknown(name)
        return model_id

    def find(self, name: str) -> Listed:
        """One model. Raises as `resolve`."""
        model_id = self.resolve(name)
        return self._describe(name, model_id)

    def all(self) -> list[Listed]:
        """All models, in the operator's order. Raises ChainError."""
        if not self._is_open:
            return [self.find(name) for name in self._names]
        self._read_times()
        listed = [self._describe(to_hex(one), one) for one in self._times]
        return [one for one in listed if one.spec.is_exact]

    def _describe(self, name: str, model_id: ModelId) -> Listed:
        if model_id not in self._times:
            self._read_times()
        created_at = self._times.get(model_id, 0)
        return Listed(name, model_id, self._access.spec_of(model_id), created_at)

    def _read_times(self) -> None:
        market = self._access.market
        with self._lock:
            for log in market.events(kinds=(ModelRegistered,)):
                event = log.event
                if isinstance(event, ModelRegistered) and (
                    event.model_id not in self._times
                ):
                    time = market.block_time(log.block_number)
                    self._times[event.model_id] = time


def _unknown(name: str) -> NothingFound:
    return NothingFound(
        f"the model {name[:80]!r} is not served here; /v1/models lists those that are",
        param="model",
        code="model_not_found",
    )


def _id_of(text: str) -> ModelId | None:
    try:
        return ModelId(from_hex(text, 32))
    except ValueError:
        return None
