"""Running this project's own modules as child processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["python_environment"]

_PROJECT = Path(__file__).resolve().parents[2]


def python_environment() -> Mapping[str, str]:
    """Variables for a child that works in another folder: it finds our packages there,
    and what it prints reaches its log at once.
    """
    known = os.environ.get("PYTHONPATH", "")
    paths = [str(_PROJECT), *(part for part in known.split(os.pathsep) if part)]
    return {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
