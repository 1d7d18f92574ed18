"""Why a gateway does not answer its caller; a branch of the tree in `protocol.errors`.

```text
GatewayError
├── ApiKeyRefused             no API key, or an unknown or revoked one
├── BudgetExceeded            the key's budget does not hold what the call may cost
├── CallRefused               the call itself is wrong; names the parameter
│   ├── BodyTooLarge          its body has too many bytes
│   ├── BodyTooSlow           its body did not arrive in time
│   ├── IdempotencyConflict   its idempotency key was used for another call
│   └── NothingFound          no model, file or batch of this name
├── GatewayBusy               retryable; nothing was charged
├── JobUnsuccessful           the job ended without an answer; nothing was charged
└── RateLimited               retryable; the API key made too many calls
```
"""

from __future__ import annotations

from protocol.errors import MarketError

__all__ = [
    "ApiKeyRefused",
    "BodyTooLarge",
    "BodyTooSlow",
    "BudgetExceeded",
    "CallRefused",
    "GatewayBusy",
    "GatewayError",
    "IdempotencyConflict",
    "JobUnsuccessful",
    "NothingFound",
    "RateLimited",
]


class GatewayError(MarketError):
    """A gateway's caller gets no answer; the message says why."""


class ApiKeyRefused(GatewayError):
    """There is no API key, or one that is unknown or revoked."""

    http_status = 401


class BudgetExceeded(GatewayError):
    """The API key's budget does not hold what the request may cost."""

    http_status = 402


class CallRefused(GatewayError):
    """A call that no gateway answers as it stands.

    Attributes:
        param: The parameter that is wrong; None for the call as a whole.
        code: What is wrong with it, for programs.
    """

    http_status = 400

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        """Describe the fault and where it is."""
        self.param = param
        self.code = code
        super().__init__(message)


class BodyTooLarge(CallRefused):
    """The body of a call has more bytes than this gateway takes."""

    http_status = 413


class BodyTooSlow(CallRefused):
    """The body of a call did not arrive in time."""

    http_status = 408


class IdempotencyConflict(CallRefused):
    """An idempotency key was used for another call before."""

    http_status = 409


class NothingFound(CallRefused):
    """There is no model, file, batch or key of this name for this API key."""

    http_status = 404


class GatewayBusy(GatewayError):
    """The gateway cannot take the call now; nothing was charged."""

    http_status = 503
    is_retryable = True


class JobUnsuccessful(GatewayError):
    """The job of a call ended without an answer; nothing was charged."""

    http_status = 502


class RateLimited(GatewayError):
    """The API key made too many calls.

    Attributes:
        retry_after_seconds: When the next one is possible.
    """

    http_status = 429
    is_retryable = True

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        """Say when the next call is possible."""
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)
