"""What a gateway spends on gas and says of its IPFS node, as its settings tell it."""

from __future__ import annotations

import stat
from pathlib import Path

import base58
import openai
import pytest

from protocol.chain.transactions.outbox import Outbox
from protocol.market.events import Announced, JobPosted
from tests.e2e.assay_command import Assay
from tests.support.network.gateway import GatewayMarket, GatewayProcess

MODEL = "austen"
PEER = base58.b58encode(b"\x12\x20" + b"\7" * 32).decode()
PRIVATE = f"/ip4/127.0.0.1/tcp/4001/p2p/{PEER}"


def ask(gateway: GatewayProcess) -> None:
    gateway.client().completions.create(model=MODEL, prompt="Emma", max_tokens=1)


def require_refused(gateway: GatewayProcess) -> None:
    """A call ends with 503 at once, and costs its caller nothing."""
    key_id, secret = gateway.key()
    client = gateway.client(secret, timeout=60)
    with pytest.raises(openai.InternalServerError, match="cannot pay") as refused:
        client.completions.create(model=MODEL, prompt="Emma", max_tokens=1)
    assert refused.value.status_code == 503
    balance = gateway.balance(key_id)
    assert (balance.spent, balance.reserved) == (0, 0)


def test_gas_dearer_than_the_limit_posts_nothing(
    market: GatewayMarket, tmp_path: Path
) -> None:
    before = market.wallet.events(kinds=(JobPosted,))
    with market.gateway(
        f"sqlite:///{tmp_path}/gateway.sqlite", max_fee_per_gas_gwei="0.000000001"
    ) as gateway:
        require_refused(gateway)
    assert market.wallet.events(kinds=(JobPosted,)) == before


def test_restart_remembers_what_was_spent_on_gas(
    market: GatewayMarket, tmp_path: Path
) -> None:
    url, data = f"sqlite:///{tmp_path}/gateway.sqlite", tmp_path / "data"
    with market.gateway(url, data_dir=data) as gateway:
        ask(gateway)
    path = data / "outbox.sqlite"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    wallet = market.wallet
    outbox = Outbox(path, chain_id=wallet.chain_id, account=wallet.address)
    spent = outbox.spent_since(0)
    assert spent > 50_000
    with market.gateway(url, data_dir=data, max_gas_wei_per_day=spent) as gateway:
        require_refused(gateway)


def test_replicas_with_one_outbox_answer_and_settle_every_transaction(
    market: GatewayMarket, tmp_path: Path
) -> None:
    url, data = f"sqlite:///{tmp_path}/gateway.sqlite", tmp_path / "data"
    with (
        market.gateway(url, data_dir=data) as one,
        market.gateway(url, data_dir=data) as other,
    ):
        for gateway in (one, other) * 3:
            ask(gateway)
    wallet = market.wallet
    outbox = Outbox(
        data / "outbox.sqlite", chain_id=wallet.chain_id, account=wallet.address
    )
    nonces = {broadcast.nonce for broadcast in outbox.pending()}
    assert len(nonces) <= 2, "more than what each was sending when it was stopped"


def test_own_node_is_announced_once_before_the_first_job(
    market: GatewayMarket, tmp_path: Path
) -> None:
    def announced() -> list[bytes]:
        logs = market.wallet.events(kinds=(Announced,), account=market.wallet.address)
        return [x.event.message for x in logs if isinstance(x.event, Announced)]

    before = announced()
    with market.gateway(
        f"sqlite:///{tmp_path}/gateway.sqlite", announce=PRIVATE, private_peers=True
    ) as gateway:
        assert announced() == before
        ask(gateway)
        ask(gateway)
    assert announced() == [*before, PRIVATE.encode()]


def test_private_address_to_announce_is_refused_at_the_start(
    market: GatewayMarket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_GATEWAY_ANNOUNCE", PRIVATE)
    done = Assay(tmp_path).run(
        *("gateway", "run", "--port", "0", "--rpc-url", market.network.rpc_url),
        *("--deployment", str(market.network.folder.deployment_file)),
        *("--key-file", str(market.network.requester.key_file)),
    )
    assert done.returncode == 2
    assert "private_peers" in done.stderr
