from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from protocol.host.crash_points import CRASH_AT_VARIABLE, crash_point

_PROGRAM = """
from protocol.host.crash_points import crash_point

for count in range(3):
    crash_point("bytes.sending")
    print(count, flush=True)
    crash_point("bytes.sent")
"""


def _run(crash_at: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env={**os.environ, CRASH_AT_VARIABLE: crash_at},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("crash_at", "printed"),
    [
        ("bytes.sending", ""),
        ("bytes.sent", "0\n"),
        ("bytes.sending:3", "0\n1\n"),
    ],
)
def test_crash_point_named_by_the_environment_kills_the_process(
    crash_at: str, printed: str
) -> None:
    ended = _run(crash_at)

    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout == printed


@pytest.mark.parametrize("crash_at", ["bytes", "bytes.sent:4"])
def test_crash_point_that_is_not_reached_leaves_the_process_alive(
    crash_at: str,
) -> None:
    ended = _run(crash_at)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "0\n1\n2\n"


def test_crash_point_without_the_variable_does_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(CRASH_AT_VARIABLE, raising=False)

    crash_point("bytes.sending")
