"""The local network in order: chain, IPFS, contracts, model, workers, gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from devnet.errors import ProcessDied
from devnet.network.folder import NetworkFolder
from devnet.network.gateway import GATEWAY, make_api_key, start_gateway
from devnet.network.identities import Identity, write_identity
from devnet.network.plan import Network, NetworkPlan
from devnet.network.settings_file import write_settings
from devnet.processes.anvil import start_anvil
from devnet.processes.ipfs import start_ipfs
from devnet.processes.supervisor import Supervisor, describe_exit
from protocol.chain.deploying.deploy import deploy_market
from protocol.errors import ChainError, StoreError
from protocol.market.types import ModelId
from protocol.store.ipfs import IpfsStore
from worker.models.publish import publish_model

__all__ = ["local_market", "start_network"]

Report = Callable[[str], None]


@contextmanager
def local_market(
    folder: Path,
    plan: NetworkPlan,
    report: Report = lambda sentence: None,
    *,
    takes_signals: bool = False,
) -> Iterator[Network]:
    """A market on a chain of its own, as `plan` has it, which ends with the block.

    Everything it starts also ends when this process is killed.

    Args:
        folder: An empty folder; logs and files stay in it.
        plan: What to start.
        report: Called with a short sentence before each step.
        takes_signals: As of `Supervisor`.

    Raises:
        DevnetError: As `start_network`.
        MarketError: As `start_network`.
    """
    files = NetworkFolder(folder)
    with Supervisor(files.logs, takes_signals=takes_signals) as supervisor:
        yield start_network(supervisor, files, plan, report)


def start_network(
    supervisor: Supervisor, folder: NetworkFolder, plan: NetworkPlan, report: Report
) -> Network:
    """Start everything and return when the workers' seats are open.

    Args:
        supervisor: Owns the processes.
        folder: An empty or cleared folder.
        plan: What to start.
        report: Called with a short sentence before each step.

    Raises:
        DevnetError: A process cannot be started, died or is not ready in time.
        MarketError: Contracts, money or model could not be put in place.
    """
    try:
        return _start(supervisor, folder, plan, report)
    except (ChainError, StoreError) as error:
        # Nobody answers any more: then a death is the better explanation.
        for process in supervisor.deaths():
            raise ProcessDied(describe_exit(process)) from error
        raise


def _start(
    supervisor: Supervisor, folder: NetworkFolder, plan: NetworkPlan, report: Report
) -> Network:
    # One account more, for a worker that somebody adds by hand.
    names = [f"worker-{number + 1}" for number in range(len(plan.workers) + 1)]
    identities = [
        write_identity(folder.keys, name, index)
        for index, name in enumerate(["deployer", "requester", *names, GATEWAY])
    ]
    deployer, requester, *workers, spare, gateway = identities
    report("starting the chain and the IPFS node")
    chain = start_anvil(
        supervisor,
        folder.devnet / "anvil",
        *("--accounts", len(identities) + plan.accounts),
        port=plan.rpc_port,
    )
    ipfs = start_ipfs(
        supervisor,
        folder.devnet / "ipfs",
        *plan.ipfs_options,
        port=plan.ipfs_port,
        swarm_port=plan.swarm_port,
    )
    report("deploying the contracts")
    deployment = deploy_market(
        chain.url, deployer.account, token=None, terms=plan.terms
    )
    deployment.save(folder.deployment_file)
    network = Network(
        plan=plan,
        folder=folder,
        supervisor=supervisor,
        chain=chain,
        ipfs=ipfs,
        deployment=deployment,
        model_ids=(),
        deployer=deployer,
        requester=requester,
        workers=workers,
        spare=spare,
        gateway=gateway,
    )
    report("publishing the model and handing out test dollars")
    network.model_ids = _publish_and_fund(network)
    if network.model_ids:
        write_settings(network)
    _start_roles(network, report)
    return network


def _start_roles(network: Network, report: Report) -> None:
    plan = network.plan
    if plan.workers and plan.starts_workers:
        count = len(plan.workers)
        report(f"starting {count} workers, which load the model and open their seats")
        network.start_workers()
    if plan.block_seconds is not None:
        # So far a block came with each transaction, and nobody waited for one.
        network.chain.mine_every(plan.block_seconds)
    if plan.gateway_port is not None:
        report("starting the gateway")
        make_api_key(network)
        network.gateway_url = start_gateway(network)


def _publish_and_fund(network: Network) -> Sequence[ModelId]:
    """All at once: each waits for its own transactions."""
    plan, buyers = network.plan, (network.requester, network.gateway)
    store = IpfsStore(network.ipfs_api)

    def publish() -> list[ModelId]:
        publisher = network.client(network.deployer.account)
        return [
            publish_model(
                package,
                store,
                publisher,
                base_price=plan.base_price,
                ms_per_token=plan.ms_per_token,
            )
            for package in plan.models
        ]

    def fund(identity: Identity) -> None:
        is_buyer = identity in buyers
        amount = plan.requester_tokens if is_buyer else plan.worker_tokens
        network.client(identity.account).faucet(amount)

    with ThreadPoolExecutor() as pool:
        published = pool.submit(publish)
        # Taken one by one, so that a failure of any is raised here.
        for _ in pool.map(fund, [*buyers, *network.workers, network.spare]):
            pass
        return published.result()
