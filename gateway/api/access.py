"""Dependencies of endpoints: parts of the gateway, and the caller by its API key."""

from __future__ import annotations

from typing import Annotated, Any, get_type_hints

from fastapi import Depends
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from gateway.accounts.keys import ApiKey, authenticate
from gateway.accounts.rate_limits import check_rate
from gateway.batches.feed import BatchFeed
from gateway.completions.catalogue import Catalogue
from gateway.completions.delivery import Calls
from gateway.database.engine import Database
from gateway.errors import CallRefused
from gateway.indexer.head_watch import HeadWatch
from gateway.jobs.loop import JobLoop
from gateway.jobs.market_access import MarketAccess
from gateway.metrics import Metrics
from gateway.readiness import Readiness
from gateway.receipts import ReceiptCache
from gateway.services import Services
from gateway.settings import GatewaySettings

__all__ = [
    "AccessDep",
    "Caller",
    "CallsDep",
    "CatalogueDep",
    "DatabaseDep",
    "FeedDep",
    "JobLoopDep",
    "MeteredCaller",
    "MetricsDep",
    "ReadinessDep",
    "ReceiptsDep",
    "SettingsDep",
    "WatchDep",
    "refuse_unknown_parameters",
    "services_of",
]

_bearer = HTTPBearer(
    auto_error=False, description="An API key of `assay gateway keys create`."
)


_PARTS = {kind: name for name, kind in get_type_hints(Services).items()}


def services_of(request: Request) -> Services:
    """All parts of the gateway, for what is no endpoint."""
    services: Services = request.app.state.services
    return services


def _part(kind: type) -> Any:
    """How FastAPI finds the gateway's part of a type."""
    name = _PARTS[kind]

    def find(request: Request) -> Any:
        return getattr(services_of(request), name)

    return Depends(find)


AccessDep = Annotated[MarketAccess, _part(MarketAccess)]
CallsDep = Annotated[Calls, _part(Calls)]
CatalogueDep = Annotated[Catalogue, _part(Catalogue)]
DatabaseDep = Annotated[Database, _part(Database)]
JobLoopDep = Annotated[JobLoop, _part(JobLoop)]
FeedDep = Annotated[BatchFeed, _part(BatchFeed)]
MetricsDep = Annotated[Metrics, _part(Metrics)]
ReadinessDep = Annotated[Readiness, _part(Readiness)]
ReceiptsDep = Annotated[ReceiptCache, _part(ReceiptCache)]
SettingsDep = Annotated[GatewaySettings, _part(GatewaySettings)]
WatchDep = Annotated[HeadWatch, _part(HeadWatch)]


def _caller(
    request: Request,
    database: DatabaseDep,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> ApiKey:
    with database.reading() as session:
        key = authenticate(session, given.credentials if given else None)
    request.state.key_id = key.key_id
    return key


Caller = Annotated[ApiKey, Depends(_caller)]
"""The API key of the call. Raises ApiKeyRefused."""


def _metered(database: DatabaseDep, key: Caller) -> ApiKey:
    with database.reading() as session:
        check_rate(session, key.key_id)
    return key


MeteredCaller = Annotated[ApiKey, Depends(_metered)]
"""The same, where its rate leaves room for a call, which the endpoint has to count.

Raises RateLimited too.
"""


def refuse_unknown_parameters(request: Request) -> None:
    """Refuses parameters of the query that the endpoint does not know.

    Raises:
        CallRefused: There is one; names it.
    """
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    operations = request.app.openapi()["paths"][route.path_format]
    parameters = operations[request.method.lower()].get("parameters", ())
    known = {one["name"] for one in parameters if one["in"] == "query"}
    for name in request.query_params:
        if name not in known:
            shown = name.encode("ascii", errors="backslashreplace").decode()[:60]
            raise CallRefused(
                f"the parameter {shown!r} is not supported; leave it out",
                param=shown,
                code="unsupported_parameter",
            )
