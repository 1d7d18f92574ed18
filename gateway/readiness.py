"""Whether the parts of the gateway work, asked at most every other second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import BaseModel

from protocol.errors import MarketError

__all__ = ["HealthReport", "Readiness"]

_log = logging.getLogger(__name__)

_KEPT_SECONDS = 2.0
Verdict = Literal["ok", "failed"]


class HealthReport(BaseModel):
    """That the process lives, or what of its parts works."""

    status: Verdict
    checks: dict[str, Verdict]


class Readiness:
    """Checks of all parts, remembered for a moment so that asking costs little."""

    def __init__(self, checks: Mapping[str, Callable[[], object]]) -> None:
        """Take the checks; one that raises a MarketError fails."""
        self._checks = checks
        self._lock = threading.Lock()
        self._last: HealthReport | None = None
        self._at = 0.0

    def look(self) -> HealthReport:
        """How the parts are now, or were a moment ago."""
        with self._lock:
            if self._last is None or time.monotonic() - self._at > _KEPT_SECONDS:
                self._last = self._run()
                self._at = time.monotonic()
            return self._last

    def _run(self) -> HealthReport:
        checks: dict[str, Verdict] = {}
        for name, check in self._checks.items():
            try:
                check()
                checks[name] = "ok"
            except MarketError as error:
                _log.warning("not ready", extra={"part": name, "reason": str(error)})
                checks[name] = "failed"
        is_ready = all(verdict == "ok" for verdict in checks.values())
        return HealthReport(status="ok" if is_ready else "failed", checks=checks)
