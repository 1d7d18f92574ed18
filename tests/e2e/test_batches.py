"""A batch on real parts: killed, stopped by Ctrl-C, gone on with, paid for once."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from devnet.demo.audit import audit
from protocol.chain.client import MarketClient
from protocol.chain.deployment import Deployment
from protocol.hexadecimal import to_hex
from protocol.market.events import JobPosted
from tests.e2e.assay_command import Assay

PROMPTS = 12
JOB_SIZE = 2
_SECONDS = 240.0


@pytest.fixture
def prompts(network: Assay) -> Path:
    path = network.folder / "batch.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "prompt", "maxNewTokens"])
        for number in range(PROMPTS):
            text = f"Chapter {number}, in which\nMr. Darcy, he"
            rows.writerow([f"row {number}", text, 6 + number % 3])
    return path


def jobs_posted(network: Assay) -> set[bytes]:
    state = network.json("status")
    deployment = Deployment.load(network.folder / ".assay" / "deployment.json")
    market = MarketClient.connect(state["rpcUrl"], deployment)
    assert audit(market) == []
    logs = market.events(kinds=(JobPosted,))
    return {log.event.job_id for log in logs if isinstance(log.event, JobPosted)}


def line_with_progress(running: subprocess.Popen[str]) -> str:
    """The first line that says that some prompts are done; how many differs."""
    assert running.stdout is not None
    for line in running.stdout:
        found = re.search(rf": (\d+) of {PROMPTS} prompts", line)
        if found and int(found[1]) > 0:
            return line
    raise AssertionError(f"ended with {running.wait()} before a prompt was done")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_batch_killed_and_interrupted_ends_as_if_it_had_not_been(
    network: Assay, prompts: Path
) -> None:
    before = jobs_posted(network)
    out = network.folder / "batch-out.csv"
    # Few at once, or a fast machine has done all before it can be stopped.
    flags = ["--job-size", str(JOB_SIZE), "--in-flight", "2", "--yes"]
    flags += ["--temperature", "0"]
    with network.start(
        *("job", "submit", "--file", str(prompts), "--out", str(out), *flags)
    ) as running:
        line = line_with_progress(running)
        running.kill()
        running.communicate(timeout=_SECONDS)
    assert not out.exists()
    batch_id = line.removeprefix("batch ").partition(":")[0]

    with network.start("job", "resume", batch_id) as running:
        line_with_progress(running)
        running.send_signal(signal.SIGINT)
        told, _ = running.communicate(timeout=_SECONDS)
    assert running.returncode == 128 + signal.SIGINT
    assert f"go on with `assay job resume {batch_id}`" in told
    statuses = [row["status"] for row in rows_of(out)]
    assert len(statuses) == PROMPTS and "accepted" in statuses

    view: dict[str, Any] = network.json("job", "resume", batch_id)
    assert view["prompts"]["accepted"] == PROMPTS
    rows = rows_of(out)
    assert [row["id"] for row in rows] == [f"row {n}" for n in range(PROMPTS)]
    assert [row["newTokens"] for row in rows] == [
        str(6 + n % 3) for n in range(PROMPTS)
    ]
    assert all(row["text"] for row in rows)
    posted = jobs_posted(network) - before
    assert len(posted) == PROMPTS // JOB_SIZE
    assert {row["jobId"] for row in rows} == {to_hex(job_id) for job_id in posted}


def test_batch_same_prompts_in_one_job_have_the_same_results(
    network: Assay, prompts: Path
) -> None:
    def texts(job_size: int) -> list[str]:
        out = network.folder / f"by-{job_size}.jsonl"
        flags = ("--job-size", str(job_size), "--yes", "--temperature", "0")
        network.ok("job", "submit", "--file", str(prompts), "--out", str(out), *flags)
        return [json.loads(line)["text"] for line in out.read_text().splitlines()]

    whole = texts(100)
    assert len(whole) == PROMPTS and all(whole)
    assert whole == texts(JOB_SIZE)
