"""The requester as a process that can be killed: posts jobs, follows them, reads them.

It remembers nothing but which results it has verified. What it posted is on the chain,
so it goes on from there whenever it is started again.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

from protocol.errors import MarketError
from protocol.hexadecimal import to_hex
from protocol.host.log_format import configure_logging
from protocol.market.types import JobId, JobState
from requester.client import Client
from requester.jobs.drafts import Terms
from requester.jobs.job import Job
from requester.prompts.decoding import Decoding
from requester.settings import RequesterSettings

__all__ = ["DRAIN_FILE", "JobLoad", "main", "read_verified"]

DRAIN_FILE = "drain"

_VERIFIED_FILE = "verified"
_PAUSE_SECONDS = 0.5
_ALLOWANCE = 10**12
_PROMPTS = ("It is a truth universally acknowledged, that", "Anne said nothing, but")
_NEW_TOKENS = 16
_ID_DIGITS = 64

_log = logging.getLogger("requester.chaos")


class JobLoad:
    """Keeps so many jobs in flight until it is told to let them end."""

    def __init__(self, client: Client, folder: Path, in_flight: int) -> None:
        """Go on where an earlier process was killed.

        Args:
            client: Of the account that posts.
            folder: Where `drain` appears, and `verified` is written.
            in_flight: Jobs that are open at a time.
        """
        self._client = client
        self._folder = folder
        self._in_flight = in_flight
        self._ended: set[JobId] = set()
        self._is_draining = False

    def step(self) -> bool:
        """Look at all jobs once and do what follows.

        Returns:
            Whether everything is done.

        Raises:
            MarketError: Something failed; the next step tries again.
        """
        if not self._is_draining and (self._folder / DRAIN_FILE).exists():
            # A reorganisation may have undone an end that was seen before.
            self._is_draining = True
            self._ended.clear()
        waiting = [job for job in self._client.jobs() if job.job_id not in self._ended]
        running = sum(not self._follow(job) for job in waiting)
        if self._is_draining:
            return running == 0
        for _ in range(self._in_flight - running):
            self._post()
        return False

    def _follow(self, job: Job) -> bool:
        """Whether it has ended; moves it forward if not."""
        state = job.state()
        if not state.is_final:
            job.advance()
            return False
        is_accepted = state is JobState.ACCEPTED
        if is_accepted and job.job_id not in read_verified(self._folder):
            job.results()
            with (self._folder / _VERIFIED_FILE).open("a", encoding="ascii") as file:
                file.write(job.job_id.hex() + "\n")
        self._ended.add(job.job_id)
        return True

    def _post(self) -> None:
        market = self._client.market
        if market.allowance(market.address) < _ALLOWANCE // 2:
            market.approve(_ALLOWANCE)
        job = self._client.submit(
            _PROMPTS,
            decoding=Decoding(max_new_tokens=_NEW_TOKENS, seed=time.time_ns() % 2**32),
            terms=Terms(redundancy=3),
        )
        _log.info("posted", extra={"job_id": to_hex(job.job_id)})


def read_verified(folder: Path) -> set[JobId]:
    """Jobs whose results were verified, by this process or an earlier one.

    Args:
        folder: The requester's.
    """
    path = folder / _VERIFIED_FILE
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    # A line that a kill cut short is no id; its result is read again.
    whole = (line for line in lines if len(line) == _ID_DIGITS)
    return {JobId(bytes.fromhex(line)) for line in whole}


def main() -> None:
    """Run until `drain` is there and all jobs have ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--rpc-url", "--ipfs-api", "--model"):
        parser.add_argument(name, required=True)
    for name in ("--deployment", "--key-file", "--data-dir"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--in-flight", type=int, required=True)
    flags = vars(parser.parse_args())
    in_flight = flags.pop("in_flight")
    configure_logging(as_json=True)
    settings = RequesterSettings.load(**flags, results_timeout_seconds=5)
    load: JobLoad | None = None
    is_done = False
    while not is_done:
        try:
            if load is None:
                client = Client.connect(settings)
                load = JobLoad(client, settings.data_dir, in_flight)
            is_done = load.step()
        except MarketError as error:
            _log.warning("step failed", extra={"reason": str(error)})
        time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main()
