"""URLs without their secrets, for logs and messages."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["mask_url"]


def mask_url(url: str) -> str:
    """A URL that can be shown: credentials, path and query replaced by `***`."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "***"
    user = "***@" if parts.username is not None or parts.password is not None else ""
    path = "/***" if parts.path.strip("/") or parts.query or parts.fragment else ""
    return f"{parts.scheme or '***'}://{user}{parts.hostname or '***'}{port}{path}"
