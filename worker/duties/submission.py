"""Commitments and reveals of duties: what they say, and the calls that send them."""

from __future__ import annotations

from collections.abc import Mapping

from protocol.chain.client import MarketClient
from protocol.chain.deployment import Deployment
from protocol.chain.rpc.receipts import TxReceipt
from protocol.host.crash_points import crash_point
from protocol.market.calls import CommitEntry, RevealEntry
from protocol.market.commitments import commitment, derive_salt
from protocol.market.terms import MarketConfig
from protocol.market.types import JobParams
from worker.duties.sending import Outgoing
from worker.duty import Duty, DutyKey, Step
from worker.metrics import WorkerMetrics
from worker.process.background import TaskPool
from worker.rounds.following import Rounds

__all__ = ["Salts", "Submission"]

_LONGEST_HOLD_SECONDS = 4.0
_HOLD_PARTS = 5


class Salts:
    """Salts of one key's commitments, derived whenever they are needed."""

    def __init__(self, secret: bytes) -> None:
        """Hold the secret that `salt_secret` derives from the key."""
        self._secret = secret

    def of(self, duty: Duty, deployment: Deployment) -> bytes:
        """The 32-byte salt of a duty's commitment on a market."""
        return derive_salt(
            self._secret,
            chain_id=deployment.chain_id,
            marketplace=deployment.marketplace,
            job_id=duty.job_id,
            round_number=duty.round_number,
        )


class Submission:
    """Commits to outcomes and reveals them. For one thread.

    Attributes:
        commits: Commitments that wait or are on their way.
        reveals: The same of reveals.
    """

    def __init__(
        self,
        client: MarketClient,
        salts: Salts,
        background: TaskPool,
        rounds: Rounds,
        metrics: WorkerMetrics,
    ) -> None:
        """Start with nothing to send.

        Args:
            client: The chain, and the account that works.
            salts: Of that account's key.
            background: Where transactions are sent.
            rounds: How jobs stand.
            metrics: Told of what was mined.
        """
        self._client = client
        self._salts = salts
        hold_seconds = _hold_seconds(client.config)
        self.commits = Outgoing(
            Step.COMMIT, self._commit, background, rounds, metrics, hold_seconds
        )
        self.reveals = Outgoing(
            Step.REVEAL, self._reveal, background, rounds, metrics, hold_seconds
        )

    def offer_commit(self, duty: Duty) -> None:
        """Queue a duty's commitment, unless it is queued or sent already."""
        self.commits.offer(duty, lambda: self._commit_entry(duty))

    def offer_reveal(self, duty: Duty, params: JobParams) -> None:
        """Queue a duty's reveal, unless it is queued or sent already."""
        self.reveals.offer(duty, lambda: self._reveal_entry(duty, params))

    def keep(self, steps: Mapping[DutyKey, Step]) -> None:
        """Drop entries that no longer apply.

        Args:
            steps: The next step of every live duty.
        """
        self.commits.keep(steps)
        self.reveals.keep(steps)

    def flush(self) -> None:
        """Send what waits, if it is time to."""
        self.commits.flush()
        self.reveals.flush()

    def _commit_entry(self, duty: Duty) -> CommitEntry:
        assert duty.outcome is not None
        deployment = self._client.deployment
        value = commitment(
            chain_id=deployment.chain_id,
            marketplace=deployment.marketplace,
            job_id=duty.job_id,
            round_number=duty.round_number,
            worker=self._client.address,
            outcome=duty.outcome,
            salt=self._salts.of(duty, deployment),
        )
        return CommitEntry(duty.job_id, duty.place, value)

    def _commit(self, entries: list[CommitEntry]) -> TxReceipt:
        crash_point("commit.sending")
        if len(entries) > 1:
            result = self._client.commit_results(entries)
        else:
            (one,) = entries
            result = self._client.commit_result(one.job_id, one.place, one.commitment)
        crash_point("commit.mined")
        return result

    def _reveal_entry(self, duty: Duty, params: JobParams) -> RevealEntry:
        assert duty.outcome is not None
        salt = self._salts.of(duty, self._client.deployment)
        return RevealEntry(params, duty.place, duty.outcome, salt)

    def _reveal(self, entries: list[RevealEntry]) -> TxReceipt:
        crash_point("reveal.sending")
        if len(entries) > 1:
            result = self._client.reveal_results(entries)
        else:
            (one,) = entries
            result = self._client.reveal_result(
                one.params, one.place, one.outcome, one.salt
            )
        crash_point("reveal.mined")
        return result


def _hold_seconds(config: MarketConfig) -> float:
    """How long entries may gather: a small part of the shortest window."""
    shortest = min(config.commit_floor_seconds, config.reveal_window_seconds)
    return min(_LONGEST_HOLD_SECONDS, shortest / _HOLD_PARTS)
