"""A batch whose process is killed at every labelled place, one after the other.

A real chain that mines on demand and a real IPFS node; the test plays the workers, and
draws nothing: that is left to the requester.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devnet.demo.audit import audit
from protocol.documents.prompts import PromptsDocument
from protocol.host.crash_points import CRASH_AT_VARIABLE
from protocol.market.events import BountyPaid, CommitteeDrawn, JobPosted
from protocol.market.types import JobId
from tests.integration.requester.network import Network

ROOT = Path(__file__).resolve().parents[3]
_LABEL = re.compile(r'crash_point\(\s*"([a-z.]+)"')
_SECONDS = 120.0
# The command that is watched needs the processor more than who watches it.
_PAUSE_SECONDS = 0.1
# The test dollar takes permits; other tokens have to be approved of beforehand.
_WITHOUT_PERMITS = """
import sys
from assay.cli import run
from protocol.chain.client import MarketClient

MarketClient.takes_permits = lambda self: False
sys.exit(run(sys.argv[1:]))
"""


def labels() -> list[str]:
    """Every crash point of the requester, as the source has them."""
    sources = sorted((ROOT / "requester").rglob("*.py"))
    found = (_LABEL.findall(path.read_text(encoding="utf-8")) for path in sources)
    return sorted({label for names in found for label in names})


WHILE_SUBMITTING = ("batch.creating", "batch.created")
WITHOUT_PERMITS = ("approval.sending", "approval.sent")
WHEN_IT_STOPS = ("output.writing", "output.written", "output.replaced")
WHILE_IT_RUNS = sorted(
    set(labels()) - {*WHILE_SUBMITTING, *WITHOUT_PERMITS, *WHEN_IT_STOPS}
)
PROMPTS = [f"prompt {number}" for number in range(len(WHILE_IT_RUNS) + 6)]


@dataclass(slots=True)
class Stage:
    """A network whose committees answer every prompt in capitals."""

    network: Network
    folder: Path
    environment: dict[str, str]
    answered: set[JobId] = field(default_factory=set)

    def play(self) -> None:
        """Every committee that was drawn answers."""
        market = self.network.client.market
        logs = market.events(kinds=(JobPosted, CommitteeDrawn))
        events = [log.event for log in logs]
        params = {e.job_id: e.params for e in events if isinstance(e, JobPosted)}
        for drawn in events:
            if not isinstance(drawn, CommitteeDrawn) or drawn.job_id in self.answered:
                continue
            self.answered.add(drawn.job_id)
            digest = params[drawn.job_id].prompts_digest
            data = self.network.store.get(digest, max_bytes=1 << 20)
            prompts = PromptsDocument.from_bytes(data).prompts
            texts = tuple(prompt.text.upper() for prompt in prompts)
            outcome = self.network.publish(params[drawn.job_id], texts)
            members = self.network.market.members(drawn)
            for member in members:
                member.commit(drawn.job_id, outcome)
            for member in members:
                member.reveal(params[drawn.job_id], outcome)

    def run(
        self, *arguments: str, crash_at: str = "", program: str = ""
    ) -> tuple[int, str]:
        """A command to its end while the workers play; exit code and output."""
        start = ["-c", program] if program else ["-m", "assay.cli"]
        environment = dict(self.environment)
        if crash_at:
            environment[CRASH_AT_VARIABLE] = crash_at
        with subprocess.Popen(
            [sys.executable, *start, *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            while process.poll() is None:
                self.play()
                time.sleep(_PAUSE_SECONDS)
            output, _ = process.communicate(timeout=_SECONDS)
        self.play()
        return process.returncode, output

    def killed(self, crash_at: str, *arguments: str, program: str = "") -> None:
        code, output = self.run(*arguments, crash_at=crash_at, program=program)
        assert code == -signal.SIGKILL, f"{crash_at} was not reached: {output}"

    def batches(self) -> list[str]:
        code, output = self.run("job", "batches", "--json")
        assert code == 0, output
        return [batch["batchId"] for batch in json.loads(output)["batches"]]

    def posted(self) -> list[JobId]:
        logs = self.network.client.market.events(kinds=(JobPosted,))
        return [log.event.job_id for log in logs if isinstance(log.event, JobPosted)]

    def earned(self) -> int:
        """Bounties of the requester, for the draws that nobody else made."""
        market = self.network.client.market
        events = [log.event for log in market.events(kinds=(BountyPaid,))]
        paid = (e for e in events if isinstance(e, BountyPaid))
        return sum(e.amount for e in paid if e.caller == market.address)

    def wealth(self) -> int:
        market = self.network.client.market
        return market.token_balance(market.address) + (
            market.account_of(market.address).credit
        )


@pytest.fixture
def terms() -> dict[str, int]:
    """Windows so long that no crash misses one: that would be the workers' fault."""
    return {
        "draw_deadline_blocks": 2_000,
        "commit_floor_seconds": 3_600,
        "reveal_window_seconds": 3_600,
    }


@pytest.fixture
def stage(commanded: Network, tmp_path: Path) -> Stage:
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return Stage(commanded, tmp_path, {**os.environ, "PYTHONPATH": paths})


def test_crash_points_of_the_requester_are_all_in_the_scenario() -> None:
    told = {*WHILE_SUBMITTING, *WITHOUT_PERMITS, *WHEN_IT_STOPS, *WHILE_IT_RUNS}
    assert told == set(labels())
    assert {"post.sending", "post.sent", "job.prepared", "results.kept"} <= told


# Two dozen processes, one after the other, on whatever the machine has left.
@pytest.mark.timeout(1_200)
def test_batch_killed_at_every_crash_point_posts_and_pays_once(
    stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    source = stage.folder / "prompts.txt"
    source.write_text("\n".join(PROMPTS))
    before = stage.wealth()
    submit = (
        *("job", "submit", "--file", "prompts.txt", "--out", "out.jsonl", "--yes"),
        *("--job-size", "1", "--in-flight", "2", "--redundancy", "1"),
        *("--temperature", "0", "--max-new-tokens", "20"),
    )
    stage.killed("batch.creating", *submit)
    assert stage.batches() == []
    stage.killed("batch.created", *submit)
    (batch_id,) = stage.batches()
    assert stage.posted() == []

    resume = ("job", "resume", batch_id)
    for label in WITHOUT_PERMITS:
        stage.killed(label, *resume, program=_WITHOUT_PERMITS)
    for label in WHILE_IT_RUNS:
        stage.killed(label, *resume)
    for label in WHEN_IT_STOPS:
        stage.killed(label, *resume, "--timeout", "0")

    code, output = stage.run(*resume, "--json")
    assert code == 0, output
    document = json.loads(output[output.index("{") :])
    lines = (stage.folder / "out.jsonl").read_text().splitlines()
    results = [json.loads(line) for line in lines]
    assert [result["text"] for result in results] == [p.upper() for p in PROMPTS]
    assert len({result["jobId"] for result in results}) == len(PROMPTS)
    # Nothing was posted twice, and nothing was paid that is not accounted for.
    assert len(stage.posted()) == len(set(stage.posted())) == len(PROMPTS)
    assert document["spent"] == before - stage.wealth() + stage.earned()
    assert audit(stage.network.client.market) == []
    assert list(stage.folder.glob(".out*")) == []
    record_property("kills", len(labels()))
