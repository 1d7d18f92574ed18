"""`assay doctor`: whether a deployment is what it should be, on a chain that serves.

Everything is asked of the chain and held against the deployment file and the artifacts
of this program. Nothing is sent, so no key is needed.
"""

from __future__ import annotations

from collections.abc import Iterator

from eth_utils.crypto import keccak

from assay.chain_checks import judge_chain, look_at_chain
from assay.findings import Finding, bad, fine, odd
from contracts import load_artifact
from protocol.chain.deploying.deploy import is_instance
from protocol.chain.deploying.inspection import ChainInspection, TokenFacts
from protocol.chain.deployment import CONTRACT_ROLES, Deployment
from protocol.chain.reader import MarketReader
from protocol.chain.rpc.provider import connect
from protocol.errors import MarketError, RpcUnavailable
from protocol.hexadecimal import to_hex
from protocol.market.terms import MarketConfig

__all__ = ["diagnose"]

_ARTIFACTS = {
    "marketplace": "Marketplace",
    "lens": "MarketplaceLens",
    "registry": "ModelRegistry",
}
_MAX_SUPPLY = 1 << 96


def diagnose(rpc_url: str, deployment: Deployment) -> Iterator[Finding]:
    """Look at everything, one thing after the other.

    Args:
        rpc_url: Node of the chain that the deployment should be on.
        deployment: What the deployment file says.

    Yields:
        What was found, good and bad.

    Raises:
        ConfigError: The URL makes no sense.
        RpcUnavailable: The node does not answer.
    """
    chain = ChainInspection(connect(rpc_url))
    yield _same_chain(chain.chain_id(), deployment)
    codes = {role: chain.code(getattr(deployment, role)) for role in CONTRACT_ROLES}
    yield from (_code(role, codes[role], deployment) for role in CONTRACT_ROLES)
    config = None
    try:
        reader = MarketReader.connect(rpc_url, deployment)
        config = reader.config
        yield fine("terms", "the marketplace names this token and registry")
    except RpcUnavailable:
        raise
    except MarketError as error:
        yield bad("terms", str(error), "deploy again, or use the right file")
    if config is not None:
        yield from _terms(config)
    if codes["token"]:
        holder = deployment.marketplace
        yield from _token(chain.token(deployment.token, holder))
    yield from judge_chain(look_at_chain(chain), config)


def _same_chain(actual: int, deployment: Deployment) -> Finding:
    if actual == deployment.chain_id:
        return fine("chain", f"is {actual}")
    return bad(
        "chain",
        f"the node serves {actual}, the deployment is on {deployment.chain_id}",
        "use another RPC URL, or the file of a deployment on this chain",
    )


def _code(role: str, code: bytes, deployment: Deployment) -> Finding:
    address = getattr(deployment, role)
    if not code:
        return bad(
            role,
            f"nothing is deployed at {address}",
            "was the chain reset? deploy again with `assay deploy`",
        )
    expected = deployment.code_hashes.get(role)
    actual = to_hex(keccak(code))
    if expected is not None and actual != expected:
        return bad(
            role,
            f"the code at {address} hashes to {actual}, the file says {expected}",
            "it is another contract: do not send money; use the right file",
        )
    name = _ARTIFACTS.get(role)
    if name is None:
        return fine(role, f"has the code of the file at {address}")
    if is_instance(code, load_artifact(name)):
        return fine(role, f"has this program's code at {address}")
    return bad(
        role,
        f"the code at {address} is not that of this program's {name}",
        "it was deployed by another version: use that version, or deploy again",
    )


def _terms(config: MarketConfig) -> Iterator[Finding]:
    if config.sink == config.treasury:
        yield odd(
            "sink",
            f"slashed bonds and fees both go to {config.sink}",
            "its owner gains by others' slashes: prefer a burn address as the sink",
        )
    if config.max_rounds == 1:
        yield odd(
            "rounds",
            "one round only",
            "a job without a quorum fails; deploy with --max-rounds 2 to let a second "
            "committee decide",
        )
    if config.bounty == 0:
        yield odd(
            "bounty",
            "nobody is paid for moving a job forward",
            "run a worker or requester that does it all the same",
        )


def _token(facts: TokenFacts) -> Iterator[Finding]:
    if facts.balance is None or facts.supply is None:
        yield bad(
            "token",
            "does not answer balanceOf or totalSupply as an ERC-20 does",
            "deploy with another token",
        )
        return
    if facts.supply >= _MAX_SUPPLY:
        yield bad(
            "token",
            f"{facts.supply} units exist, a credit holds fewer than {_MAX_SUPPLY}",
            "deploy with a token of fewer units",
        )
    # A token returns true, or nothing at all; both are allowed.
    answer = facts.transfer
    if isinstance(answer, str):
        yield bad(
            "token",
            f"refuses to pay out of the marketplace: {answer}",
            "withdrawals wait until it does (is it paused?)",
        )
    elif answer and not any(answer):
        yield bad("token", "transfer returns false", "deploy with another token")
    else:
        digits = "unknown" if facts.decimals is None else str(facts.decimals)
        yield fine("token", f"pays out; decimals {digits}, {facts.supply} units exist")
