"""The HTTP application: composes routers and middleware; nothing happens at import."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata

import anyio.to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from gateway.api import batches, completions, operation, receipts
from gateway.api.limits import BodyLimits, ConcurrencyLimit
from gateway.api.observation import Observation
from gateway.api.openapi import describe
from gateway.envelope import handle_error, handle_hang_up
from gateway.explorer import playground, receipt_pages
from gateway.explorer import router as explorer
from gateway.explorer.pages import FOLDER
from gateway.services import Services
from protocol.errors import MarketError

__all__ = ["create_app"]

_ROUTERS = (
    operation.router,
    completions.router,
    batches.router,
    receipts.router,
    explorer.router,
    playground.router,
    receipt_pages.router,
)
# A form has boundaries and headers around the file.
_FORM_BYTES = 64 * 1024
_THREADS = 64


def create_app(services: Services) -> FastAPI:
    """The application of one gateway.

    Args:
        services: Its parts, started; stopped with the application.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # One for each call that talks to the database at the same moment.
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(services.stop)

    app = FastAPI(
        title="Assay gateway",
        version=metadata.version("assay"),
        description="The OpenAI API over a market that verifies before it pays.",
        lifespan=lifespan,
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    for router in _ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"))
    for kind in (MarketError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, handle_error)
    _add_middleware(app, services)
    app.add_exception_handler(ClientDisconnect, handle_hang_up)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


def _add_middleware(app: FastAPI, services: Services) -> None:
    """The last one added is the outermost."""
    settings = services.settings
    app.add_middleware(
        BodyLimits,
        max_bytes=settings.max_body_bytes,
        max_bytes_of={batches.FILES_PATH: settings.max_file_bytes + _FORM_BYTES},
        timeout_seconds=settings.body_timeout_seconds,
    )
    app.add_middleware(
        ConcurrencyLimit, max_calls=settings.max_concurrent_calls, prefix="/v1/"
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
            expose_headers=["X-Assay-Job-Id", "X-Assay-Receipt-Url", "Retry-After"],
        )
    app.add_middleware(Observation, metrics=services.metrics)
