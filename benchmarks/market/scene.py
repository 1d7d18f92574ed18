"""The market of a run: three workers that serve a model of random tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.market.package import write_loadable_package
from benchmarks.market.worker import WorkerUsage, read_usage
from devnet.network.plan import Network, NetworkPlan, WorkerPlan
from devnet.network.start import local_market
from inference.models.layout import IntegerShape
from protocol.chain.client import MarketClient
from protocol.market.terms import MarketTerms

__all__ = ["BLOCK_SECONDS", "LoadScene", "scene"]

BLOCK_SECONDS = 1
_WORKERS = 3
# So slow a pace that nobody is late, however many jobs wait.
_MS_PER_TOKEN = 30_000
_TERMS = replace(MarketTerms.development(), reveal_window_seconds=600)
_SPARE_SEATS = 16
_TOKENS = 10**12


@dataclass(frozen=True, slots=True)
class LoadScene:
    """What runs.

    Attributes:
        network: The market.
        client: It, by the requester's hand.
        usage_files: Where the workers write what they have used.
    """

    network: Network
    client: MarketClient
    usage_files: list[Path]

    def usages(self) -> list[WorkerUsage]:
        """What each worker has used."""
        return [read_usage(path) for path in self.usage_files]

    def log_events(self, event: str) -> Iterator[dict[str, Any]]:
        """Facts of an event that workers have logged, over all of them."""
        for process in self.network.worker_processes:
            yield from process.facts(event)


@contextmanager
def scene(
    folder: Path, shape: IntegerShape, *, max_in_flight: int
) -> Iterator[LoadScene]:
    """Start everything; ends all of it with the block.

    Args:
        folder: An empty folder.
        shape: Of the model package, which is made of random tensors.
        max_in_flight: Jobs that will be in flight at most.
    """
    package = folder / "package"
    write_loadable_package(package, shape)
    # A seat of a job that has just ended cannot be drawn for another yet.
    seats = max_in_flight + max_in_flight // 2 + _SPARE_SEATS
    usage_files = [folder / f"{number}.usage" for number in range(_WORKERS)]
    plan = NetworkPlan(
        workers=tuple(
            WorkerPlan(seats, ("benchmarks.market.worker", str(path)))
            for path in usage_files
        ),
        starts_workers=False,
        models=(package,),
        base_price=1,
        ms_per_token=_MS_PER_TOKEN,
        terms=_TERMS,
        block_seconds=None,
        requester_tokens=_TOKENS,
        worker_tokens=seats * _TERMS.seat_bond,
    )
    with local_market(folder, plan) as network:
        client = network.client(network.requester.account)
        client.approve(_TOKENS)
        # One copy on disk is enough for three workers.
        digest = client.spec_of(network.model_id).package_digest
        for worker in network.workers:
            cache = network.folder.worker_folder(worker.name) / "models"
            cache.mkdir(parents=True)
            (cache / digest.hex()).symlink_to(package)
        network.start_workers(seats)
        network.chain.mine_every(BLOCK_SECONDS)
        yield LoadScene(network, client, usage_files)
