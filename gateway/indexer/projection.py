"""What the events of one job, or of one seat, amount to: pure functions to rows.

A row is a mapping of column names, ready for a bulk insert. The same events give the
same rows, so a job is rebuilt by forgetting its rows and projecting what is left of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from protocol.errors import JobNotFound
from protocol.hexadecimal import from_hex
from protocol.market.events import (
    Entry,
    Log,
    ModelRegistered,
    ResultCommitted,
    ResultRevealed,
    SeatClosed,
    SeatClosing,
    SeatOpened,
    SeatSlashed,
)
from protocol.market.round_history import Place, RoundHistory
from protocol.market.timeline import Timeline
from protocol.market.types import (
    ZERO_ADDRESS,
    JobId,
    JobState,
    Outcome,
    OutcomeStatus,
    SlashReason,
)

__all__ = [
    "JobRows",
    "Row",
    "Verdict",
    "project_job",
    "project_model",
    "project_seat",
    "time_of",
]

Row = dict[str, Any]


class Verdict(StrEnum):
    """What came of a place of a committee."""

    VACANT = "vacant"
    PENDING = "pending"
    AGREED = "agreed"
    # Another answer, without losing the bond for it.
    DISAGREED = "disagreed"
    UNAVAILABLE = "unavailable"
    NO_SHOW = "no_show"
    NOT_REVEALED = "not_revealed"
    WRONG_RESULT = "wrong_result"


_SLASHED = {
    SlashReason.NO_SHOW: Verdict.NO_SHOW,
    SlashReason.NOT_REVEALED: Verdict.NOT_REVEALED,
    SlashReason.WRONG_RESULT: Verdict.WRONG_RESULT,
}


@dataclass(frozen=True, slots=True)
class JobRows:
    """A job's rows in the tables of jobs, rounds and members."""

    job: Row
    rounds: tuple[Row, ...]
    members: tuple[Row, ...]


def time_of(log: Log) -> int:
    """Time of a log's block. Raises ValueError where it was not filled in."""
    if log.block_time is None:
        raise ValueError(f"the time of block {log.block_number} is unknown")
    return log.block_time


def project_job(job_id: JobId, logs: Sequence[Log]) -> JobRows | None:
    """Rows of a job; None when its posting is not among the events.

    Args:
        job_id: The job.
        logs: Its events, with the times of their blocks.
    """
    try:
        history = Timeline.of(job_id, logs)
    except JobNotFound:
        # A skipped entry of a batch can name a job that does not exist.
        return None
    job = _posting(history) | _progress(history) | _ending(history)
    members = (row for one in history.rounds for row in _members(history, one))
    rounds = tuple(_round(job_id, one) for one in history.rounds)
    return JobRows(job, rounds, tuple(members))


def project_seat(logs: Sequence[Log]) -> list[Row]:
    """Rows of a seat id, one for each time it was opened.

    Args:
        logs: All events of that id, in the chain's order.
    """
    rows: list[Row] = []
    for log in logs:
        if isinstance(log.event, SeatOpened):
            rows.append(_opened(log, log.event))
        elif rows:
            rows[-1] |= _seat_change(log)
    return rows


def project_model(log: Log) -> Row | None:
    """Row of a model, from its registration."""
    event = log.event
    if not isinstance(event, ModelRegistered):
        return None
    return {
        "model_id": event.model_id,
        "registered_block": log.block_number,
        "registered_index": log.log_index,
        "registered_at": time_of(log),
        "registrant": event.registrant,
        "package_digest": event.spec.package_digest,
        "weights_root": event.spec.weights_root,
        "profile": event.spec.profile,
        "vocab_size": event.spec.vocab_size,
        "context_length": event.spec.context_length,
        "ms_per_token": event.spec.ms_per_token,
        "base_price": event.spec.base_price,
    }


# ---------------------------------------------------------------- jobs


def _posting(history: Timeline) -> Row:
    log, params = history.posted.log, history.params
    return {
        "job_id": history.job_id,
        "posted_block": log.block_number,
        "posted_index": log.log_index,
        "posted_at": time_of(log),
        "posted_tx": from_hex(log.tx_hash),
        "requester": history.posted.event.requester,
        "nonce": params.nonce,
        "model_id": params.model_id,
        "tick": params.tick,
        "prompts_digest": params.prompts_digest,
        "prompt_count": params.prompt_count,
        "max_tokens": params.max_tokens,
        "redundancy": params.redundancy,
        "max_rounds": params.max_rounds,
        "min_seats": params.min_seats,
        "callback": params.callback if params.has_callback else None,
        "callback_gas_limit": params.callback_gas_limit,
        "escrowed": history.posted.event.escrowed,
    }


def _progress(history: Timeline) -> Row:
    state = history.state
    current = history.rounds[-1] if history.rounds else None
    outcome = history.outcome
    accepted, delivered = history.accepted, history.delivered
    armed = history.armed
    return {
        "state": int(state),
        "round_number": 1 if current is None else current.number,
        "deadline_at": _deadline(state, current),
        "expiry_block": armed.event.expiry_block
        if armed is not None and state is JobState.OPEN
        else None,
        "accepted_at": _when(accepted),
        **_outcome(outcome),
        "delivered_at": _when(delivered),
        "is_delivered": None if delivered is None else delivered.event.has_succeeded,
    }


def _outcome(outcome: Outcome | None) -> Row:
    return {
        "outcome_status": None if outcome is None else int(outcome.status),
        "token_count": None if outcome is None else outcome.token_count,
        "results_root": None if outcome is None else outcome.results_root,
        "results_digest": None if outcome is None else outcome.results_digest,
    }


def _when(entry: Entry[Any] | None) -> int | None:
    return None if entry is None else time_of(entry.log)


def _deadline(state: JobState, current: RoundHistory | None) -> int | None:
    if current is None or current.drawn is None or state.is_final:
        return None
    if current.opened is not None:
        return current.opened.event.reveal_deadline
    is_committing = state is JobState.COMMITTING
    return current.drawn.event.commit_deadline if is_committing else None


def _ending(history: Timeline) -> Row:
    settled, ended = history.settled, history.ended
    return {
        "ended_block": None if ended is None else ended.log.block_number,
        "ended_at": _when(ended),
        "refunded": None if ended is None else ended.event.refunded,
        "paid": None if settled is None else settled.event.paid,
        "fee": None if settled is None else settled.event.fee,
        "transcript": None if settled is None else settled.event.transcript,
    }


# ---------------------------------------------------------------- rounds


def _round(job_id: JobId, one: RoundHistory) -> Row:
    armed, drawn = one.armed, one.drawn
    return {
        "job_id": job_id,
        "number": one.number,
        "armed_at": _when(armed),
        "seed_block": None if armed is None else armed.event.seed_block,
        "expiry_block": None if armed is None else armed.event.expiry_block,
        "seed": None if drawn is None else drawn.event.seed,
        "drawn_at": _when(drawn),
        "commit_deadline": None if drawn is None else drawn.event.commit_deadline,
        "reveal_deadline": None
        if one.opened is None
        else one.opened.event.reveal_deadline,
        "split_at": _when(one.split),
    }


def _members(history: Timeline, one: RoundHistory) -> Iterator[Row]:
    if one.drawn is None:
        return
    for place in one.places:
        row: Row = {
            "job_id": history.job_id,
            "round_number": one.number,
            "place": place.number,
            "seat_id": place.seat_id,
            "worker": None if place.worker == ZERO_ADDRESS else place.worker,
            "drawn_block": one.drawn.log.block_number,
            "drawn_at": time_of(one.drawn.log),
        }
        row |= _commitment(place.committed) | _reveal(place.revealed)
        yield row | _result(history, one, place)


def _commitment(entry: Entry[ResultCommitted] | None) -> Row:
    return {
        "commitment": None if entry is None else entry.event.commitment,
        "committed_at": _when(entry),
        "committed_tx": None if entry is None else from_hex(entry.log.tx_hash),
    }


def _reveal(entry: Entry[ResultRevealed] | None) -> Row:
    outcome = None if entry is None else entry.event.outcome
    return {
        "answer": None if outcome is None else outcome.answer(),
        **_outcome(outcome),
        "revealed_at": _when(entry),
        "revealed_tx": None if entry is None else from_hex(entry.log.tx_hash),
    }


def _result(history: Timeline, one: RoundHistory, place: Place) -> Row:
    """Verdict and money of a place."""
    slash = history.slash_of(place.worker)
    return {
        "verdict": _verdict(history, one, place, slash).value,
        "earned": history.paid_to(place.worker),
        "slashed": 0 if slash is None else slash.amount,
    }


def _verdict(
    history: Timeline, one: RoundHistory, place: Place, slash: SeatSlashed | None
) -> Verdict:
    has_ended = history.settled is not None or one.split is not None
    if place.is_vacant:
        return Verdict.VACANT
    if slash is not None:
        return _SLASHED[slash.reason]
    if not has_ended or place.revealed is None:
        return Verdict.PENDING
    return _judged(history, place.revealed.event.outcome)


def _judged(history: Timeline, outcome: Outcome) -> Verdict:
    accepted = history.accepted
    if accepted is not None and accepted.event.answer == outcome.answer():
        return Verdict.AGREED
    if outcome.status == OutcomeStatus.INPUT_UNAVAILABLE:
        return Verdict.UNAVAILABLE
    # A split leaves it waiting for the second round.
    return Verdict.PENDING if history.settled is None else Verdict.DISAGREED


# ---------------------------------------------------------------- seats


def _opened(log: Log, event: SeatOpened) -> Row:
    return {
        "seat_id": event.seat_id,
        "opened_block": log.block_number,
        "opened_index": log.log_index,
        "owner": event.owner,
        "model_id": event.model_id,
        "tick": event.tick,
        "opened_at": time_of(log),
        "closing_at": None,
        "closed_at": None,
        "returned": None,
        "slashed": None,
        "slash_reason": None,
        "slashed_job": None,
    }


def _seat_change(log: Log) -> Row:
    event = log.event
    if isinstance(event, SeatClosing):
        return {"closing_at": time_of(log)}
    if isinstance(event, SeatClosed):
        return {"closed_at": time_of(log), "returned": event.returned}
    if isinstance(event, SeatSlashed):
        return {
            "slashed": event.amount,
            "slash_reason": int(event.reason),
            "slashed_job": event.job_id,
        }
    return {}
