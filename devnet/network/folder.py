"""Where a local network keeps its files, and who holds the folder."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from devnet.errors import DevnetError, NetworkRunning
from protocol.host.file_lock import FileHeld, FileLock, holder_of

__all__ = [
    "AccountRecord",
    "NetworkFolder",
    "NetworkPhase",
    "NetworkState",
    "ProcessRecord",
]

_PRIVATE_FOLDER = 0o700
_GENERATED = (
    "anvil",
    "gateway",
    "ipfs",
    "ipfs-run",
    "keys",
    "logs",
    "requester",
    "workers",
)


class NetworkPhase(StrEnum):
    """How far a network is."""

    STARTING = "starting"
    READY = "ready"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A supervised process: exit code None while it runs."""

    name: str
    pid: int
    log: str
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """An account of the network and where its key is."""

    name: str
    address: str
    key_file: str


@dataclass(frozen=True, slots=True)
class NetworkState:
    """What the supervisor tells others about its network.

    Attributes:
        pid: The supervisor's process id.
        phase: How far it is.
        rpc_url: The chain's RPC endpoint.
        ipfs_api: The IPFS node's RPC address.
        gateway_url: Where the gateway listens; empty without one.
        api_key_file: File with an API key of it; empty without one.
        model_id: Id of the bundled model, `0x` and 64 digits; empty before.
        error: Why it failed; empty otherwise.
        processes: What was started.
        accounts: Who has money on it.
    """

    pid: int
    phase: NetworkPhase
    rpc_url: str
    ipfs_api: str
    gateway_url: str = ""
    api_key_file: str = ""
    model_id: str = ""
    error: str = ""
    processes: tuple[ProcessRecord, ...] = ()
    accounts: tuple[AccountRecord, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> NetworkState:
        """Read what `to_json` wrote. Raises ValueError, KeyError or TypeError."""
        values: dict[str, Any] = json.loads(text)
        return replace(
            cls(**values),
            phase=NetworkPhase(values["phase"]),
            processes=tuple(ProcessRecord(**item) for item in values["processes"]),
            accounts=tuple(AccountRecord(**item) for item in values["accounts"]),
        )

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"


@dataclass(frozen=True, slots=True)
class NetworkFolder:
    """The folder of a local network, `.assay` by default.

    Attributes:
        root: Absolute path of the folder.
    """

    root: Path
    devnet: Path = field(init=False)

    def __post_init__(self) -> None:
        """Settle the paths, whatever folder a process works in later."""
        root = self.root.resolve()
        object.__setattr__(self, "root", root)
        object.__setattr__(self, "devnet", root / "devnet")

    @property
    def settings_file(self) -> Path:
        """Settings of a requester and of one more worker."""
        return self.root / "assay.toml"

    @property
    def deployment_file(self) -> Path:
        """Addresses of the contracts."""
        return self.root / "deployment.json"

    @property
    def logs(self) -> Path:
        """A log file for each process."""
        return self.devnet / "logs"

    @property
    def keys(self) -> Path:
        """Key files."""
        return self.devnet / "keys"

    @property
    def supervisor_log(self) -> Path:
        """Output of a detached supervisor; outside of what `clear` removes."""
        return self.devnet / "supervisor.log"

    @property
    def gateway_folder(self) -> Path:
        """The gateway's database and files."""
        return self.devnet / "gateway"

    @property
    def api_key_file(self) -> Path:
        """An API key of the gateway."""
        return self.keys / "gateway-api.key"

    def worker_folder(self, name: str) -> Path:
        """Journal and model cache of a worker."""
        return self.devnet / "workers" / name

    def hold(self) -> None:
        """Hold the folder until this process ends; only the system lets go of it.

        So whoever waits for the folder to be free waits for the process to be gone.

        Raises:
            NetworkRunning: Another process holds it.
            DevnetError: The folder cannot be written to.
        """
        try:
            self.devnet.mkdir(_PRIVATE_FOLDER, parents=True, exist_ok=True)
            FileLock(self._lock, says=str(os.getpid()))
        except FileHeld as held:
            raise self.running_error() from held
        except OSError as error:
            raise DevnetError(
                f"{error.filename} cannot be written: {error.strerror}; "
                "choose another folder with --dir"
            ) from error

    def running_error(self) -> NetworkRunning:
        """What a person is told who wants to start a second network in the folder."""
        return NetworkRunning(
            f"a network is running in {self.root} already (process "
            f"{self.holder() or 'unknown'}): see `assay status`, stop it with "
            "`assay down`, or choose another folder with --dir"
        )

    def holder(self) -> int | None:
        """Process id of the supervisor that holds the folder, None if nobody does."""
        says = holder_of(self._lock)
        if says is None:
            return None
        # Zero for the moment between taking the folder and signing it.
        return int(says) if says.isdigit() else 0

    def clear(self) -> None:
        """Remove what an earlier network left: its chain is gone, so nothing fits."""
        for name in _GENERATED:
            shutil.rmtree(self.devnet / name, ignore_errors=True)
        self._state.unlink(missing_ok=True)

    def write_state(self, state: NetworkState) -> None:
        """Publish the state, whole or not at all."""
        draft = self._state.with_suffix(".draft")
        draft.write_text(state.to_json(), encoding="utf-8")
        draft.replace(self._state)

    def read_state(self) -> NetworkState | None:
        """The state last published; None if there is none that can be read."""
        try:
            return NetworkState.from_json(self._state.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def _lock(self) -> Path:
        return self.devnet / "lock"

    @property
    def _state(self) -> Path:
        return self.devnet / "state.json"
