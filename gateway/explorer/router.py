"""The explorer's pages: HTTP only."""

from __future__ import annotations

from typing import Any

from eth_utils.address import is_address, to_checksum_address
from fastapi import APIRouter
from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.access import (
    AccessDep,
    CatalogueDep,
    DatabaseDep,
    ReceiptsDep,
    SettingsDep,
    WatchDep,
)
from gateway.errors import GatewayBusy, NothingFound
from gateway.explorer.job_page import job_page
from gateway.explorer.market_pages import (
    job_row,
    market_page,
    model_cards,
    model_row,
    state_choices,
    worker_page,
    worker_row,
)
from gateway.explorer.outputs import outputs_of
from gateway.explorer.page_route import PageRoute
from gateway.explorer.pages import PageDep
from gateway.jobs.market_access import MarketAccess
from gateway.market_data.accounts import find_participant, list_workers
from gateway.market_data.histories import job_history
from gateway.market_data.jobs import JobFilter, list_jobs
from gateway.market_data.models import find_model, list_models
from protocol.errors import RequestError, StoreError
from protocol.hexadecimal import from_hex, to_hex
from protocol.market.types import JobId, JobState, ModelId

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_PAGE = 50
_CARD_FILE = "README.md"
_CARD_BYTES = 64 * 1024


@router.get("/")
def market(page: PageDep, database: DatabaseDep) -> Response:
    """The market at a glance."""
    with database.reading() as session:
        values = market_page(session, page.amounts)
    return page.draw("overview.html", "market", **values)


@router.get("/live")
def live(watch: WatchDep) -> Response:
    """Says when the index has moved."""
    if watch.is_full:
        raise GatewayBusy("too many pages are watched live; they can be reloaded")
    return EventSourceResponse(watch.stream(), sep="\n")


# ---------------------------------------------------------------- jobs


@router.get("/jobs")
def jobs(
    request: Request,
    page: PageDep,
    database: DatabaseDep,
    state: str = "",
    model: str = "",
    requester: str = "",
    q: str = "",
    after: str = "",
) -> Response:
    """Jobs, newest first."""
    chosen = {"state": state, "model": model, "requester": requester, "q": q}
    values: dict[str, Any] = {
        "states": state_choices(),
        "chosen": chosen,
        "problem": "",
        "jobs": [],
        "next_url": None,
        "first_url": None,
    }
    status = 200
    try:
        wanted = _filter(**chosen)
        with database.reading() as session:
            found = list_jobs(session, wanted, cursor=after or None, limit=_PAGE)
        values["jobs"] = [job_row(job, page.amounts) for job in found.items]
        url = request.url.remove_query_params("after")
        if found.next_cursor:
            following = url.include_query_params(after=found.next_cursor)
            values["next_url"] = f"/jobs?{following.query}"
        if after:
            values["first_url"] = f"/jobs?{url.query}"
    except RequestError as error:
        values["problem"], status = str(error), 400
    return page.draw("jobs.html", "jobs", status=status, **values)


def _filter(state: str, model: str, requester: str, q: str) -> JobFilter:
    names = {one.name.lower(): one for one in JobState}
    if state and state not in names:
        raise RequestError(f"there is no state {state[:40]!r}")
    try:
        model_id = ModelId(from_hex(model, 32)) if model else None
    except ValueError as error:
        raise RequestError(f"the model id {error}") from error
    if requester and not is_address(requester):
        raise RequestError(f"{requester[:80]!r} is no address: give 0x and 40 digits")
    return JobFilter(
        states=(names[state],) if state else (),
        model_id=model_id,
        requester=to_checksum_address(requester) if requester else None,
        text=q,
    )


@router.get("/jobs/{job_id}")
def job(
    page: PageDep,
    database: DatabaseDep,
    settings: SettingsDep,
    cache: ReceiptsDep,
    job_id: str,
) -> Response:
    """One job from its posting to its end."""
    key = JobId(_id_of(job_id, "job"))
    with database.reading() as session:
        history = job_history(session, key)
    if history is None:
        raise NothingFound(f"the index has no job {job_id}")
    receipts = f"{settings.base_url}/v1/receipts"
    values = job_page(history, page.amounts, receipts)
    values["outputs"] = outputs_of(cache, history.summary)
    return page.draw("job.html", "jobs", **values)


# ---------------------------------------------------------------- workers, models


@router.get("/workers")
def workers(page: PageDep, database: DatabaseDep, after: str = "") -> Response:
    """Everyone who ever opened a seat."""
    with database.reading() as session:
        found = list_workers(session, cursor=after or None, limit=_PAGE)
    following = found.next_cursor
    return page.draw(
        "workers.html",
        "workers",
        workers=[worker_row(one, page.amounts) for one in found.items],
        next_url=f"/workers?after={following}" if following else None,
        first_url="/workers" if after else None,
    )


@router.get("/workers/{address}")
def worker(page: PageDep, database: DatabaseDep, address: str) -> Response:
    """One account, as a worker and as a requester."""
    account = None
    if is_address(address):
        with database.reading() as session:
            account = find_participant(session, to_checksum_address(address))
            if account is not None:
                values = worker_page(session, account, page.amounts)
    if account is None:
        raise NothingFound(f"the index has no event of the account {address[:80]}")
    return page.draw("worker.html", "workers", **values)


@router.get("/models")
def models(page: PageDep, database: DatabaseDep, catalogue: CatalogueDep) -> Response:
    """What is registered."""
    names = catalogue.names
    with database.reading() as session:
        rows = [
            model_row(one, names.get(one.model_id, ""), page.amounts)
            for one in list_models(session)
        ]
    return page.draw("models.html", "models", models=rows)


@router.get("/models/{model_id}")
def model(
    page: PageDep,
    database: DatabaseDep,
    access: AccessDep,
    catalogue: CatalogueDep,
    model_id: str,
) -> Response:
    """One model with its card."""
    key = ModelId(_id_of(model_id, "model"))
    with database.reading() as session:
        view = find_model(session, key)
        jobs = list_jobs(session, JobFilter(model_id=key), limit=10).items
    if view is None:
        raise NothingFound(f"the index has no model {model_id}")
    return page.draw(
        "model.html",
        "models",
        model={"model_id": to_hex(key), "name": catalogue.names.get(key, "")},
        cards=model_cards(view, page.amounts),
        card_text=_card_text(access, key),
        jobs=[job_row(one, page.amounts) for one in jobs],
    )


def _card_text(access: MarketAccess, model_id: ModelId) -> str:
    try:
        data = access.package_file(model_id, _CARD_FILE, _CARD_BYTES)
    except StoreError:
        return ""
    return "" if data is None else data.decode("utf-8", errors="replace")


# ---------------------------------------------------------------- shared


def _id_of(text: str, what: str) -> bytes:
    try:
        return from_hex(text, 32)
    except ValueError as error:
        raise NothingFound(
            f"{text[:80]!r} is no {what} id: give 0x and 64 digits"
        ) from error
