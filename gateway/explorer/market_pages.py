"""What the pages of the market, its workers and its models show."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from gateway.explorer.charts import Bar, Chart, bar_chart
from gateway.explorer.words import (
    Moment,
    Tone,
    decimal,
    job_state,
    seconds,
    verdict,
    whole,
)
from gateway.market_data.accounts import (
    Participant,
    SeatDuty,
    SeatView,
    duties_of,
    seats_of,
)
from gateway.market_data.jobs import JobSummary, newest_jobs
from gateway.market_data.models import ModelView
from gateway.market_data.overview import Overview, Point, overview, time_series
from protocol.amounts import Amounts
from protocol.hexadecimal import to_hex
from protocol.market.types import JobState

__all__ = [
    "card",
    "job_row",
    "market_page",
    "model_cards",
    "model_row",
    "state_choices",
    "worker_page",
    "worker_row",
]

_HOUR = 3_600
_HOURS = 24


def card(label: str, value: str, note: str = "") -> dict[str, str]:
    """A figure with its name."""
    return {"label": label, "value": value, "note": note}


def market_page(session: Session, amounts: Amounts) -> dict[str, Any]:
    """The market at a glance."""
    view = overview(session)
    points: tuple[Point, ...] = ()
    if view.head_at:
        end = view.head_at + 1
        points = time_series(
            session, start=end - _HOURS * _HOUR, end=end, step_seconds=_HOUR
        )
    return {
        "cards": _cards(view, amounts),
        "states": [
            {"name": state.name.lower(), "label": state.label, "count": whole(count)}
            for state, count in view.jobs.items()
        ],
        "charts": _charts(points, amounts),
        "jobs": [job_row(job, amounts) for job in newest_jobs(session, 10)],
    }


def _cards(view: Overview, amounts: Amounts) -> list[dict[str, str]]:
    day = "last day"
    price = view.paid_per_token
    return [
        card("Jobs accepted", whole(view.accepted), f"{day}; {view.failed} failed"),
        card("Tokens a second", decimal(view.tokens_per_second, 2), f"verified, {day}"),
        card("Time of a job", seconds(view.mean_seconds), f"post to settlement, {day}"),
        card(
            "Price of a token",
            "–" if price is None else amounts.text(round(price)),
            "all workers, bounties and fee together",
        ),
        card("Gas of a prompt", decimal(view.gas_per_prompt, 0), "all transactions"),
        card("Workers", whole(view.workers), f"{whole(view.seats_open)} open seats"),
        card("At stake", amounts.text(view.staked), "bonds of open seats"),
        card("In escrow", amounts.text(view.escrowed_now), "jobs under way"),
        card("Tokens in all", whole(view.tokens), "of accepted results"),
        card("Paid in all", amounts.text(view.paid), "to workers and callers"),
        card("Slashed in all", amounts.text(view.slashed), "goes to the sink"),
    ]


def _charts(points: Iterable[Point], amounts: Amounts) -> list[Chart]:
    hours = [(datetime.fromtimestamp(p.at, UTC).strftime("%H:%M"), p) for p in points]
    return [
        bar_chart(
            "Jobs accepted an hour (UTC)",
            [Bar(hour, p.accepted, whole(p.accepted)) for hour, p in hours],
        ),
        bar_chart(
            "Verified tokens an hour (UTC)",
            [Bar(hour, p.tokens, whole(p.tokens)) for hour, p in hours],
        ),
        bar_chart(
            "Paid an hour (UTC)",
            [Bar(hour, p.paid, amounts.text(p.paid)) for hour, p in hours],
        ),
        bar_chart(
            "Mean time of a job, by hour (UTC)",
            [
                Bar(hour, p.mean_seconds or 0, seconds(p.mean_seconds))
                for hour, p in hours
            ],
        ),
    ]


def state_choices() -> list[dict[str, str]]:
    """The states that a list of jobs can be narrowed to."""
    states = (state for state in JobState if state is not JobState.NONEXISTENT)
    return [{"name": state.name.lower(), "label": state.label} for state in states]


def job_row(job: JobSummary, amounts: Amounts) -> dict[str, Any]:
    """A job in a list."""
    return {
        "job_id": to_hex(job.job_id),
        "state": job_state(job.state),
        "posted": Moment.at(job.posted_at),
        "requester": job.requester,
        "model_id": to_hex(job.model_id),
        "prompt_count": whole(job.prompt_count),
        "redundancy": job.redundancy,
        "escrowed": amounts.text(job.escrowed),
    }


# ---------------------------------------------------------------- workers


def worker_row(worker: Participant, amounts: Amounts) -> dict[str, Any]:
    """A worker in the list."""
    return {
        "address": worker.address,
        "seats_open": whole(worker.seats_open),
        "at_stake": amounts.text(worker.at_stake),
        "places": whole(worker.places),
        "completed": whole(worker.completed),
        "missed": whole(worker.missed),
        "slashed_count": whole(worker.slashed_count),
        "tokens": whole(worker.tokens),
        "earned": amounts.text(worker.earned),
    }


def worker_page(
    session: Session, account: Participant, amounts: Amounts
) -> dict[str, Any]:
    """One account, as a worker and as a requester."""
    duties = duties_of(session, account.address, limit=50).items
    return {
        "address": account.address,
        "cards": _record(account, amounts),
        "seats": [_seat(seat) for seat in seats_of(session, account.address)],
        "duties": [_duty(duty, amounts) for duty in duties],
    }


def _record(account: Participant, amounts: Amounts) -> list[dict[str, str]]:
    cards = []
    if account.is_worker:
        cards += [
            card("Earned", amounts.text(account.earned), "as a member of committees"),
            card("Agreed", whole(account.completed), f"of {account.places} places"),
            card("Missed", whole(account.missed), "no-shows and prompts not had"),
            card("Bonds lost", whole(account.slashed_count), "wrong or not revealed"),
            card("Lost", amounts.text(account.slashed), "to the sink"),
            card(
                "At stake",
                amounts.text(account.at_stake),
                f"{account.seats_open} seats",
            ),
            card("Tokens", whole(account.tokens), "of accepted results"),
        ]
    cards += [
        card("Bounties", amounts.text(account.bounties), "for moving jobs on"),
        card("Deposited", amounts.text(account.deposited)),
        card("Withdrawn", amounts.text(account.withdrawn)),
    ]
    if account.jobs_posted:
        accepted = f"{account.jobs_accepted} accepted"
        cards += [
            card("Jobs posted", whole(account.jobs_posted), accepted),
            card("Escrowed", amounts.text(account.escrowed)),
            card("Refunded", amounts.text(account.refunded)),
        ]
    return cards


def _seat(seat: SeatView) -> dict[str, Any]:
    state = Tone("open", "good")
    if seat.slash_reason is not None:
        state = Tone(
            f"closed: {seat.slash_reason.name.lower().replace('_', ' ')}", "bad"
        )
    elif seat.closed_at is not None:
        state = Tone("closed")
    elif seat.closing_at is not None:
        state = Tone("closing", "wait")
    return {
        "seat_id": seat.seat_id,
        "model_id": to_hex(seat.model_id),
        "tick": seat.tick,
        "state": state,
        "opened": Moment.at(seat.opened_at),
    }


def _duty(duty: SeatDuty, amounts: Amounts) -> dict[str, Any]:
    return {
        "job_id": to_hex(duty.job_id),
        "round_number": duty.round_number,
        "drawn": Moment.at(duty.drawn_at),
        "verdict": verdict(duty.verdict),
        "earned": amounts.text(duty.earned),
        "slashed": amounts.text(duty.slashed),
    }


# ---------------------------------------------------------------- models


def model_row(model: ModelView, name: str, amounts: Amounts) -> dict[str, Any]:
    """A model in the list.

    Args:
        model: The model.
        name: What calls name it; nothing where they cannot.
        amounts: How to write amounts.
    """
    return {
        "model_id": to_hex(model.model_id),
        "name": name,
        "profile": model.spec.profile_name,
        "vocab_size": whole(model.spec.vocab_size),
        "context_length": whole(model.spec.context_length),
        "price": amounts.text(model.spec.base_price),
        "seats_open": whole(model.seats_open),
        "jobs": whole(model.jobs_posted),
    }


def model_cards(model: ModelView, amounts: Amounts) -> list[dict[str, str]]:
    """What is known of a model."""
    spec = model.spec
    lowest = model.lowest_price
    asked = "–" if lowest is None else amounts.text(lowest)
    seats = ", ".join(
        f"{count} at tick {tick}" for tick, count in sorted(model.open_seats.items())
    )
    return [
        card("Arithmetic", spec.profile_name, "the same bits on every machine"),
        card("Vocabulary", whole(spec.vocab_size), "token ids"),
        card("Context", whole(spec.context_length), "tokens"),
        card("Base price", amounts.text(spec.base_price), "a token and worker, tick 0"),
        card("Lowest price", asked, "of a seat"),
        card("Open seats", whole(model.seats_open), seats),
        card("Pace", f"{spec.ms_per_token} ms", "a token, that seats sign up to"),
        card("Jobs", whole(model.jobs_posted), f"{model.jobs_accepted} accepted"),
        card("Tokens", whole(model.tokens), "of accepted results"),
        card("Paid", amounts.text(model.paid)),
    ]
