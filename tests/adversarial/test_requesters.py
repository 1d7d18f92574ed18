"""Hostile requesters and IPFS nodes: they pay, and no honest worker loses a bond."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from protocol.chain.client import MarketClient
from protocol.digests import Digest
from protocol.errors import StoreError
from protocol.market.events import JobSettled, ResultRevealed
from protocol.market.types import (
    JobId,
    JobParams,
    JobState,
    Outcome,
    OutcomeStatus,
)
from protocol.store.unixfs import file_digest
from tests.adversarial.contest import contest
from tests.adversarial.scene import TERMS, WORKER, Scene, a_requester
from tests.adversarial.truth import is_truth
from tests.support.faults.lying_ipfs import lying_ipfs
from tests.support.market.values import a_job

MONEY = 10_000_000
# Three base fees and the bounty of the draw; the last reveal ends the round.
PAID = 3 * TERMS.base_fee + TERMS.bounty
COST = PAID + PAID * TERMS.fee_bps // 10_000
GARBAGE: Mapping[str, bytes] = {
    "empty": b"",
    "not UTF-8": b"\xff\xfe\x00garbage",
    "nested": b"[" * 200_000,
    "a number without an end": b'{"version":' + b"9" * 100_000 + b"}",
    "another document": b'{"modelId":"0x00","prompts":[],"version":1}',
}


def post_digest(market: MarketClient, scene: Scene, digest: Digest) -> JobParams:
    """A job of one prompt for all honest workers, whatever the digest leads to."""
    params = a_job(
        requester=market.address,
        nonce=market.account_of(market.address).posted,
        model_id=scene.network.model_id,
        tick=1,
        prompts_digest=digest,
        prompt_count=1,
        max_tokens=64,
    )
    market.approve(MONEY)
    market.post_job(params)
    return params


def revealed(scene: Scene, job_id: JobId) -> dict[str, Outcome]:
    logs = scene.keeper.events(job_id=job_id, kinds=(ResultRevealed,))
    events = (log.event for log in logs if isinstance(log.event, ResultRevealed))
    return {event.worker: event.outcome for event in events}


def test_prompts_that_are_withheld_cost_their_requester(scene: Scene) -> None:
    author = scene.new_account(MONEY)
    name = "requester withholds prompts"
    with contest(name, scene, authors=[author]) as now:
        digest = file_digest(b"nobody has these bytes")
        params = post_digest(scene.client(author), scene, digest)
        job_id = scene.draw(params)
        scene.let_half_the_window_pass(job_id)
        scene.wait_for_state(job_id, JobState.ACCEPTED)
    outcomes = set(revealed(scene, job_id).values())
    assert outcomes == {Outcome.error(OutcomeStatus.INPUT_UNAVAILABLE)}
    assert now.profit == -COST


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=[*GARBAGE])
def test_garbage_that_is_posted_costs_its_requester(
    scene: Scene, garbage: bytes
) -> None:
    author = scene.new_account(MONEY)
    with contest("requester posts garbage", scene, authors=[author]) as now:
        digest = scene.store.put(garbage)
        params = post_digest(scene.client(author), scene, digest)
        job_id = scene.draw(params)
        scene.wait_for_state(job_id, JobState.ACCEPTED)
    outcomes = set(revealed(scene, job_id).values())
    assert outcomes == {Outcome.error(OutcomeStatus.INPUT_INVALID)}
    assert now.profit == -COST


def test_wrong_bytes_of_an_ipfs_node_cost_no_bond(scene: Scene) -> None:
    victim = scene.new_account(TERMS.seat_bond)
    name = "IPFS node serves wrong bytes"
    with (
        contest(name, scene, authors=[], honest=[victim]),
        lying_ipfs(scene.network.ipfs_api) as node,
        scene.joined(WORKER, victim, ipfs_api=node.api) as (misled,),
    ):
        node.lies = True
        job = scene.post()
        scene.draw(job.params)
        scene.wait_for_commits(job.job_id, scene.honest[:2])
        assert node.altered > 0
        scene.let_half_the_window_pass(job.job_id)
        scene.wait_for_state(job.job_id, JobState.ACCEPTED)
        seen = revealed(scene, job.job_id)
        assert seen[misled.address].status is OutcomeStatus.INPUT_UNAVAILABLE
        assert is_truth(scene, job.results(), job.params)
        # The requester is told by its own node's bytes, too.
        client = a_requester(scene.network, node.api)
        with pytest.raises(StoreError, match="was asked for"):
            client.job(job.job_id).results()
    (ending,) = scene.keeper.events(job_id=job.job_id, kinds=(JobSettled,))
    assert isinstance(ending.event, JobSettled)
    assert ending.event.state is JobState.ACCEPTED
