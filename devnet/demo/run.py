"""The demo: a paid batch on a network of its own, verified, paid out and audited."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from devnet.demo.audit import (
    DemoCheck,
    audit,
    check_money,
    check_truth,
    check_worker,
)
from devnet.demo.gateway_call import GatewayCall, call_gateway
from devnet.demo.summary import collect, summarize
from devnet.errors import DemoFailed
from devnet.network.folder import NetworkFolder
from devnet.network.plan import Network, NetworkPlan, WorkerPlan
from devnet.network.start import local_market
from devnet.processes.python import python_environment
from inference import BUNDLED_MODEL
from protocol.errors import WaitTimedOut
from protocol.market.timeline import Timeline
from requester.jobs.drafts import Draft, Terms
from requester.jobs.job import Job
from requester.jobs.results import Results
from requester.prompts.decoding import Decoding
from requester.receipts.build import build

__all__ = ["PROMPTS", "DemoReport", "DemoView", "run_demo"]

# Openings that the bundled model, which has read the six novels, can go on from.
PROMPTS = (
    "It is a truth universally acknowledged, that",
    "Elizabeth walked across the park to Netherfield, and",
    "Mr. Darcy drew his chair a little towards her, and said,",
    "Emma Woodhouse, handsome, clever, and rich,",
    "Captain Wentworth had not forgiven Anne Elliot.",
    "The ball at Mansfield Park was to be on Thursday, and Fanny",
    "Marianne could no more satisfy him as to the colour of",
    "Catherine opened the old chest in her room at the Abbey, and",
    '"My dear Mr. Bennet," said his lady to him one day,',
)

_NETWORK = "network-"
_REDUNDANCY = 3
# The seed makes the texts the same for everyone; 1811 saw the first novel in print.
_DECODING = Decoding(max_new_tokens=32, temperature=650_000, top_p=880_000, seed=1811)
_SEATS = (1, 2, 2)
_LIAR = 1
_POLL_SECONDS = 0.2
_JOB_SECONDS = 180.0
_VERIFY_SECONDS = 60.0

Follower = Callable[[Timeline], None]


class DemoView(Protocol):
    """Where the demo shows what it does."""

    def step(self, sentence: str) -> None:
        """A step begins."""

    def priced(self, draft: Draft) -> None:
        """The batch has been priced and is about to be posted."""

    def following(self) -> AbstractContextManager[Follower]:
        """The job runs; the follower is called with each new timeline."""


@dataclass(frozen=True, slots=True)
class DemoReport:
    """The result of a demo run.

    Attributes:
        summary: As written to `summary.json`.
        results: Prompts and accepted outputs; None if there are none.
        checks: What had to hold.
        verification: What `assay verify` printed.
        call: The completion that was asked of the gateway.
        liar: Address of the worker that lied, if one was told to.
        folder: Where summary and receipt are.
        logs: Where the processes' logs are, unless all went well.
    """

    summary: dict[str, Any]
    results: Results | None
    checks: Sequence[DemoCheck]
    verification: str
    call: GatewayCall
    liar: str | None
    folder: Path
    logs: Path

    @property
    def is_success(self) -> bool:
        """Whether all had to come out right and did."""
        return all(check.holds for check in self.checks)


def run_demo(
    folder: Path,
    view: DemoView,
    *,
    is_lying: bool,
    started: float,
    model: Path = BUNDLED_MODEL,
) -> DemoReport:
    """Run it all, and stop it all.

    Args:
        folder: Gets `summary.json` and `receipt.json`; the network lives in a folder
            below it, which stays only if something went wrong.
        view: Where to show it.
        is_lying: Whether one of the three workers lies.
        started: `time.monotonic()` of the command's start.
        model: Package of the model to run.

    Raises:
        MarketError: The network could not be started, or the job not be posted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("summary.json", "receipt.json", "gateway-receipt.json"):
        (folder / name).unlink(missing_ok=True)
    _remove_leftovers(folder)
    files = NetworkFolder(Path(tempfile.mkdtemp(prefix=_NETWORK, dir=folder)))
    files.hold()
    plan = _plan(is_lying, model)
    with local_market(files.root, plan, view.step, takes_signals=True) as network:
        setup_seconds = time.monotonic() - started
        demo = _Demo(network, view, folder, is_lying)
        report = demo.run(started, setup_seconds)
        view.step("stopping the network")
    if report.is_success:
        shutil.rmtree(files.root, ignore_errors=True)
    return report


def _remove_leftovers(folder: Path) -> None:
    """Remove the networks of demos that failed earlier, not of those that run."""
    for path in folder.glob(f"{_NETWORK}*"):
        if NetworkFolder(path).holder() is None:
            shutil.rmtree(path, ignore_errors=True)


def _plan(is_lying: bool, model: Path) -> NetworkPlan:
    workers = [WorkerPlan(max_seats=seats) for seats in _SEATS]
    if is_lying:
        workers[_LIAR] = replace(workers[_LIAR], program=("devnet.demo.liar",))
    return NetworkPlan(workers=tuple(workers), models=(model,), gateway_port=0)


class _Demo:
    """What happens on the network."""

    def __init__(
        self, network: Network, view: DemoView, folder: Path, is_lying: bool
    ) -> None:
        self._network = network
        self._view = view
        self._folder = folder
        self._liar = network.workers[_LIAR].address if is_lying else None
        self._client = network.requester_client(poll_seconds=_POLL_SECONDS)

    def run(self, started: float, setup_seconds: float) -> DemoReport:
        job, timeline = self._post_and_wait()
        market = self._client.market
        faults = audit(market)
        results = job.results() if timeline.accepted else None
        verification, verified = self._verify(job, timeline)
        evidence = collect(
            self._network,
            market,
            timeline,
            setup_seconds=setup_seconds,
            total_seconds=time.monotonic() - started,
        )
        summary = summarize(evidence)
        sink = market.account_of(market.config.sink).credit
        checks = [
            *check_money(timeline, faults),
            *check_worker(timeline, self._liar, market.config.seat_bond, sink),
            verified,
        ]
        call = self._call_gateway()
        checks.append(call.check)
        if self._liar is not None and results is not None:
            self._view.step("computing the batch once more, honestly, to compare")
            spec = market.spec_of(job.params.model_id)
            model = self._network.plan.models[0]
            checks.append(check_truth(model, spec, results, timeline))
        summary["liar"] = self._liar
        summary["outputs"] = _texts(results)
        summary["gateway"] = call.to_json()
        summary["checks"] = [
            {"name": one.name, "holds": one.holds, "fact": one.fact} for one in checks
        ]
        summary["totalSeconds"] = round(time.monotonic() - started, 3)
        _write_json(self._folder / "summary.json", summary)
        return DemoReport(
            summary=summary,
            results=results,
            checks=checks,
            verification=verification,
            call=call,
            liar=self._liar,
            folder=self._folder,
            logs=self._network.folder.logs,
        )

    def _call_gateway(self) -> GatewayCall:
        """After all that counts the batch's money: this is a job of its own."""
        self._view.step("asking the gateway with OpenAI's client")
        path = self._folder / "gateway-receipt.json"
        return call_gateway(self._network, self._client.market, path)

    def _post_and_wait(self) -> tuple[Job, Timeline]:
        self._view.step(f"posting a batch of {len(PROMPTS)} prompts")
        draft = self._client.prepare(
            PROMPTS,
            decoding=_DECODING,
            terms=Terms(redundancy=_REDUNDANCY),
        )
        self._view.priced(draft)
        job = self._client.post(draft)
        with self._view.following() as follower:
            try:
                timeline = job.wait("settled", _JOB_SECONDS, follower)
            except WaitTimedOut as error:
                raise DemoFailed(
                    f"{error}; see the logs in {self._network.folder.logs}"
                ) from error
        return job, timeline

    def _verify(self, job: Job, timeline: Timeline) -> tuple[str, DemoCheck]:
        """Run `assay verify` on the receipt, as anybody would."""
        if timeline.accepted is None:
            return "", DemoCheck("the receipt verifies", False, "there is no result")
        path = self._folder / "receipt.json"
        _write_json(path, build(job))
        self._view.step("verifying the receipt with `assay verify`")
        options = {
            "--rpc-url": self._network.rpc_url,
            "--deployment": self._network.folder.deployment_file,
        }
        flat = [str(part) for option in options.items() for part in option]
        done = subprocess.run(
            [sys.executable, "-m", "assay.cli", "verify", str(path), *flat],
            env={**os.environ, **python_environment()},
            capture_output=True,
            text=True,
            timeout=_VERIFY_SECONDS,
            check=False,
        )
        printed = (done.stdout + done.stderr).strip()
        last = printed.splitlines()[-1] if printed else "nothing was printed"
        return printed, DemoCheck("the receipt verifies", done.returncode == 0, last)


def _texts(results: Results | None) -> list[dict[str, Any]]:
    return [
        {"prompt": prompt.text, "text": output.text, "finish": output.finish.value}
        for prompt, output in results or ()
    ]


def _write_json(path: Path, value: dict[str, Any]) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
