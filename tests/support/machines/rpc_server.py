"""An HTTP server that stands between a client and a node, and misbehaves on demand."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.machines.http_server import QuietHandler, serving

__all__ = ["Answer", "forward_to", "rpc_server"]

Answer = tuple[int, bytes]
"""Status and body."""


def forward_to(url: str) -> Callable[[dict[str, Any]], Answer]:
    """Passes a request on to a node."""

    def forward(request: dict[str, Any]) -> Answer:
        outgoing = urllib.request.Request(
            url,
            data=json.dumps(request).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(outgoing, timeout=10) as response:
            return response.status, response.read()

    return forward


@contextmanager
def rpc_server(answer: Callable[[dict[str, Any]], Answer]) -> Iterator[str]:
    """Serves JSON-RPC by `answer` on a free port; gives its URL."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            self.send(*answer(json.loads(self.body())), {})

    with serving(Handler) as url:
        yield url
