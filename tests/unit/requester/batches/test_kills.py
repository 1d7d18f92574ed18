"""A batch that is cut off at random, again and again, ends as if it had not been.

Every place is killed for real, by SIGKILL, in the integration tests; here random ones
follow each other quickly, and every passing of a place may be the one.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.support.market.batch_world import BatchWorld

PROMPTS = [f"prompt {number}" for number in range(9)]
MODULES = (
    "requester.jobs.posting",
    "requester.jobs.job",
    "requester.batches.journal",
    "requester.batches.output",
)


class Killed(BaseException):
    """Stands for a process that is gone."""


class Killer:
    """Crash points that end the process after a random number of passings."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.kills = 0
        self._left = 0
        self.spare()

    def spare(self) -> None:
        self._left = self._chance.randint(1, 14)

    def __call__(self, label: str) -> None:
        self._left -= 1
        if self._left == 0:
            self.kills += 1
            raise Killed(label)


@pytest.mark.parametrize("seed", range(6))
def test_run_killed_at_random_posts_every_job_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    here = BatchWorld.build(tmp_path)
    market = here.world.market
    before = market.tokens + market.credit
    with here.create(PROMPTS, in_flight=2) as batch:
        pass
    killer = Killer(random.Random(seed))
    for module in MODULES:
        monkeypatch.setattr(f"{module}.crash_point", killer)
    is_done = False
    while not is_done:
        killer.spare()
        try:
            with here.open(batch) as again:
                progress = again.run()
                is_done = True
        except Killed:
            continue
    assert killer.kills >= 3
    asked = [text for params in here.posted() for text in here.prompts_of(params)]
    assert asked == PROMPTS
    lines = [json.loads(line) for line in here.out.read_text().splitlines()]
    assert [line["text"] for line in lines] == [p.upper() for p in PROMPTS]
    assert progress.spent == before - market.tokens - market.credit
