"""How a running network is, asked of its processes and its chain."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from devnet.errors import NetworkNotRunning
from devnet.network.folder import (
    NetworkFolder,
    NetworkPhase,
    NetworkState,
    ProcessRecord,
)
from protocol.chain.client import MarketClient
from protocol.chain.deployment import Deployment
from protocol.errors import ChainError
from protocol.market.events import JobPosted, SeatClosed, SeatOpened

__all__ = ["NetworkStatus", "look"]


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """What `assay status` shows.

    Attributes:
        state: As the supervisor published it.
        block_number: Height of the chain; None while it does not answer.
        seats: Open seats, all models and ticks.
        jobs: Number of jobs by state.
    """

    state: NetworkState
    block_number: int | None = None
    seats: int = 0
    jobs: tuple[tuple[str, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        state = self.state
        return {
            "phase": state.phase.value,
            "pid": state.pid,
            "rpcUrl": state.rpc_url,
            "ipfsApi": state.ipfs_api,
            "gatewayUrl": state.gateway_url,
            "apiKeyFile": state.api_key_file,
            "modelId": state.model_id,
            "processes": [_plain(process) for process in state.processes],
            "accounts": [
                {"name": a.name, "address": a.address, "keyFile": a.key_file}
                for a in state.accounts
            ],
            "blockNumber": self.block_number,
            "seats": self.seats,
            "jobs": dict(self.jobs),
        }


def look(folder: NetworkFolder) -> NetworkStatus:
    """Ask a running network how it is.

    Raises:
        NetworkNotRunning: There is none in this folder; says so if it failed.
    """
    state = folder.read_state()
    if folder.holder() is None or state is None:
        failed = state is not None and state.phase is NetworkPhase.FAILED
        reason = f"; the last one failed: {state.error}" if failed and state else ""
        raise NetworkNotRunning(
            f"no network is running in {folder.root}; start one with `assay up`{reason}"
        )
    if state.phase is not NetworkPhase.READY:
        return NetworkStatus(state)
    try:
        deployment = Deployment.load(folder.deployment_file)
        client = MarketClient.connect(state.rpc_url, deployment)
        return NetworkStatus(
            state, client.block_number(), _seats(client), _jobs(client)
        )
    except ChainError:
        # Stopping, or its chain has just died: the rest is worth showing.
        return NetworkStatus(state)


def _seats(client: MarketClient) -> int:
    logs = client.events(kinds=(SeatOpened, SeatClosed))
    changes = (1 if isinstance(log.event, SeatOpened) else -1 for log in logs)
    return sum(changes)


def _jobs(client: MarketClient) -> tuple[tuple[str, int], ...]:
    states = Counter(
        client.state_of(log.event.job_id)
        for log in client.events(kinds=(JobPosted,))
        if isinstance(log.event, JobPosted)
    )
    return tuple((state.label, states[state]) for state in sorted(states))


def _plain(process: ProcessRecord) -> dict[str, Any]:
    return {
        "name": process.name,
        "pid": process.pid,
        "running": process.exit_code is None,
        "exitCode": process.exit_code,
        "log": process.log,
    }
