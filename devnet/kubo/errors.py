"""Errors of the embedded IPFS node, as its RPC reports them."""

from __future__ import annotations

__all__ = ["KuboError", "RepositoryError"]


class KuboError(Exception):
    """A request that the node cannot serve.

    Attributes:
        status: HTTP status of the answer. Kubo answers 500 to nearly everything,
            400 to requests it cannot parse.
    """

    def __init__(self, message: str, status: int = 500) -> None:
        """Keep the message for the answer's body."""
        super().__init__(message)
        self.status = status


class RepositoryError(Exception):
    """The repository folder cannot be used."""
