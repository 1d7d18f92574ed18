"""Templates, and what every page has in common."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from gateway.services import Services

__all__ = ["FOLDER", "render", "render_problem"]

FOLDER = Path(__file__).resolve().parent

_MENU = (
    ("market", "/", "Market"),
    ("jobs", "/jobs", "Jobs"),
    ("workers", "/workers", "Workers"),
    ("models", "/models", "Models"),
    ("playground", "/playground", "Playground"),
    ("receipts", "/receipts", "Receipts"),
)
# A page is of one moment; the next look must ask again.
_HEADERS = {"Cache-Control": "no-cache", "Vary": "Accept"}


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(
    request: Request,
    services: Services,
    template: str,
    page: str,
    *,
    head_number: int | None = None,
    status: int = 200,
    **values: Any,
) -> HTMLResponse:
    """Draw a page.

    Args:
        request: Of the page.
        services: The gateway's parts.
        template: File of `templates`.
        page: Entry of the menu that it belongs to.
        head_number: Last block that is indexed, where the page shows the index.
        status: HTTP status.
        values: What the template needs.
    """
    root = str(request.scope.get("root_path", "")).rstrip("/")
    deployment = services.access.market.deployment
    version = metadata.version("assay")
    text = (
        _environment()
        .get_template(template)
        .render(
            root=root,
            static=lambda name: f"{root}/static/{name}?v={version}",
            menu=_MENU,
            page=page,
            market={
                "chain_id": deployment.chain_id,
                "marketplace": deployment.marketplace,
                "head_number": None if head_number is None else f"{head_number:,}",
            },
            **values,
        )
    )
    return HTMLResponse(text, status_code=status, headers=dict(_HEADERS))


def render_problem(
    request: Request, services: Services, status: int, title: str, message: str
) -> HTMLResponse:
    """Draw the page of an error."""
    return render(
        request,
        services,
        "problem.html",
        "",
        status=status,
        title=title,
        message=message,
    )
