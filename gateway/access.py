"""Who calls: the parts of the gateway and the API key, as endpoints ask for them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from gateway.accounts.keys import ApiKey, authenticate
from gateway.services import Services

__all__ = ["Caller", "MeteredCaller", "Parts"]

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
    services.admission.count(key.key_id)
    return key


MeteredCaller = Annotated[ApiKey, Depends(_metered)]
"""The same, counted against its rate. Raises RateLimited too."""
