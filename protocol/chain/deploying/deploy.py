"""Deployment of a marketplace with registry, lens and, for development, its token.

What lies at its deterministic address already is used: the registry and the test dollar
are the same for all, and deploying the same terms twice gives the same marketplace.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak
from web3 import Web3

from contracts import Artifact, load_artifact
from protocol.chain.abi.contracts import encode_parameters, interface
from protocol.chain.client import MarketClient
from protocol.chain.deploying import create2
from protocol.chain.deployment import Deployment
from protocol.chain.rpc.provider import connect, request
from protocol.chain.transactions.sender import Call, Sender
from protocol.errors import ChainError, NoContract, RpcUnavailable
from protocol.hexadecimal import to_hex
from protocol.market.terms import MarketTerms

__all__ = ["deploy_market", "is_instance"]


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
    has_plain_addresses: bool = False,
) -> Deployment:
    """Deploy a model registry, a marketplace and its lens, or find them deployed.

    Args:
        rpc_url: Node of the chain.
        account: Pays the gas; has no rights afterwards.
        token: ERC-20 to pay in; None deploys the test dollar.
        terms: The marketplace's terms, which nobody can change later.
        has_plain_addresses: Do without the proxy of `create2`; addresses then depend on
            account and nonce.

    Returns:
        Where everything is.

    Raises:
        ConfigError: The terms make no sense.
        ContractReverted: A constructor refuses.
        NoContract: There is no code at `token`, or no proxy on the chain.
        NotEnoughFunds: The account cannot pay the gas.
        ChainError: What lies on the chain is not what was deployed.
    """
    terms.check()
    web3 = connect(rpc_url)
    deployer = _Deployer(web3, Sender(web3, account), has_plain_addresses)
    if token is not None:
        _require_code(web3, token)
    if not has_plain_addresses:
        create2.require_proxy(web3)
    registry = deployer.deploy("ModelRegistry")
    money = deployer.deploy("TestDollar").address if token is None else token
    config = terms.to_config(
        token=money, registry=registry.address, deployer=deployer.address
    )
    market = deployer.deploy("Marketplace", config)
    lens = deployer.deploy("MarketplaceLens", market.address)
    deployment = _describe(web3, market, lens, registry, money)
    # The immutables, which a comparison of code leaves out.
    actual = MarketClient(web3, deployment).config
    if actual != config:
        raise ChainError(f"deployed with {config}, the marketplace says {actual}")
    return deployment


def _describe(
    web3: Web3,
    market: _Deployed,
    lens: _Deployed,
    registry: _Deployed,
    token: ChecksumAddress,
) -> Deployment:
    made = {"marketplace": market, "lens": lens, "registry": registry}
    addresses = {role: one.address for role, one in made.items()} | {"token": token}
    # Of the code that was checked; another node may not have it yet.
    hashes = {role: one.code_hash for role, one in made.items()}
    hashes["token"] = _hash_of(bytes(web3.eth.get_code(token)))
    return Deployment(
        chain_id=web3.eth.chain_id,
        block_number=min(registry.block_number, market.block_number),
        code_hashes=hashes,
        **addresses,
    )


class _Deployer:
    """Puts contracts on a chain, at plain or at deterministic addresses."""

    def __init__(self, web3: Web3, sender: Sender, has_plain_addresses: bool) -> None:
        self._web3 = web3
        self._sender = sender
        self._has_plain_addresses = has_plain_addresses

    @property
    def address(self) -> ChecksumAddress:
        """Who pays."""
        return self._sender.address

    def deploy(self, name: str, *arguments: object) -> _Deployed:
        """Create a contract, or find it where it would be created."""
        artifact = load_artifact(name)
        inputs = interface(name).constructor
        code = artifact.bytecode + encode_parameters(name, inputs, arguments)
        if self._has_plain_addresses:
            return self._create(artifact, code)
        address = create2.address_of(code)
        if not self._web3.eth.get_code(address):
            self._simulate(code)
            call = Call(
                f"deployment of {name}", create2.PROXY, create2.creation_data(code)
            )
            block_number = self._sender.send(call).block_number
        else:
            block_number = _first_block_of(self._web3, address)
        return self._checked(artifact, address, block_number)

    def _create(self, artifact: Artifact, code: bytes) -> _Deployed:
        call = Call(f"deployment of {artifact.name}", None, code)
        result = self._sender.send(call)
        if result.contract_address is None:
            raise ChainError(f"{result.tx_hash} created no {artifact.name}")
        return self._checked(artifact, result.contract_address, result.block_number)

    def _simulate(self, code: bytes) -> None:
        """Let a constructor say why it refuses; the proxy would swallow that."""
        call = {"from": self.address, "data": to_hex(code)}
        request(self._web3, "eth_call", call, "pending")

    def _checked(
        self, artifact: Artifact, address: ChecksumAddress, block_number: int
    ) -> _Deployed:
        code = bytes(self._web3.eth.get_code(address))
        if not is_instance(code, artifact):
            raise ChainError(f"the code at {address} is not that of {artifact.name}")
        return _Deployed(address, block_number, _hash_of(code))


def is_instance(code: bytes, artifact: Artifact) -> bool:
    """Whether code on a chain is an artifact's, whatever its immutables hold."""
    return len(code) == len(artifact.deployed_bytecode) and (
        artifact.masked(code) == artifact.masked(artifact.deployed_bytecode)
    )


def _require_code(web3: Web3, token: ChecksumAddress) -> None:
    if not web3.eth.get_code(token):
        raise NoContract(f"there is no token at {token}")


def _hash_of(code: bytes) -> str:
    return to_hex(keccak(code))


def _first_block_of(web3: Web3, address: ChecksumAddress) -> int:
    """Block that created a contract; 0 where the node keeps no old states."""
    low, high = 0, int(web3.eth.block_number)
    try:
        while low < high:
            middle = (low + high) // 2
            if web3.eth.get_code(address, middle):
                high = middle
            else:
                low = middle + 1
    except RpcUnavailable:
        return 0
    return low
