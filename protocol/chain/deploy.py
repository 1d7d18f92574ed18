"""Deployment of a marketplace with its registry and, for development, its token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3

from contracts import load_artifact
from protocol.chain.abi import encode_parameters, interface
from protocol.chain.client import MarketClient
from protocol.chain.deployment import Deployment
from protocol.chain.rpc import connect
from protocol.chain.sender import Call, Sender
from protocol.errors import ChainError, NoContract
from protocol.market import MarketConfig

__all__ = ["BURN_ADDRESS", "MarketTerms", "deploy_market"]

BURN_ADDRESS = to_checksum_address("0x000000000000000000000000000000000000dEaD")


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketTerms:
    """A marketplace's terms: `MarketConfig` without token and registry.

    Attributes:
        treasury: Receives the protocol fee; None stands for the deploying account.
        sink: Receives slashed bonds.
        seat_bond: Bond of a seat, token units.
        base_fee: Pay of an agreeing worker besides tokens, token units.
        bounty: Pay for moving a job forward, token units.
        fee_bps: Protocol fee, basis points of what an accepted job paid.
        no_show_bps: Part of the bond that a no-show costs, basis points.
        max_redundancy: Most workers in a round, odd.
        max_job_tokens: Most tokens of a job.
        commit_floor_seconds: Commit window of an empty job.
        reveal_window_seconds: Reveal window.
        draw_deadline_blocks: Blocks after the seed block in which a draw is possible.
    """

    treasury: ChecksumAddress | None
    sink: ChecksumAddress
    seat_bond: int
    base_fee: int
    bounty: int
    fee_bps: int
    no_show_bps: int
    max_redundancy: int
    max_job_tokens: int
    commit_floor_seconds: int
    reveal_window_seconds: int
    draw_deadline_blocks: int

    @classmethod
    def development(cls, *, treasury: ChecksumAddress | None = None) -> Self:
        """The terms of a local network, for a token of six decimals."""
        return cls(
            treasury=treasury,
            sink=BURN_ADDRESS,
            seat_bond=50_000_000,
            base_fee=20_000,
            bounty=10_000,
            fee_bps=100,
            no_show_bps=1000,
            max_redundancy=7,
            max_job_tokens=262_144,
            commit_floor_seconds=10,
            reveal_window_seconds=60,
            draw_deadline_blocks=256,
        )

    def to_config(
        self,
        *,
        token: ChecksumAddress,
        registry: ChecksumAddress,
        deployer: ChecksumAddress,
    ) -> MarketConfig:
        """Constructor arguments of a marketplace with these terms."""
        values = asdict(self)
        values["treasury"] = deployer if self.treasury is None else self.treasury
        return MarketConfig(token=token, registry=registry, **values)


@dataclass(frozen=True, slots=True)
class _Deployed:
    address: ChecksumAddress
    block_number: int
    code_hash: str


def deploy_market(
    rpc_url: str,
    account: LocalAccount,
    *,
    token: ChecksumAddress | None,
    terms: MarketTerms,
) -> Deployment:
    """Deploy a model registry and a marketplace.

    Args:
        rpc_url: Node of the chain.
        account: Pays the gas; has no rights afterwards.
        token: ERC-20 to pay in; None deploys the test dollar.
        terms: The marketplace's terms, which nobody can change later.

    Returns:
        Where everything is.

    Raises:
        ContractReverted: `InvalidConfig`.
        NoContract: There is no code at `token`.
        NotEnoughFunds: The account cannot pay the gas.
        ChainError: What lies on the chain is not what was deployed.
    """
    web3 = connect(rpc_url)
    sender = Sender(web3, account)
    registry = _deploy(web3, sender, "ModelRegistry")
    if token is None:
        money = _deploy(web3, sender, "TestDollar")
    else:
        money = _Deployed(token, registry.block_number, _code_hash(web3, token))
    config = terms.to_config(
        token=money.address, registry=registry.address, deployer=sender.address
    )
    market = _deploy(web3, sender, "Marketplace", config)
    deployment = Deployment(
        chain_id=web3.eth.chain_id,
        marketplace=market.address,
        registry=registry.address,
        token=money.address,
        block_number=registry.block_number,
        code_hashes=_hashes(market, registry, money),
    )
    # The immutables, which a comparison of code leaves out.
    actual = MarketClient(web3, deployment).config
    if actual != config:
        raise ChainError(f"deployed with {config}, the marketplace says {actual}")
    return deployment


def _hashes(
    market: _Deployed, registry: _Deployed, token: _Deployed
) -> Mapping[str, str]:
    return {
        "marketplace": market.code_hash,
        "registry": registry.code_hash,
        "token": token.code_hash,
    }


def _deploy(web3: Web3, sender: Sender, name: str, *arguments: object) -> _Deployed:
    artifact = load_artifact(name)
    inputs = interface(name).constructor
    data = artifact.bytecode + encode_parameters(name, inputs, arguments)
    result = sender.send(Call(f"deployment of {name}", None, data))
    if result.contract_address is None:
        raise ChainError(f"{result.tx_hash} created no {name}")
    address = result.contract_address
    code = bytes(web3.eth.get_code(address))
    if not _is_instance(code, artifact.deployed_bytecode):
        raise ChainError(f"the code at {address} is not that of {name}")
    return _Deployed(address, result.block_number, "0x" + keccak(code).hex())


def _code_hash(web3: Web3, address: ChecksumAddress) -> str:
    code = bytes(web3.eth.get_code(address))
    if not code:
        raise NoContract(f"there is no token at {address}")
    return "0x" + keccak(code).hex()


def _is_instance(code: bytes, template: bytes) -> bool:
    """Whether code is a template's but for its immutables, which are zero there."""
    is_same_size = len(code) == len(template)
    pairs = zip(code, template, strict=False)
    return is_same_size and all(b in (0, a) for a, b in pairs)
