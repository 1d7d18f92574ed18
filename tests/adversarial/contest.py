"""What an attack was worth: the chain's balances before and after it, to the unit."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from eth_typing import ChecksumAddress

from devnet.demo.audit import audit
from protocol.chain.client import MarketClient
from protocol.market.events import SeatClosed, SeatSlashed, WorkerPaid
from tests.adversarial.scene import Scene
from tools.attacks import PROFITS

__all__ = ["Contest", "Worth", "contest"]

UPDATE = "UPDATE_ATTACKS"


@dataclass(frozen=True, slots=True)
class Worth:
    """One attack, measured.

    Attributes:
        profit: What its authors own afterwards less what they owned before, in units
            of the token; what they spent on gas is not in it.
        honestBondsLost: Units of bonds that honest workers lost.
        honestSeatsClosed: Seats that honest workers have to open again.
    """

    profit: int
    honestBondsLost: int
    honestSeatsClosed: int


@dataclass(slots=True)
class Contest:
    """A scenario under way; its authors may be named late, but before they act."""

    scene: Scene
    authors: list[ChecksumAddress]
    honest: list[ChecksumAddress]
    wealth: dict[ChecksumAddress, int]
    gas_money: int
    first_block: int

    @property
    def profit(self) -> int:
        after = sum(wealth_of(self.scene.keeper, author) for author in self.authors)
        return after - sum(self.wealth[author] for author in self.authors)


@contextmanager
def contest(
    name: str,
    scene: Scene,
    *,
    authors: Sequence[int],
    honest: Sequence[int] = (),
) -> Iterator[Contest]:
    """Weighs everybody, lets the attack run, weighs again and judges.

    Args:
        name: The attack, as on the page.
        scene: Where it happens.
        authors: Numbers of the attackers' accounts, funded and without seats.
        honest: Numbers of honest accounts besides the scene's workers.

    Raises:
        AssertionError: It paid, somebody honest lost, a unit is unaccounted for, or it
            cost something else than `profits.json` says.
    """
    market = scene.keeper
    addresses = [scene.client(index).address for index in authors]
    others = [worker.address for worker in scene.honest]
    others += [scene.client(index).address for index in honest]
    now = Contest(
        scene=scene,
        authors=addresses,
        honest=others,
        wealth={one: wealth_of(market, one) for one in (*addresses, *others)},
        gas_money=_gas_money(market, addresses),
        first_block=market.block_number() + 1,
    )
    yield now
    _judge(name, now)


def _judge(name: str, now: Contest) -> None:
    market = now.scene.keeper
    assert now.profit <= 0, f"{name} paid {now.profit} units"
    spent = now.gas_money - _gas_money(market, now.authors)
    # Whoever has an account has paid for its transactions besides.
    assert spent > 0 or not now.authors
    for address in now.honest:
        gained = wealth_of(market, address) - now.wealth[address]
        assert gained == _paid_to(now, address), f"{name}: {address} gained {gained}"
    assert audit(market) == []
    lost = sum(event.amount for event in _honest_slashes(now))
    closed = len(_honest_closings(now))
    assert lost == 0, f"{name} cost honest bonds of {lost} units"
    _compare(name, Worth(now.profit, lost, closed))


def wealth_of(market: MarketClient, address: ChecksumAddress) -> int:
    """Tokens, credit and the bonds of open seats, in units."""
    account = market.account_of(address)
    bonds = account.seats * market.config.seat_bond
    return market.token_balance(address) + account.credit + bonds


def _gas_money(market: MarketClient, addresses: Sequence[ChecksumAddress]) -> int:
    return sum(market.balance(address) for address in addresses)


def _paid_to(now: Contest, address: ChecksumAddress) -> int:
    logs = now.scene.keeper.events(from_block=now.first_block, kinds=(WorkerPaid,))
    events = (log.event for log in logs if isinstance(log.event, WorkerPaid))
    return sum(event.amount for event in events if event.worker == address)


def _honest_slashes(now: Contest) -> list[SeatSlashed]:
    logs = now.scene.keeper.events(from_block=now.first_block, kinds=(SeatSlashed,))
    events = (log.event for log in logs if isinstance(log.event, SeatSlashed))
    return [event for event in events if event.worker in now.honest]


def _honest_closings(now: Contest) -> list[SeatClosed]:
    logs = now.scene.keeper.events(from_block=now.first_block, kinds=(SeatClosed,))
    events = (log.event for log in logs if isinstance(log.event, SeatClosed))
    return [event for event in events if event.owner in now.honest]


def _compare(name: str, measured: Worth) -> None:
    """Against the file that the page is made of; writes it when asked to."""
    known = json.loads(PROFITS.read_text(encoding="utf-8")) if PROFITS.exists() else {}
    if os.environ.get(UPDATE) == "true":
        known[name] = asdict(measured)
        _write(PROFITS, known)
    assert known.get(name) == asdict(measured), (
        f"{name} measured {asdict(measured)}, {PROFITS.name} has {known.get(name)}: "
        f"if that is right, run `{UPDATE}=true pytest tests/adversarial`"
    )


def _write(path: Path, known: dict[str, dict[str, int]]) -> None:
    text = json.dumps(dict(sorted(known.items())), indent=2)
    path.write_text(text + "\n", encoding="utf-8")
