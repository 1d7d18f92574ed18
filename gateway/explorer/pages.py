"""Templates, and what every page has in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from gateway.api.access import services_of
from gateway.indexer.head_watch import HeadWatch
from protocol.amounts import Amounts
from protocol.chain.deployment import Deployment

__all__ = ["FOLDER", "PageDep", "WebPage", "web_page_of"]

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


@dataclass(frozen=True, slots=True)
class WebPage:
    """One page to draw.

    Attributes:
        request: Of the page.
        market: Whose market it shows.
        watch: Knows the last block that is indexed.
        amounts: How it writes amounts of the token.
    """

    request: Request
    market: Deployment
    watch: HeadWatch
    amounts: Amounts

    def draw(
        self,
        template: str,
        entry: str,
        *,
        shows_index: bool = True,
        status: int = 200,
        **values: Any,
    ) -> HTMLResponse:
        """Draw it.

        Args:
            template: File of `templates`.
            entry: Entry of the menu that it belongs to.
            shows_index: Whether what it shows is as old as the index, and says so.
            status: HTTP status.
            values: What the template needs.
        """
        root = str(self.request.scope.get("root_path", "")).rstrip("/")
        version = metadata.version("assay")
        head = f"{self.watch.look()[0]:,}" if shows_index else None
        text = (
            _environment()
            .get_template(template)
            .render(
                root=root,
                static=lambda name: f"{root}/static/{name}?v={version}",
                menu=_MENU,
                page=entry,
                market={
                    "chain_id": self.market.chain_id,
                    "marketplace": self.market.marketplace,
                    "head_number": head,
                },
                **values,
            )
        )
        return HTMLResponse(text, status_code=status, headers=dict(_HEADERS))

    def draw_problem(self, status: int, title: str, message: str) -> HTMLResponse:
        """Draw an error instead."""
        return self.draw(
            "problem.html",
            "",
            shows_index=False,
            status=status,
            title=title,
            message=message,
        )


def web_page_of(request: Request) -> WebPage:
    """The page that a request asks for."""
    services = services_of(request)
    market = services.session.market.deployment
    return WebPage(request, market, services.watch, services.settings.amounts)


PageDep = Annotated[WebPage, Depends(web_page_of)]
