"""How a worker is, asked from outside: chain, journal, and its own metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from prometheus_client.parser import text_string_to_metric_families

from protocol.chain.keys.accounts import address_in
from protocol.errors import ConfigError
from protocol.hexadecimal import to_hex
from protocol.roles.session import open_read_only
from worker.duty import JobStage
from worker.monitoring.snapshot import Snapshot, SnapshotReader
from worker.process.data_dir import RunRecord, running_in
from worker.seats.holdings import Holdings, SeatState
from worker.settings import WorkerSettings

__all__ = ["Status", "StatusReader", "Vitals", "status_document"]

_ANSWER_SECONDS = 2.0
_PREFIX = "assay_worker_"


@dataclass(frozen=True, slots=True)
class Vitals:
    """What only the running process knows.

    Attributes:
        tokens: Tokens computed since its start.
        waiting: Duties that wait for the engine.
        running: Duties in its batch.
        is_draining: Whether it takes nothing new.
        obstacles: What keeps jobs from being served, by name.
    """

    tokens: int
    waiting: int
    running: int
    is_draining: bool
    obstacles: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Status:
    """A worker as it is now.

    Attributes:
        snapshot: What it has and owes.
        run: The running process; None if none runs.
        vitals: What that process says; None if it has no monitor or is silent.
    """

    snapshot: Snapshot
    run: RunRecord | None
    vitals: Vitals | None


class StatusReader:
    """Reads the status again and again."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Connect; the key is not needed, its file's address is.

        Raises:
            ConfigError: No key file, or one that does not tell its address.
            ChainError: The market cannot be read.
        """
        self._data_dir = settings.data_dir
        reader = open_read_only(settings).market
        journal = settings.journal_path(reader.deployment.marketplace)
        holdings = Holdings(reader, _address(settings))
        self._snapshots = SnapshotReader(reader, holdings, journal)

    def read(self) -> Status:
        """The status now. Raises RpcUnavailable or JournalError."""
        run = running_in(self._data_dir)
        vitals = None if run is None else _vitals(run.monitor_url)
        return Status(self._snapshots.read(), run, vitals)


def status_document(status: Status) -> dict[str, Any]:
    """The status for machines; amounts in units of the token, gas in wei."""
    snapshot, run, vitals = status.snapshot, status.run, status.vitals
    record = snapshot.account
    return {
        "worker": snapshot.worker,
        "block": snapshot.block_number,
        "blockTime": snapshot.block_time,
        "gasWei": snapshot.gas_wei,
        "credit": record.credit,
        "tokens": snapshot.tokens,
        "stake": snapshot.stake,
        "stakeAtRisk": snapshot.stake_at_risk,
        "completed": record.completed,
        "missed": record.missed,
        "slashed": record.slashed,
        "seats": [
            {
                "id": seat.seat_id,
                "modelId": to_hex(seat.model_id),
                "tick": seat.tick,
                "state": seat.state.value,
                "isClosing": seat.is_closing,
                "leavesAtBlock": seat.leaves_at_block,
            }
            for seat in snapshot.seats
        ],
        "seatStates": _counts(SeatState, [seat.state for seat in snapshot.seats]),
        "jobs": [
            {
                "jobId": to_hex(duty.job_id),
                "round": duty.round_number,
                "seat": duty.seat_id,
                "state": duty.stage.value,
                "deadline": duty.deadline,
            }
            for duty in snapshot.duties
        ],
        "jobStates": _counts(JobStage, [duty.stage for duty in snapshot.duties]),
        "process": None if run is None else _process(run, vitals),
    }


def _process(run: RunRecord, vitals: Vitals | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "pid": run.pid,
        "startedAt": run.started_at,
        "monitorUrl": run.monitor_url,
    }
    if vitals is not None:
        document |= {
            "isDraining": vitals.is_draining,
            "tokensComputed": vitals.tokens,
            "queueWaiting": vitals.waiting,
            "queueRunning": vitals.running,
            "obstacles": dict(vitals.obstacles),
        }
    return document


def _counts(kinds: Any, found: list[Any]) -> dict[str, int]:
    return {kind.value: found.count(kind) for kind in kinds}


def _address(settings: WorkerSettings) -> ChecksumAddress:
    key_file = settings.require_key_file()
    address = address_in(key_file)
    if address is not None:
        return address
    run = running_in(settings.data_dir)
    if run is None:
        raise ConfigError(
            f"key file {key_file} does not tell its address, and no worker runs in "
            f"{settings.data_dir}: start it, or write the file anew with "
            "`assay worker keys change-password`"
        )
    return to_checksum_address(run.worker)


def _vitals(url: str) -> Vitals | None:
    """What the process says; None if it says nothing."""
    if not url:
        return None
    try:
        metrics = _get(f"{url}/metrics").text
        obstacles = _get(f"{url}/readyz").json()["reasons"]
        values = _values(metrics)
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return None
    return Vitals(
        tokens=values["tokens_total"],
        waiting=values["queue.waiting"],
        running=values["queue.running"],
        is_draining=bool(values["draining"]),
        obstacles=obstacles,
    )


def _get(url: str) -> requests.Response:
    with requests.Session() as session:
        # The monitor is where it says; a proxy would not find it.
        session.trust_env = False
        return session.get(url, timeout=_ANSWER_SECONDS)


def _values(text: str) -> dict[str, int]:
    """Samples by name, and by their `state` where they have one."""
    values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removeprefix(_PREFIX)
            state = sample.labels.get("state")
            values[f"{name}.{state}" if state else name] = int(sample.value)
    return values
