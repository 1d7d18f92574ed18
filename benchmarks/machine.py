"""What a figure was measured on."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_QUIET_LOAD: Final = 0.25
"""Load per CPU that a benchmark tolerates without a word."""


def describe_machine() -> dict[str, Any]:
    """Returns processor, memory, system and load, without names of the machine."""
    return {
        "processor": processor_name(Path("/proc/cpuinfo")),
        "architecture": platform.machine(),
        "cpus": os.cpu_count() or 1,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.system(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        "date": datetime.now(UTC).date().isoformat(),
    }


def busy_note(load: float, cpus: int) -> str | None:
    """Returns a warning if other programs seem to run, else None.

    Args:
        load: Average of runnable threads before the benchmark began.
        cpus: Processors of the machine.
    """
    if load <= cpus * _QUIET_LOAD:
        return None
    return (
        f"the machine is busy (load {load:.1f} on {cpus} CPUs): ratios may flatter "
        "whoever waits best for its threads; run this again when it is quiet"
    )


def processor_name(info: Path) -> str:
    """Returns the processor's name as Linux gives it, or what the platform knows."""
    if info.is_file():
        for line in info.read_text("ascii", "replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
