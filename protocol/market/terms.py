"""A marketplace's terms and configuration: what its constructor fixes for good."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from protocol.errors import ConfigError
from protocol.market.types import ZERO_ADDRESS, AbiStruct

__all__ = ["BURN_ADDRESS", "MarketConfig", "MarketTerms"]

BURN_ADDRESS = to_checksum_address("0x000000000000000000000000000000000000dEaD")

_MAX_CREDIT = (1 << 96) - 1
_MAX_UINT32 = (1 << 32) - 1
_MAX_COMMIT_SECONDS = 30 * 24 * 3600

# Lowest and highest value of each term, as the constructor has them.
_RANGES = {
    "seat_bond": (1, _MAX_CREDIT),
    "base_fee": (0, _MAX_CREDIT),
    "bounty": (0, _MAX_CREDIT),
    "fee_bps": (0, 2_000),
    "no_show_bps": (0, 10_000),
    "max_redundancy": (1, 7),
    "max_rounds": (1, 2),
    "max_job_tokens": (1, _MAX_UINT32),
    "max_callback_gas": (0, 10_000_000),
    "commit_floor_seconds": (1, _MAX_COMMIT_SECONDS),
    "reveal_window_seconds": (1, _MAX_UINT32),
    "draw_deadline_blocks": (1, 8_191),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketTerms:
    """What the deployer of a marketplace chooses.

    Attributes:
        treasury: Receives the protocol fee; None stands for the deploying account.
        sink: Receives slashed bonds.
        seat_bond: Bond of a seat, token units.
        base_fee: Pay of an agreeing worker besides tokens, token units.
        bounty: Pay for moving a job forward, token units.
        fee_bps: Protocol fee, basis points of what an accepted job paid.
        no_show_bps: Part of the bond that a no-show costs, basis points.
        max_redundancy: Most workers in a first round, odd; a second one has two more.
        max_rounds: Most rounds that can be bought, 1 or 2.
        max_job_tokens: Most tokens of a job.
        max_callback_gas: Most gas of a callback; zero where callbacks are not served.
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
    max_rounds: int
    max_job_tokens: int
    max_callback_gas: int
    commit_floor_seconds: int
    reveal_window_seconds: int
    draw_deadline_blocks: int

    @staticmethod
    def development(*, treasury: ChecksumAddress | None = None) -> MarketTerms:
        """The terms of a local network, for a token of six decimals."""
        return MarketTerms(
            treasury=treasury,
            sink=BURN_ADDRESS,
            seat_bond=50_000_000,
            base_fee=20_000,
            bounty=10_000,
            fee_bps=100,
            no_show_bps=1000,
            max_redundancy=7,
            max_rounds=2,
            max_job_tokens=262_144,
            max_callback_gas=1_000_000,
            commit_floor_seconds=10,
            reveal_window_seconds=60,
            draw_deadline_blocks=256,
        )

    def check(self) -> None:
        """See that the constructor will take them.

        Raises:
            ConfigError: It will not; the message names each term that is wrong.
        """
        faults = list(self._faults())
        if faults:
            raise ConfigError(f"market terms: {'; '.join(faults)}")

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

    def _faults(self) -> Iterator[str]:
        for name, (minimum, maximum) in _RANGES.items():
            value = getattr(self, name)
            if not minimum <= value <= maximum:
                yield f"{name} is {value}, give {minimum} to {maximum}"
        if self.max_redundancy % 2 == 0:
            yield f"max_redundancy is {self.max_redundancy}, give an odd number"
        if self.base_fee >= self.seat_bond:
            yield (
                f"base_fee is {self.base_fee}, it must be below seat_bond, which is "
                f"{self.seat_bond}: no job may pay a seat more than its bond"
            )
        for name in ("treasury", "sink"):
            if getattr(self, name) == ZERO_ADDRESS:
                yield f"{name} is the zero address; to burn, name {BURN_ADDRESS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketConfig(MarketTerms, AbiStruct):
    """Constructor arguments of a marketplace (`interfaces/IMarketplace.sol`).

    Attributes:
        treasury: Receives the protocol fee.
        token: ERC-20 that it pays in.
        registry: Its model registry.
    """

    treasury: ChecksumAddress
    token: ChecksumAddress
    registry: ChecksumAddress

    ABI_TYPES = (
        *("address",) * 4,
        *("uint96",) * 3,
        *("uint16", "uint16", "uint8", "uint8"),
        *("uint32",) * 5,
    )

    @classmethod
    def abi_names(cls) -> tuple[str, ...]:
        """The members' names, in order."""
        return ("token", "registry", *(term.name for term in fields(MarketTerms)))
