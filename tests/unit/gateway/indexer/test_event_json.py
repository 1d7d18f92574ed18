"""Events survive their form in the database."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.indexer.event_json import event_from_json, event_to_json
from protocol.hexadecimal import to_hex
from protocol.market.events import EVENTS, Event, JobPosted, JobSettled
from protocol.market.types import (
    JobId,
    JobParams,
    JobState,
    ModelId,
    ModelSpec,
    Outcome,
    OutcomeStatus,
    SlashReason,
)
from tests.support.market.market_history import an_account
from tests.support.network.chain import a_digest, a_job

ACCOUNTS = st.integers(0, 2**160 - 1).map(an_account)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(0, 2**256 - 1),
    bool: st.booleans(),
    bytes: st.binary(max_size=40),
    str: ACCOUNTS,
    JobState: st.sampled_from(JobState),
    OutcomeStatus: st.sampled_from(OutcomeStatus),
    SlashReason: st.sampled_from(SlashReason),
}


def _values(hint: Any) -> st.SearchStrategy[Any]:
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    if hint in (JobParams, ModelSpec, Outcome):
        return _instances(hint)
    if getattr(hint, "__origin__", None) is tuple:
        return st.lists(_values(hint.__args__[0]), max_size=7).map(tuple)
    return VALUES[hint]


def _instances(kind: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    return st.builds(kind, *(_values(hints[field.name]) for field in fields(kind)))


@pytest.mark.parametrize("name", sorted(EVENTS))
@given(data=st.data())
def test_event_to_json_and_back_is_the_same_event(
    name: str, data: st.DataObject
) -> None:
    event: Event = data.draw(_instances(EVENTS[name]))
    stored = json.loads(json.dumps(event_to_json(event)))
    found = event_from_json(name, stored)
    assert found == event
    for field in EVENTS[name].__dataclass_fields__:
        assert type(getattr(found, field)) is type(getattr(event, field))


def test_event_to_json_writes_what_people_can_read() -> None:
    event = JobSettled(JobId(a_digest("j")), JobState.ACCEPTED, 2**95, 1, 0, b"\1\2")
    assert event_to_json(event) == {
        "job_id": to_hex(a_digest("j")),
        "state": 4,
        "paid": 2**95,
        "refunded": 1,
        "fee": 0,
        "transcript": "0x0102",
    }


@pytest.mark.parametrize("fields", [{}, {"job_id": "0x00"}])
def test_event_from_json_without_a_field_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        event_from_json("JobPosted", fields)
    with pytest.raises(KeyError):
        event_from_json("Unheard", fields)


def test_event_from_json_restores_structs() -> None:
    params = a_job(nonce=2**64 - 1)
    job, model = JobId(a_digest("j")), ModelId(a_digest("m"))
    event = JobPosted(job, an_account(1), model, params, 2**96 - 1)
    assert event_from_json("JobPosted", event_to_json(event)) == event
