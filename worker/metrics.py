"""What a worker counts, as Prometheus reads it.

Counters start at zero with the process, as Prometheus expects. One object belongs to
one worker; several may live in a process. All methods may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from protocol.hexadecimal import to_hex
from protocol.market.types import Account, ModelId, SlashReason
from worker.duty import JobStage
from worker.seats.holdings import SeatState

__all__ = ["WorkerMetrics"]

_PREFIX = "assay_worker"
# From a short answer of a small model to a window's end.
_SECONDS = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800)

_RECORD = ("completed", "missed", "slashed")


class WorkerMetrics:
    """Counters and gauges of one worker, in a registry of their own."""

    def __init__(self) -> None:
        """Start with everything at zero and every known label shown."""
        self._registry = CollectorRegistry()
        self._add_jobs()
        self._add_engine()
        self._add_money()
        self._add_chain()

    @property
    def registry(self) -> CollectorRegistry:
        """The registry, to collect from."""
        return self._registry

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    # Jobs

    def drawn(self) -> None:
        """A seat of ours was drawn for a job."""
        self._drawn.inc()

    def duty_computed(self, tokens: int, seconds: float) -> None:
        """A duty's outcome was computed.

        Args:
            tokens: Tokens of its prompts and its answers; 0 of an error outcome.
            seconds: From its submission to the engine until the outcome.
        """
        self._computed.inc()
        self._tokens.inc(tokens)
        self._duty_seconds.observe(seconds)

    def committed(self, count: int = 1) -> None:
        """Commitments of ours were mined."""
        self._committed.inc(count)

    def revealed(self, count: int = 1) -> None:
        """Reveals of ours were mined."""
        self._revealed.inc(count)

    def declined(self, reason: str) -> None:
        """A job was not served on purpose; `reason` is a word of few, such as `gas`."""
        self._declined.labels(reason=reason).inc()

    def skipped(self, step: str) -> None:
        """An entry of a batched transaction did not apply; `step` as `Step` has it."""
        self._skipped.labels(step=step).inc()

    def step_failed(self, step: str) -> None:
        """A duty's step raised and is decided anew; `step` as `Step` has it."""
        self._failed.labels(step=step).inc()

    def paid(self, units: int) -> None:
        """A job paid us, token units."""
        self._paid.inc()
        self._earned.inc(units)

    def bounty(self, units: int) -> None:
        """Moving a job forward paid us, token units."""
        self._bounties.inc(units)

    def slashed(self, reason: SlashReason, units: int) -> None:
        """A seat of ours lost bond, token units: missed commit or reveal, or lie."""
        self._slashed.labels(reason=reason.name.lower()).inc()
        self._lost.inc(units)

    def set_jobs(self, stages: Mapping[JobStage, int]) -> None:
        """How many live duties are at each stage; stages not named have none."""
        for stage in JobStage:
            self._jobs.labels(state=stage.value).set(stages.get(stage, 0))

    # Engine

    def set_queue(self, waiting: int, running: int = 0) -> None:
        """Duties that wait for the engine, and those in its batch."""
        self._queue.labels(state="waiting").set(waiting)
        self._queue.labels(state="running").set(running)

    def set_model(self, model_id: ModelId, tokens_per_second: float) -> None:
        """A model was verified and loaded; its speed as measured at the start."""
        self._speed.labels(model=_name(model_id)).set(tokens_per_second)

    # Money

    def set_seats(
        self, model_id: ModelId, counts: Mapping[SeatState, int], bond: int
    ) -> None:
        """Seats of a model by what they do; `bond` in token units, of each seat."""
        model = _name(model_id)
        for state in SeatState:
            count = counts.get(state, 0)
            self._seats.labels(model=model, state=state.value).set(count)
        self._stake.labels(model=model).set(bond * sum(counts.values()))
        busy = counts.get(SeatState.BUSY, 0)
        self._at_risk.labels(model=model).set(bond * busy)

    def set_account(self, account: Account, *, gas_wei: int, tokens: int) -> None:
        """What the account holds and did.

        Args:
            account: Credit, token units, and the record that the chain keeps.
            gas_wei: Money for gas, wei.
            tokens: Tokens held outside the market, units.
        """
        self._gas.set(gas_wei)
        self._credit.set(account.credit)
        self._held.set(tokens)
        for name in _RECORD:
            self._record.labels(what=name).set(getattr(account, name))

    def set_gas_is_low(self, is_low: bool) -> None:
        """Whether the account runs out of gas money."""
        self._gas_is_low.set(is_low)

    def transaction_mined(self, call: str, gas_used: int, gas_price_wei: int) -> None:
        """A transaction of ours was mined; `call` is the function's name."""
        self._transactions.labels(call=call).inc()
        self._gas_spent.inc(gas_used * gas_price_wei)

    # Chain and loop

    def ticked(self, unix_seconds: float, seconds: float) -> None:
        """The loop went round once: when it ended, how long it took."""
        self._last_tick.set(unix_seconds)
        self._tick_seconds.observe(seconds)

    def set_head(self, block_number: int) -> None:
        """Last block that events were read from."""
        self._head.set(block_number)

    def chain_unavailable(self) -> None:
        """A look at the chain failed."""
        self._rpc_failures.inc()

    def set_draining(self, is_draining: bool) -> None:
        """Whether the worker finishes what it has and takes nothing new."""
        self._draining.set(is_draining)

    # Private

    def _add_jobs(self) -> None:
        self._jobs = self._gauge("jobs", "Live duties by state", "state")
        self.set_jobs({})
        self._drawn = self._counter("drawn", "Draws of a seat of this worker")
        self._computed = self._counter("computed", "Outcomes computed")
        self._committed = self._counter("committed", "Commitments mined")
        self._revealed = self._counter("revealed", "Reveals mined")
        self._declined = self._counter("declined", "Jobs not served", "reason")
        self._skipped = self._counter("skipped", "Batch entries skipped", "step")
        self._failed = self._counter("steps_failed", "Steps that raised", "step")
        self._paid = self._counter("jobs_paid", "Jobs that paid this worker")
        self._slashed = self._counter("slashed", "Seats that lost bond", "reason")
        for reason in SlashReason:
            self._slashed.labels(reason=reason.name.lower())

    def _add_engine(self) -> None:
        self._tokens = self._counter("tokens", "Tokens computed, prompts included")
        self._queue = self._gauge("queue", "Duties at the engine", "state")
        self.set_queue(0)
        self._speed = self._gauge(
            "model_tokens_per_second", "Speed measured at the start", "model"
        )
        self._duty_seconds = self._histogram(
            "duty_seconds", "From submission to the engine until the outcome"
        )

    def _add_money(self) -> None:
        self._seats = self._gauge("seats", "Seats held by state", "model", "state")
        self._stake = self._gauge("stake_units", "Bonds locked, token units", "model")
        self._at_risk = self._gauge(
            "stake_at_risk_units", "Bonds of seats drawn for a job", "model"
        )
        self._earned = self._counter("earned_units", "Pay for jobs, token units")
        self._bounties = self._counter("bounty_units", "Bounties, token units")
        self._lost = self._counter("slashed_units", "Bond lost, token units")
        self._gas = self._gauge("gas_balance_wei", "Money for gas, wei")
        self._gas_is_low = self._gauge("gas_balance_low", "1 if gas money runs out")
        self._credit = self._gauge("credit_units", "Credit that can be withdrawn")
        self._held = self._gauge("token_units", "Tokens held outside the market")
        self._record = self._gauge("record", "The account's record on chain", "what")
        self._gas_spent = self._counter("gas_spent_wei", "Paid for gas, wei")
        self._transactions = self._counter("transactions", "Mined, by function", "call")

    def _add_chain(self) -> None:
        self._head = self._gauge("head_block", "Last block read")
        self._last_tick = self._gauge("last_tick_seconds", "Unix time of the last tick")
        self._tick_seconds = self._histogram("tick_seconds", "Time of a tick")
        self._rpc_failures = self._counter("chain_failures", "Looks that failed")
        self._draining = self._gauge("draining", "1 while it drains")

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", help_text, labels, registry=self._registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", help_text, labels, registry=self._registry)

    def _histogram(self, name: str, help_text: str) -> Histogram:
        return Histogram(
            f"{_PREFIX}_{name}", help_text, buckets=_SECONDS, registry=self._registry
        )


def _name(model_id: ModelId) -> str:
    return to_hex(model_id)
