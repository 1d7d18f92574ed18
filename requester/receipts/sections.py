"""A receipt's sections and the events that they stand for, either made of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from enum import IntEnum
from typing import Any

from eth_utils.address import to_checksum_address
from pydantic import BaseModel

from protocol.hexadecimal import from_hex, to_hex
from protocol.market.events import (
    BountyPaid,
    CommitteeDrawn,
    Entry,
    Event,
    JobPosted,
    JobSettled,
    Log,
    ResultAccepted,
    ResultCommitted,
    ResultRevealed,
    RevealOpened,
    RoundSplit,
    SeatSlashed,
    WorkerPaid,
)
from protocol.market.round_history import RoundHistory
from protocol.market.timeline import Timeline, logs_to_end
from protocol.market.types import (
    JobParams,
    JobState,
    Outcome,
    OutcomeStatus,
    SlashReason,
)
from requester.receipts.format import (
    AcceptedSection,
    CommittedSection,
    DrawnSection,
    MoneySection,
    OpenedSection,
    OutcomeSection,
    PaidSection,
    ParamsSection,
    Position,
    PostedSection,
    Receipt,
    RevealedSection,
    RoundSection,
    SettledSection,
    SlashedSection,
    SplitSection,
)

__all__ = [
    "NOT_STATED",
    "logs_of",
    "ordered_logs",
    "params_of",
    "sections_of",
]

NOT_STATED = ""
"""Hashes of a log that a receipt's proof makes needless."""


# ---------------------------------------------------------------- the table

_SECTIONS: Mapping[type[Event], type[Position]] = {
    JobPosted: PostedSection,
    CommitteeDrawn: DrawnSection,
    ResultCommitted: CommittedSection,
    RevealOpened: OpenedSection,
    ResultRevealed: RevealedSection,
    RoundSplit: SplitSection,
    ResultAccepted: AcceptedSection,
    JobSettled: SettledSection,
    WorkerPaid: PaidSection,
    BountyPaid: PaidSection,
    SeatSlashed: SlashedSection,
}
"""A section states those of its event's fields that do not follow from others."""

# The event's names of fields that the section calls otherwise.
_NAMES: Mapping[type[Event], Mapping[str, str]] = {
    WorkerPaid: {"address": "worker"},
    BountyPaid: {"address": "caller"},
}
_BYTES = (
    *("seed", "commitment", "salt", "transcript", "answer", "model_id"),
    *("prompts_digest", "results_root", "results_digest", "fingerprint"),
)
# How fields are read that a section does not hold as they are.
_READERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_BYTES, from_hex),
    "outcome": lambda section: Outcome(**_read_all(section)),
    "status": OutcomeStatus,
    "state": lambda label: JobState[label.upper()],
    "reason": SlashReason,
}


def _fields(kind: type[Event]) -> Iterator[tuple[str, str]]:
    """A section's fields, and what they are called in the event."""
    for field in _SECTIONS[kind].model_fields.keys() - Position.model_fields.keys():
        yield field, _NAMES.get(kind, {}).get(field, field)


def _event(kind: type[Event], section: Position, context: Mapping[str, Any]) -> Event:
    fields = _fields(kind)
    stated = {name: _read(name, getattr(section, field)) for field, name in fields}
    return kind(**{**context, **stated})


def _section(entry: Entry[Any]) -> Any:
    event, log = entry.event, entry.log
    fields = _fields(type(event))
    stated = {field: _write(getattr(event, name)) for field, name in fields}
    section = _SECTIONS[type(event)]
    return section(block_number=log.block_number, order=log.log_index, **stated)


def _read(name: str, value: Any) -> Any:
    reader = _READERS.get(name)
    return value if reader is None else reader(value)


def _read_all(section: BaseModel) -> dict[str, Any]:
    return {name: _read(name, value) for name, value in section}


def _write(value: Any) -> Any:
    match value:
        case bytes():
            return to_hex(value)
        case Outcome():
            return _write_all(OutcomeSection, value)
        case JobState():
            return value.label
        case IntEnum():
            return int(value)
        case _:
            return value


def _write_all(kind: type[BaseModel], source: object) -> Any:
    return kind(**{name: _write(getattr(source, name)) for name in kind.model_fields})


# ---------------------------------------------------------------- reading


def params_of(section: ParamsSection) -> JobParams:
    """The parameters that a receipt states."""
    return JobParams(**_read_all(section))


def logs_of(receipt: Receipt) -> list[Log]:
    """The logs that a receipt claims to be the job's."""
    marketplace = to_checksum_address(receipt.marketplace)
    job_id = from_hex(receipt.job_id)
    return [
        Log(
            event=_event(kind, section, {"job_id": job_id, **context}),
            block_number=section.block_number,
            block_hash=NOT_STATED,
            tx_hash=NOT_STATED,
            log_index=section.order,
            address=marketplace,
        )
        for kind, section, context in sorted(
            _stated(receipt), key=lambda stated: stated[1].order
        )
    ]


_Stated = tuple[type[Event], Position, Mapping[str, Any]]


def _stated(receipt: Receipt) -> Iterator[_Stated]:
    """Sections, the events that they stand for, and what these take from elsewhere."""
    params, money = params_of(receipt.params), receipt.money
    last = {"round": receipt.rounds[-1].drawn.round}
    posting = {
        "requester": params.requester,
        "model_id": params.model_id,
        "params": params,
    }
    yield JobPosted, receipt.posted, posting
    for one in receipt.rounds:
        yield from _stated_round(one)
    yield ResultAccepted, receipt.accepted, last
    yield JobSettled, receipt.settled, {}
    yield from ((WorkerPaid, section, {}) for section in money.workers_paid)
    yield from ((BountyPaid, section, {}) for section in money.bounties_paid)
    yield from ((SeatSlashed, section, {}) for section in money.seats_slashed)


def _stated_round(one: RoundSection) -> Iterator[_Stated]:
    context = {"round": one.drawn.round}
    yield CommitteeDrawn, one.drawn, context
    yield from ((ResultCommitted, section, context) for section in one.committed)
    yield from ((ResultRevealed, section, context) for section in one.revealed)
    if one.reveal_opened is not None:
        yield RevealOpened, one.reveal_opened, context
    if one.split is not None:
        yield RoundSplit, one.split, context


# ---------------------------------------------------------------- writing


def ordered_logs(logs: Iterable[Log]) -> list[Log]:
    """The events that a receipt states of a job, numbered as it numbers them.

    Args:
        logs: The job's, in the chain's order. What follows the end is left out.
    """
    return [
        replace(log, block_hash=NOT_STATED, tx_hash=NOT_STATED, log_index=order)
        for order, log in enumerate(logs_to_end(logs))
    ]


def sections_of(timeline: Timeline) -> dict[str, Any]:
    """The sections of a receipt that follow from a job's events.

    Args:
        timeline: Of a job that was settled as Accepted.

    Raises:
        ValueError: It was not.
    """
    accepted, settled = timeline.accepted, timeline.settled
    if accepted is None or settled is None:
        raise ValueError("only an accepted and settled job has all sections")
    return {
        "job_id": to_hex(timeline.job_id),
        "params": _write_all(ParamsSection, timeline.params),
        "posted": _section(timeline.posted),
        "rounds": tuple(_round(one) for one in timeline.rounds if one.drawn),
        "accepted": _section(accepted),
        "settled": _section(settled),
        "money": _money(timeline, settled.event),
    }


def _round(one: RoundHistory) -> RoundSection:
    return RoundSection(
        drawn=_section_or_none(one.drawn),
        committed=tuple(map(_section, one.committed)),
        reveal_opened=_section_or_none(one.opened),
        revealed=tuple(map(_section, one.revealed)),
        split=_section_or_none(one.split),
    )


def _section_or_none(entry: Entry[Any] | None) -> Any:
    return None if entry is None else _section(entry)


def _money(timeline: Timeline, settled: JobSettled) -> MoneySection:
    return MoneySection(
        escrowed=timeline.posted.event.escrowed,
        paid=settled.paid,
        delivery=settled.paid - sum(timeline.payments),
        refunded=settled.refunded,
        fee=settled.fee,
        slashed=sum(entry.event.amount for entry in timeline.slashed),
        workers_paid=tuple(map(_section, timeline.workers_paid)),
        bounties_paid=tuple(map(_section, timeline.bounties)),
        seats_slashed=tuple(map(_section, timeline.slashed)),
    )
