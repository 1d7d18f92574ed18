"""Models: what is registered, who serves it at which price, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from eth_typing import ChecksumAddress
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway.database.sums import ExactSum
from gateway.indexer.models import HourRow, ModelRow, SeatRow
from protocol.digests import Digest
from protocol.market.prices import price_of
from protocol.market.types import ModelId, ModelSpec

__all__ = ["ModelView", "find_model", "list_models"]


@dataclass(frozen=True, slots=True)
class ModelView:
    """A registered model and its market.

    Attributes:
        model_id: Its id.
        spec: What it is.
        registrant: Who registered it.
        registered_at: When, Unix seconds.
        open_seats: Open seats by tick; a tick without any is left out.
        jobs_posted: Jobs posted for it.
        jobs_accepted: Those Accepted.
        tokens: Tokens of accepted results.
        paid: Units paid for them, bounties included.
    """

    model_id: ModelId
    spec: ModelSpec
    registrant: ChecksumAddress
    registered_at: int
    open_seats: Mapping[int, int]
    jobs_posted: int
    jobs_accepted: int
    tokens: int
    paid: int

    @property
    def seats_open(self) -> int:
        """Open seats of all ticks."""
        return sum(self.open_seats.values())

    @property
    def lowest_price(self) -> int | None:
        """Units a token at the lowest tick with a seat; None without seats."""
        ticks = [tick for tick, count in self.open_seats.items() if count]
        return price_of(self.spec, min(ticks)) if ticks else None


def list_models(session: Session, *, limit: int = 200) -> tuple[ModelView, ...]:
    """Models, those with the most posted jobs first, then the newest."""
    return tuple(
        sorted(
            _models(session, limit=limit),
            key=lambda model: (model.jobs_posted, model.registered_at),
            reverse=True,
        )
    )


def find_model(session: Session, model_id: ModelId) -> ModelView | None:
    """A model by its id."""
    found = _models(session, ModelRow.model_id == model_id, limit=1)
    return found[0] if found else None


def _models(session: Session, *conditions: Any, limit: int) -> list[ModelView]:
    # Anybody can register models, so those that are used must not be pushed out.
    jobs = (
        select(HourRow.model_id, func.sum(HourRow.posted).label("posted"))
        .group_by(HourRow.model_id)
        .subquery()
    )
    rows = session.scalars(
        select(ModelRow)
        .outerjoin(jobs, jobs.c.model_id == ModelRow.model_id)
        .where(*conditions)
        .order_by(
            func.coalesce(jobs.c.posted, 0).desc(),
            ModelRow.registered_block.desc(),
            ModelRow.registered_index.desc(),
        )
        .limit(limit)
    ).all()
    ids = [row.model_id for row in rows]
    totals, seats = _totals(session, ids), _seats(session, ids)
    return [
        _view(row, totals.get(row.model_id), seats.get(row.model_id, {}))
        for row in rows
    ]


def _totals(session: Session, ids: list[bytes]) -> dict[bytes, Any]:
    query = (
        select(
            HourRow.model_id,
            func.sum(HourRow.posted).label("posted"),
            func.sum(HourRow.accepted).label("accepted"),
            func.sum(HourRow.tokens).label("tokens"),
            ExactSum(HourRow.paid).label("paid"),
        )
        .where(HourRow.model_id.in_(ids))
        .group_by(HourRow.model_id)
    )
    return {row.model_id: row for row in session.execute(query)}


def _seats(session: Session, ids: list[bytes]) -> dict[bytes, dict[int, int]]:
    query = (
        select(SeatRow.model_id, SeatRow.tick, func.count().label("seats"))
        .where(SeatRow.model_id.in_(ids), SeatRow.closed_at.is_(None))
        .group_by(SeatRow.model_id, SeatRow.tick)
    )
    found: dict[bytes, dict[int, int]] = {}
    for model_id, tick, seats in session.execute(query):
        found.setdefault(model_id, {})[tick] = seats
    return found


def _view(row: ModelRow, totals: Any, seats: dict[int, int]) -> ModelView:
    spec = ModelSpec(
        package_digest=Digest(row.package_digest),
        weights_root=row.weights_root,
        profile=row.profile,
        vocab_size=row.vocab_size,
        context_length=row.context_length,
        ms_per_token=row.ms_per_token,
        base_price=row.base_price,
    )
    return ModelView(
        model_id=ModelId(row.model_id),
        spec=spec,
        registrant=cast(ChecksumAddress, row.registrant),
        registered_at=row.registered_at,
        open_seats=seats,
        jobs_posted=0 if totals is None else int(totals.posted),
        jobs_accepted=0 if totals is None else int(totals.accepted),
        tokens=0 if totals is None else int(totals.tokens),
        paid=0 if totals is None else totals.paid,
    )
