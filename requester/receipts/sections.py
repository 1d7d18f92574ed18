"""A receipt's sections as the events they stand for, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import IntEnum
from typing import Any, TypeVar

from eth_utils.address import to_checksum_address
from pydantic import BaseModel

from protocol.digests import Digest
from protocol.hexadecimal import from_hex, to_hex
from protocol.market.events import (
    BountyPaid,
    CommitteeDrawn,
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
from protocol.market.round_history import Entry, RoundHistory
from protocol.market.timeline import Timeline
from protocol.market.types import (
    Answer,
    JobId,
    JobParams,
    JobState,
    ModelId,
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
    "RECEIPT_EVENTS",
    "logs_of",
    "ordered_logs",
    "params_of",
    "sections_of",
]

_SectionT = TypeVar("_SectionT", bound=Position)

NOT_STATED = ""
"""Hashes of a log that a receipt's proof makes needless."""

RECEIPT_EVENTS: tuple[type[Event], ...] = (
    JobPosted,
    CommitteeDrawn,
    ResultCommitted,
    RevealOpened,
    ResultRevealed,
    ResultAccepted,
    RoundSplit,
    WorkerPaid,
    BountyPaid,
    SeatSlashed,
    JobSettled,
)
"""Every event of a job up to its end but `DrawArmed` and `EntrySkipped`, which say
nothing about the result."""


def params_of(section: ParamsSection) -> JobParams:
    """The parameters that a receipt states."""
    values = section.model_dump()
    values["model_id"] = ModelId(from_hex(section.model_id))
    values["prompts_digest"] = Digest(from_hex(section.prompts_digest))
    return JobParams(**values)


def logs_of(receipt: Receipt) -> list[Log]:
    """The logs that a receipt claims to be the job's."""
    pairs: list[tuple[Position, Event]] = [
        (receipt.posted, _posted(receipt)),
        *(pair for one in receipt.rounds for pair in _round_events(receipt, one)),
        (receipt.accepted, _accepted(receipt)),
        (receipt.settled, _settled(receipt)),
        *_money_events(receipt),
    ]
    ordered = sorted(pairs, key=lambda pair: pair[0].order)
    return [_log(receipt, position, event) for position, event in ordered]


def _log(receipt: Receipt, position: Position, event: Event) -> Log:
    return Log(
        event=event,
        block_number=position.block_number,
        block_hash=NOT_STATED,
        tx_hash=NOT_STATED,
        log_index=position.order,
        address=to_checksum_address(receipt.marketplace),
    )


def _job_id(receipt: Receipt) -> JobId:
    return JobId(from_hex(receipt.job_id))


def _posted(receipt: Receipt) -> Event:
    params = params_of(receipt.params)
    return JobPosted(
        job_id=_job_id(receipt),
        requester=params.requester,
        model_id=params.model_id,
        params=params,
        escrowed=receipt.posted.escrowed,
    )


def _round_events(receipt: Receipt, one: RoundSection) -> list[tuple[Position, Event]]:
    job_id, number = _job_id(receipt), one.drawn.round
    pairs: list[tuple[Position, Event]] = [
        (one.drawn, _drawn(job_id, one.drawn)),
        *((section, _committed(job_id, number, section)) for section in one.committed),
        *((section, _revealed(job_id, number, section)) for section in one.revealed),
    ]
    opened, split = one.reveal_opened, one.split
    if opened is not None:
        pairs.append((opened, RevealOpened(job_id, number, opened.reveal_deadline)))
    if split is not None:
        pairs.append((split, RoundSplit(job_id, number, from_hex(split.transcript))))
    return pairs


def _drawn(job_id: JobId, drawn: DrawnSection) -> Event:
    return CommitteeDrawn(
        job_id=job_id,
        round=drawn.round,
        seed_block=drawn.seed_block,
        seed=from_hex(drawn.seed),
        seat_ids=drawn.seat_ids,
        workers=tuple(to_checksum_address(worker) for worker in drawn.workers),
        commit_deadline=drawn.commit_deadline,
    )


def _committed(job_id: JobId, number: int, section: CommittedSection) -> Event:
    return ResultCommitted(
        job_id=job_id,
        worker=to_checksum_address(section.worker),
        round=number,
        place=section.place,
        commitment=from_hex(section.commitment),
    )


def _revealed(job_id: JobId, number: int, section: RevealedSection) -> Event:
    outcome = section.outcome
    return ResultRevealed(
        job_id=job_id,
        worker=to_checksum_address(section.worker),
        round=number,
        place=section.place,
        outcome=Outcome(
            status=OutcomeStatus(outcome.status),
            token_count=outcome.token_count,
            results_root=from_hex(outcome.results_root),
            results_digest=Digest(from_hex(outcome.results_digest)),
            fingerprint=from_hex(outcome.fingerprint),
        ),
        salt=from_hex(section.salt),
    )


def _accepted(receipt: Receipt) -> Event:
    answer = Answer(from_hex(receipt.accepted.answer))
    return ResultAccepted(_job_id(receipt), receipt.rounds[-1].drawn.round, answer)


def _settled(receipt: Receipt) -> Event:
    settled = receipt.settled
    return JobSettled(
        job_id=_job_id(receipt),
        state=JobState.ACCEPTED,
        paid=settled.paid,
        refunded=settled.refunded,
        fee=settled.fee,
        transcript=from_hex(settled.transcript),
    )


def _money_events(receipt: Receipt) -> list[tuple[Position, Event]]:
    job_id, money = _job_id(receipt), receipt.money
    pairs: list[tuple[Position, Event]] = []
    for paid in money.workers_paid:
        worker = to_checksum_address(paid.address)
        pairs.append((paid, WorkerPaid(job_id, worker, paid.amount)))
    for bounty in money.bounties_paid:
        caller = to_checksum_address(bounty.address)
        pairs.append((bounty, BountyPaid(job_id, caller, bounty.amount)))
    for slash in money.seats_slashed:
        event = SeatSlashed(
            job_id=job_id,
            worker=to_checksum_address(slash.worker),
            seat_id=slash.seat_id,
            reason=SlashReason(slash.reason),
            amount=slash.amount,
        )
        pairs.append((slash, event))
    return pairs


# ---------------------------------------------------------------- writing


def ordered_logs(logs: Iterable[Log]) -> list[Log]:
    """The events that a receipt states of a job, numbered as it numbers them.

    Args:
        logs: The job's, in the chain's order. What follows the end is left out.
    """
    kept: list[Log] = []
    for log in logs:
        if not isinstance(log.event, RECEIPT_EVENTS):
            continue
        kept.append(
            replace(log, block_hash=NOT_STATED, tx_hash=NOT_STATED, log_index=len(kept))
        )
        if isinstance(log.event, JobSettled):
            break
    return kept


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
        "params": ParamsSection(**_fields(ParamsSection, timeline.params)),
        "posted": _section(PostedSection, timeline.posted),
        "rounds": tuple(_round(one) for one in timeline.rounds if one.drawn),
        "accepted": _section(AcceptedSection, accepted),
        "settled": _section(SettledSection, settled),
        "money": _money(timeline, settled.event),
    }


def _round(one: RoundHistory) -> RoundSection:
    assert one.drawn is not None
    opened, split = one.opened, one.split
    return RoundSection(
        drawn=_section(DrawnSection, one.drawn),
        committed=tuple(_section(CommittedSection, e) for e in one.committed),
        reveal_opened=_section(OpenedSection, opened) if opened else None,
        revealed=tuple(_section(RevealedSection, e) for e in one.revealed),
        split=_section(SplitSection, split) if split else None,
    )


def _money(timeline: Timeline, settled: JobSettled) -> MoneySection:
    workers = [(e.log, e.event.worker, e.event.amount) for e in timeline.workers_paid]
    callers = [(e.log, e.event.caller, e.event.amount) for e in timeline.bounties]
    already_paid = sum(amount for _, _, amount in workers + callers)
    return MoneySection(
        escrowed=timeline.posted.event.escrowed,
        paid=settled.paid,
        delivery=settled.paid - already_paid,
        refunded=settled.refunded,
        fee=settled.fee,
        slashed=sum(entry.event.amount for entry in timeline.slashed),
        workers_paid=tuple(_paid(*payment) for payment in workers),
        bounties_paid=tuple(_paid(*payment) for payment in callers),
        seats_slashed=tuple(_section(SlashedSection, e) for e in timeline.slashed),
    )


def _paid(log: Log, address: str, amount: int) -> PaidSection:
    return PaidSection(**_position(log), address=address, amount=amount)


def _section(kind: type[_SectionT], entry: Entry[Any]) -> _SectionT:
    return kind(**_position(entry.log), **_fields(kind, entry.event))


def _position(log: Log) -> dict[str, Any]:
    return {"block_number": log.block_number, "order": log.log_index}


def _fields(kind: type[BaseModel], source: object) -> dict[str, Any]:
    """Those of a section's fields that the event has, under the same names."""
    names = (name for name in kind.model_fields if hasattr(source, name))
    return {name: _plain(getattr(source, name)) for name in names}


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return to_hex(value)
        case Outcome():
            return OutcomeSection(**_fields(OutcomeSection, value))
        case JobState():
            return value.label
        case IntEnum():
            return int(value)
        case _:
            return value
