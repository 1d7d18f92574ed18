"""Who calls: the parts of the gateway and the API key, as endpoints ask for them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from gateway.accounts.keys import ApiKey, authenticate
from gateway.accounts.rate_limits import check_rate
from gateway.errors import CallRefused
from gateway.services import Services

__all__ = ["Caller", "MeteredCaller", "Parts", "refuse_unknown_parameters"]

_bearer = HTTPBearer(
    auto_error=False, description="An API key of `assay gateway keys create`."
)


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Parts = Annotated[Services, Depends(_services)]
"""The gateway's parts."""


def _caller(
    request: Request,
    services: Parts,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> ApiKey:
    with services.database.reading() as session:
        key = authenticate(session, given.credentials if given else None)
    request.state.key_id = key.key_id
    return key


Caller = Annotated[ApiKey, Depends(_caller)]
"""The API key of the call. Raises ApiKeyRefused."""


def _metered(services: Parts, key: Caller) -> ApiKey:
    with services.database.reading() as session:
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
