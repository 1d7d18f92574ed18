"""A local network as a whole: running it, detaching it, stopping it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from devnet.errors import (
    DevnetError,
    NetworkNotRunning,
    NotReady,
    ProcessDied,
)
from devnet.network.folder import (
    AccountRecord,
    NetworkFolder,
    NetworkPhase,
    NetworkState,
    ProcessRecord,
)
from devnet.network.plan import WORKER_STAGE, Network, NetworkPlan
from devnet.network.settings_file import require_replaceable
from devnet.network.start import start_network
from devnet.processes.ports import LOOPBACK, require_free
from devnet.processes.process import Process
from devnet.processes.python import python_environment
from devnet.processes.supervisor import Supervisor, describe_exit
from protocol.errors import MarketError
from protocol.host.interrupts import StopRequested

__all__ = ["check_can_start", "detach", "run_network", "stop_network"]

_WATCH_SECONDS = 0.5
_POLL_SECONDS = 0.05
_READY_SECONDS = 240.0
_STOP_SECONDS = 60.0
_KILL_SECONDS = 10.0
_TAIL_BYTES = 4096

Report = Callable[[str], None]


def check_can_start(folder: NetworkFolder, plan: NetworkPlan) -> None:
    """Check what can be checked before anything starts.

    Raises:
        NetworkRunning: The folder is in use.
        PortBusy: A port is.
        ConfigError: The folder holds settings that are not ours to replace.
    """
    if folder.holder() is not None:
        raise folder.running_error()
    require_replaceable(folder.settings_file)
    require_free(plan.rpc_port, "the chain's RPC", "--rpc-port")
    require_free(plan.ipfs_port, "the IPFS node's RPC", "--ipfs-port")
    if plan.gateway_port is not None:
        require_free(plan.gateway_port, "the gateway", "--gateway-port")


def run_network(
    folder: NetworkFolder,
    plan: NetworkPlan,
    report: Report,
    on_ready: Callable[[Network], None],
) -> None:
    """Run a network until somebody asks this process to stop.

    Args:
        folder: Its folder, not in use.
        plan: What to start.
        report: Called with a sentence for each step, and for each worker that ends.
        on_ready: Called once when everything is ready.

    Raises:
        DevnetError: It could not be started, or lost its chain or IPFS node.
    """
    check_can_start(folder, plan)
    folder.hold()
    folder.clear()
    state = _Publisher(folder, plan)
    try:
        with Supervisor(folder.logs) as supervisor:
            state.supervisor = supervisor
            state.publish(NetworkPhase.STARTING)
            network = start_network(supervisor, folder, plan, report)
            state.network = network
            state.publish(NetworkPhase.READY)
            on_ready(network)
            _watch(supervisor, state, report)
    except StopRequested:
        state.publish(NetworkPhase.STOPPED)
    except MarketError as error:
        state.publish(NetworkPhase.FAILED, str(error))
        raise


def detach(
    folder: NetworkFolder, plan: NetworkPlan, arguments: Sequence[str]
) -> NetworkState:
    """Run `assay up` in the background; return when its network is ready.

    Args:
        folder: The folder that `arguments` name.
        plan: What they say.
        arguments: Of the command that runs in the background.

    Raises:
        DevnetError: It did not become ready; says why.
    """
    check_can_start(folder, plan)
    folder.devnet.mkdir(parents=True, exist_ok=True)
    with folder.supervisor_log.open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "assay.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **python_environment()},
            start_new_session=True,
        )
    try:
        return _wait_until_ready(folder, child)
    except BaseException:
        # Ctrl-C too: half a network is of no use to anybody.
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_STOP_SECONDS)
        raise


def stop_network(folder: NetworkFolder) -> None:
    """Ask the folder's supervisor to end, and wait until everything has ended.

    Raises:
        NetworkNotRunning: There is none.
        NotReady: It does not end, not even by SIGKILL.
    """
    if folder.holder() is None:
        raise NetworkNotRunning(f"no network is running in {folder.root}")
    ending = ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, _KILL_SECONDS))
    for number, seconds in ending:
        # Zero is a supervisor that holds the folder since just now.
        if holder := folder.holder():
            with contextlib.suppress(ProcessLookupError):
                os.kill(holder, number)
        if _has_ended(folder, seconds):
            return
    raise NotReady(f"process {folder.holder()} of {folder.root} does not end")


def _has_ended(folder: NetworkFolder, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while folder.holder() is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


class _Publisher:
    """Writes the state file whenever the network changes."""

    def __init__(self, folder: NetworkFolder, plan: NetworkPlan) -> None:
        self._folder = folder
        self._plan = plan
        self.supervisor: Supervisor | None = None
        self.network: Network | None = None

    def publish(self, phase: NetworkPhase, error: str = "") -> None:
        plan, network = self._plan, self.network
        accounts = [] if network is None else network.identities
        processes = () if self.supervisor is None else self.supervisor.processes
        url = "" if plan.gateway_port is None else _url(plan.gateway_port)
        state = NetworkState(
            pid=os.getpid(),
            phase=phase,
            rpc_url=_url(plan.rpc_port),
            ipfs_api=_url(plan.ipfs_port),
            gateway_url=url,
            api_key_file=str(self._folder.api_key_file) if url else "",
            model_id="" if network is None else network.model_hex,
            error=error,
            processes=tuple(
                ProcessRecord(p.name, p.pid, str(p.log), p.exit_code) for p in processes
            ),
            accounts=tuple(
                AccountRecord(a.name, a.account.address, str(a.key_file))
                for a in accounts
            ),
        )
        self._folder.write_state(state)


def _url(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"


def _watch(supervisor: Supervisor, state: _Publisher, report: Report) -> None:
    """Watch the processes; a worker may end, the chain, IPFS and the like may not."""
    while True:
        for process in supervisor.deaths():
            state.publish(NetworkPhase.READY)
            if _is_essential(process):
                raise ProcessDied(f"{describe_exit(process)}; the network is stopped")
            report(describe_exit(process))
        time.sleep(_WATCH_SECONDS)


def _is_essential(process: Process) -> bool:
    return process.command.stage < WORKER_STAGE


def _wait_until_ready(
    folder: NetworkFolder, child: subprocess.Popen[bytes]
) -> NetworkState:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        state = folder.read_state()
        if state and state.pid == child.pid and state.phase is NetworkPhase.READY:
            return state
        if child.poll() is not None:
            raise DevnetError(_last_words(folder))
        time.sleep(_POLL_SECONDS)
    raise NotReady(
        f"the network is not ready after {_READY_SECONDS:g} s; "
        f"see {folder.supervisor_log} and {folder.logs}"
    )


def _last_words(folder: NetworkFolder) -> str:
    """Why the background process ended: the last line that it printed."""
    text = folder.supervisor_log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else f"it ended without a word ({folder.supervisor_log})"
    return last.removeprefix("assay: ")
