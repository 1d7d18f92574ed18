"""A worker that says what it used: `python -m benchmarks.market.worker FILE FLAGS`.

Honest in every respect. Twice a second it writes CPU seconds and memory to a file.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from devnet.network.variants import run_worker_with
from inference.engine import Engine
from inference.engines.batching import BatchingEngine

__all__ = ["WorkerUsage", "read_usage"]

_NICENESS = 5
_WRITE_SECONDS = 0.5
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class WorkerUsage:
    """What a worker's process has used since its start.

    Attributes:
        cpu_seconds: All of its threads.
        engine_seconds: The thread that computes.
        memory_bytes: Resident now.
    """

    cpu_seconds: float
    engine_seconds: float
    memory_bytes: int


def read_usage(path: Path) -> WorkerUsage:
    """What a worker last wrote."""
    return WorkerUsage(**json.loads(path.read_text(encoding="utf-8")))


class _Gauge:
    """Measures this process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engines: list[BatchingEngine] = []

    def watch(self, engine: Engine) -> Engine:
        assert isinstance(engine, BatchingEngine)
        self._engines.append(engine)
        return engine

    def write_forever(self) -> None:
        while True:
            usage = WorkerUsage(
                cpu_seconds=time.process_time(),
                engine_seconds=sum(engine.cpu_seconds for engine in self._engines),
                memory_bytes=_resident_bytes(),
            )
            draft = self._path.with_suffix(".draft")
            draft.write_text(json.dumps(asdict(usage)), encoding="utf-8")
            draft.replace(self._path)
            time.sleep(_WRITE_SECONDS)


def _resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * _PAGE_BYTES


def main() -> None:
    """Run until told to stop."""
    # The chain, the IPFS node and the requester would be on other machines.
    os.nice(_NICENESS)
    gauge = _Gauge(Path(sys.argv.pop(1)))
    threading.Thread(target=gauge.write_forever, daemon=True).start()
    run_worker_with(gauge.watch)


if __name__ == "__main__":
    main()
