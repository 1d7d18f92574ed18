"""Whether jobs pay for their gas, if `token_wei` says what a token is worth."""

from __future__ import annotations

from decimal import Decimal

from protocol.chain.client import MarketClient
from protocol.market.gas_costs import duty_gas, is_worth_gas
from protocol.market.prices import no_show_penalty, pay_of, price_of
from protocol.market.types import JobParams, ModelSpec

__all__ = ["GasGuard"]

# A draw of a large committee, or the end of its round.
_GAS_OF_AN_ADVANCE = 300_000


class GasGuard:
    """Weighs pay against gas, at the price that was last asked for."""

    def __init__(self, client: MarketClient, *, token_wei: Decimal | None) -> None:
        """Start without a price; everything is worth its gas until one is known.

        Args:
            client: Where the price is asked for.
            token_wei: What a token unit is worth, wei; None never declines anything.
        """
        self._client = client
        self._token_wei = token_wei
        self._gas_price_wei = 0

    def update_price(self) -> None:
        """Ask for the price of gas, if it matters. Raises RpcUnavailable."""
        if self._token_wei is not None:
            self._gas_price_wei = self._client.gas_price()

    def is_worth_it(self, params: JobParams, spec: ModelSpec) -> bool:
        """Whether serving a job that drew us loses less than staying away.

        Staying away costs part of the bond, so only gas above pay and penalty together
        makes it the better choice.

        Args:
            params: The job.
            spec: Its model.
        """
        config = self._client.config
        price = price_of(spec, params.tick)
        return is_worth_gas(
            reward_units=pay_of(config, price, params.max_tokens),
            gas=duty_gas(params.max_places),
            gas_price_wei=self._gas_price_wei,
            wei_per_unit=self._token_wei,
            penalty_units=no_show_penalty(config),
        )

    def are_seats_worth_it(self) -> bool:
        """Whether even a job of the least pay would be worth its gas.

        A seat of one that is not may be drawn for a job that costs more than it pays.
        """
        return is_worth_gas(
            reward_units=self._client.config.base_fee,
            gas=duty_gas(1),
            gas_price_wei=self._gas_price_wei,
            wei_per_unit=self._token_wei,
        )

    def is_bounty_worth_it(self) -> bool:
        """Whether moving a job forward is worth its gas."""
        return is_worth_gas(
            reward_units=self._client.config.bounty,
            gas=_GAS_OF_AN_ADVANCE,
            gas_price_wei=self._gas_price_wei,
            wei_per_unit=self._token_wei,
        )
