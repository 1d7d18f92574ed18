"""The supervisor with real child processes: readiness, deaths, order, no orphans."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from devnet.errors import DevnetError, NotReady, ProcessDied
from devnet.processes.process import Command
from devnet.processes.supervisor import Supervisor
from protocol.host.interrupts import StopRequested

ROOT = Path(__file__).resolve().parents[4]
GRACE = 0.5
LIMIT = 20.0

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"


def a_command(code: str, name: str = "child", stage: int = 0) -> Command:
    return Command(name, (sys.executable, "-c", code), stage=stage)


def is_alive(pid: int) -> bool:
    """Whether a process exists that is not a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def eventually(condition: Callable[[], bool], seconds: float = LIMIT) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def has_said_up(log: Path) -> bool:
    return log.exists() and "up" in log.read_text()


def test_start_with_unknown_program_names_the_process(tmp_path: Path) -> None:
    program = Command("chain", ("/nonexistent/program",))
    starting = pytest.raises(DevnetError, match="chain cannot be started")
    with Supervisor(tmp_path) as supervisor, starting:
        supervisor.start(program)


def test_wait_until_probe_answers_returns_the_answer(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start(a_command(SLEEPER))
        text = supervisor.wait_until("words", child.log.read_text, LIMIT, [child])
    assert text.startswith("up")


def test_wait_until_process_dies_reports_exit_and_last_words(tmp_path: Path) -> None:
    code = "import sys; print('port is taken'); sys.exit(3)"
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start(a_command(code, "ipfs"))
        with pytest.raises(ProcessDied) as failure:
            supervisor.wait_until("IPFS answers", lambda: False, LIMIT, [child])
    assert "ipfs exited with 3" in str(failure.value)
    assert "port is taken" in str(failure.value)
    assert str(tmp_path / "ipfs.log") in str(failure.value)


def test_wait_until_time_is_up_raises_not_ready(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start(a_command(SLEEPER))
        with pytest.raises(NotReady, match="the chain answers: not so after 0.1 s"):
            supervisor.wait_until("the chain answers", lambda: False, 0.1, [child])


def test_exit_running_process_ends_it(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start(a_command(SLEEPER))
    assert child.exit_code == -signal.SIGTERM
    assert not is_alive(child.pid)


def test_exit_process_ignores_sigterm_kills_it_after_the_bound(tmp_path: Path) -> None:
    with Supervisor(tmp_path, grace_seconds=GRACE) as supervisor:
        child = supervisor.start(a_command(STUBBORN))
        supervisor.wait_until("up", lambda: has_said_up(child.log), LIMIT, [child])
        stopping = time.monotonic()
    assert child.exit_code == -signal.SIGKILL
    assert GRACE <= time.monotonic() - stopping < LIMIT


def test_exit_process_left_a_grandchild_ends_it_too(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; "
        f"child = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); "
        "print(child.pid, flush=True)"
    )
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start(a_command(code))
        assert child.wait(LIMIT) == 0
        grandchild = int(child.log.read_text().split()[0])
    assert eventually(lambda: not is_alive(grandchild))


def test_stop_all_two_stages_ends_the_later_stage_first(tmp_path: Path) -> None:
    order = tmp_path / "order"
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(order)!r}, 'a').write(sys.argv[1] + ' ')\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('up', flush=True)\n"
        "time.sleep(600)\n"
    )
    with Supervisor(tmp_path) as supervisor:
        for name, stage in (("chain", 0), ("worker", 1)):
            argv = (sys.executable, "-c", code, name)
            child = supervisor.start(Command(name, argv, stage=stage))
            said_up = functools.partial(has_said_up, child.log)
            supervisor.wait_until("up", said_up, LIMIT, [child])
    assert order.read_text().split() == ["worker", "chain"]


def test_deaths_process_ended_reports_it_once(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start(a_command("pass"))
        child.wait(LIMIT)
        assert list(supervisor.deaths()) == [child]
        assert list(supervisor.deaths()) == []


def test_exit_sigterm_while_waiting_ends_every_process(tmp_path: Path) -> None:
    def probe() -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return False

    stopping = pytest.raises(StopRequested, match="SIGTERM")
    with stopping, Supervisor(tmp_path) as supervisor:
        child = supervisor.start(a_command(SLEEPER))
        supervisor.wait_until("never", probe, LIMIT, [child])
    assert not is_alive(child.pid)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


OWNER = """
import sys
from pathlib import Path
from devnet.processes.process import Command
from devnet.processes.supervisor import Supervisor

grandchild = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', " \
    "'import time; time.sleep(600)']); time.sleep(600)"
with Supervisor(Path(sys.argv[1])) as supervisor:
    for name in ("one", "two"):
        child = supervisor.start(Command(name, (sys.executable, "-c", grandchild)))
        print(child.pid, flush=True)
    print("started", flush=True)
    supervisor.wait_until("never", lambda: False, 600, [])
"""


def members_of(groups: set[int]) -> set[int]:
    """Live processes of these process groups."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) in groups and fields[0] != "Z":
            found.add(int(entry.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_owner_gets_signal_leaves_no_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    ) as owner:
        assert owner.stdout is not None
        lines = iter(owner.stdout.readline, "started\n")
        groups = {int(line) for line in lines}
        assert eventually(lambda: len(members_of(groups)) == 4)
        owner.send_signal(number)
        owner.wait(LIMIT)
        assert eventually(lambda: not members_of(groups)), members_of(groups)
