"""Logs as a node writes them, decoded into `protocol.market.events`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from protocol.chain.abi.contracts import Parameter, decode_parameters, interface
from protocol.errors import RpcUnavailable
from protocol.hexadecimal import checksum_address, from_hex, to_hex
from protocol.market.events import EVENTS, Event, Log

__all__ = ["decode_log", "topic_of"]


def topic_of(kind: type[Event]) -> str:
    """First topic of an event's logs, as a filter of `eth_getLogs` takes it."""
    return to_hex(_topics()[kind.__name__])


def decode_log(raw: Mapping[str, Any]) -> Log | None:
    """A log as JSON-RPC returns it, decoded; None if it is no event of `EVENTS`.

    Raises:
        RpcUnavailable: It is malformed, which no contract of ours can bring about.
    """
    try:
        topics = [from_hex(topic) for topic in raw["topics"]]
        definition = _definitions().get(topics[0]) if topics else None
        if definition is None:
            return None
        fields = _fields_of(definition, topics, from_hex(raw["data"]))
        return Log(
            event=EVENTS[definition["name"]](*fields),
            block_number=int(raw["blockNumber"], 16),
            block_hash=raw["blockHash"],
            tx_hash=raw["transactionHash"],
            log_index=int(raw["logIndex"], 16),
            address=checksum_address(raw["address"]),
            block_time=_time_of(raw),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RpcUnavailable(f"the node returned a malformed log: {error}") from error


def _fields_of(
    definition: Parameter, topics: Sequence[bytes], data: bytes
) -> tuple[Any, ...]:
    """Fields in the order of the event's declaration; ValueError if they do not fit."""
    inputs = definition["inputs"]
    indexed = [field for field in inputs if field["indexed"]]
    if len(topics) != len(indexed) + 1:
        raise ValueError(f"{definition['name']} with {len(topics)} topics")
    from_topics = iter(decode_parameters(indexed, b"".join(topics[1:])))
    unindexed = [field for field in inputs if not field["indexed"]]
    from_data = iter(decode_parameters(unindexed, data))
    return tuple(next(from_topics if f["indexed"] else from_data) for f in inputs)


def _time_of(raw: Mapping[str, Any]) -> int | None:
    stated = raw.get("blockTimestamp")
    return None if stated is None else int(stated, 16)


@cache
def _definitions() -> Mapping[bytes, Parameter]:
    return {
        topic: definition
        for name in ("Marketplace", "ModelRegistry")
        for topic, definition in interface(name).events.items()
        if definition["name"] in EVENTS
    }


@cache
def _topics() -> Mapping[str, bytes]:
    return {definition["name"]: topic for topic, definition in _definitions().items()}
