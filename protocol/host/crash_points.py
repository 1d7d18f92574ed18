"""Places where a test kills this process, to prove that it loses nothing.

A crash point stands before and after every side effect: a write to a journal, bytes
put on IPFS, a transaction sent. `ASSAY_CRASH_AT=<label>` kills the process at the
first passing of that label, `<label>:3` at the third, with SIGKILL: nothing is
flushed, closed or rolled back, as when power fails. Without the variable a crash
point does nothing.

Labels read `<subject>.<moment>`, such as `commit.sending` and `commit.sent`, and are
literals, so that tests can list them from the source.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter

__all__ = ["CRASH_AT_VARIABLE", "crash_point"]

CRASH_AT_VARIABLE = "ASSAY_CRASH_AT"

_lock = threading.Lock()
_passed: Counter[str] = Counter()


def crash_point(label: str) -> None:
    """Die here if the environment asks for it; otherwise do nothing.

    Args:
        label: Name of the place, a literal; the same name may stand in several places.
    """
    wanted = os.environ.get(CRASH_AT_VARIABLE)
    if wanted is None:
        return
    wanted_label, _, passing = wanted.partition(":")
    if wanted_label != label:
        return
    with _lock:
        _passed[label] += 1
        is_due = _passed[label] == int(passing or 1)
    if is_due:
        os.kill(os.getpid(), signal.SIGKILL)
