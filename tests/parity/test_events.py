"""Every event of the marketplace and the registry has a class with its fields."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from protocol.chain.abi.contracts import Parameter, interface
from protocol.chain.abi.decoding import topic_of
from protocol.hexadecimal import to_hex
from protocol.market.events import EVENTS


def _declared() -> dict[str, Parameter]:
    return {
        definition["name"]: {**definition, "topic": topic}
        for name in ("Marketplace", "ModelRegistry")
        for topic, definition in interface(name).events.items()
    }


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def test_events_are_those_of_the_abis() -> None:
    assert set(EVENTS) == set(_declared())


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_event_fields_are_those_of_the_abi_in_their_order(name: str) -> None:
    definition = _declared()[name]
    expected = [_snake(field["name"]) for field in definition["inputs"]]
    assert [field.name for field in fields(EVENTS[name])] == expected
    assert topic_of(EVENTS[name]) == to_hex(definition["topic"])


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_event_of_a_job_has_the_job_as_its_first_topic(name: str) -> None:
    """`MarketReader.events` filters jobs by that topic."""
    inputs = _declared()[name]["inputs"]
    has_job = any(field["name"] == "jobId" for field in inputs)
    assert has_job == (inputs[0]["name"] == "jobId" and inputs[0]["indexed"])
