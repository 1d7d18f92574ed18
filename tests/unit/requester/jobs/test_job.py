from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.documents.results import Finish, ResultsDocument
from protocol.errors import (
    BadDocument,
    ContentNotFound,
    ContractReverted,
    DigestMismatch,
    NotEnoughFunds,
    RequestError,
    RpcUnavailable,
    WaitTimedOut,
)
from protocol.market.events import BountyPaid, JobSettled
from protocol.market.timeline import Timeline
from protocol.market.types import JobState, Outcome, OutcomeStatus
from requester.jobs.job import Job
from requester.prompts.decoding import Decoding
from tests.support.market.world import REQUESTER, World

GREEDY = Decoding(max_new_tokens=10, temperature=0, stop=("\n",))
TEXTS = (" of words", "\nnot this!")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.build(tmp_path)


@pytest.fixture
def job(world: World) -> Job:
    return world.client.submit(["one", "two"], decoding=GREEDY)


def _accept(
    world: World,
    job: Job,
    document: ResultsDocument | None = None,
    **changes: Any,
) -> Outcome:
    """Settles the job as Accepted with this document, and returns the outcome."""
    document = document or world.answers(job.params, TEXTS)
    outcome = replace(world.outcome(job.params, document), **changes)
    world.answer(job.job_id, outcome, outcome, outcome)
    return outcome


def _at(moment: Callable[[], object], world: World) -> None:
    world.clock.meanwhile.append(moment)


# ---------------------------------------------------------------- waiting


def test_wait_draws_itself_and_returns_once_a_quorum_agrees(
    world: World, job: Job
) -> None:
    document = world.answers(job.params, TEXTS)
    outcome = world.outcome(job.params, document)

    def work() -> None:
        for place in range(3):
            world.market.commit(job.job_id, place, outcome)
        world.market.reveal(job.job_id, 0)
        world.market.reveal(job.job_id, 1)

    for moment in (lambda: world.market.mine(2), lambda: None, work):
        _at(moment, world)
    seen: list[Timeline] = []
    timeline = job.wait(on_change=seen.append)
    assert timeline.accepted is not None and timeline.settled is None
    assert timeline.state == JobState.REVEALING
    drawn = [entry.event.caller for entry in timeline.bounties]
    assert drawn == [REQUESTER]
    assert [t.state for t in seen] == [
        JobState.OPEN,
        JobState.COMMITTING,
        JobState.REVEALING,
    ]


def test_wait_for_the_settlement_ends_the_job_once_its_windows_passed(
    world: World, job: Job
) -> None:
    document = world.answers(job.params, TEXTS)
    outcome = world.outcome(job.params, document)

    def work() -> None:
        for place in range(3):
            world.market.commit(job.job_id, place, outcome)
        world.market.reveal(job.job_id, 0)
        world.market.reveal(job.job_id, 1)

    _at(lambda: world.market.mine(2), world)
    _at(work, world)
    # From here on the chain stands still: nobody else sends a transaction.
    timeline = job.wait(until="settled")
    assert timeline.state == JobState.ACCEPTED
    assert len(timeline.slashed) == 1
    assert len(timeline.bounties) == 2


def test_wait_a_silent_committee_fails(world: World, job: Job) -> None:
    _at(lambda: world.market.mine(2), world)
    timeline = job.wait()
    assert timeline.state == JobState.FAILED
    assert len(timeline.slashed) == 3


def test_wait_a_job_without_a_draw_expires(world: World, job: Job) -> None:
    world.market.mine(300)
    timeline = job.wait("settled")
    assert timeline.state == JobState.FAILED
    assert timeline.last_drawn is None
    settled = timeline.settled
    assert settled is not None
    assert settled.event.refunded == job.escrowed - 10_000


def test_wait_without_an_account_only_looks(world: World, tmp_path: Path) -> None:
    posted = world.client.submit("x")
    reader = World.build(tmp_path, account=None)
    reader.market.logs, reader.market.jobs = world.market.logs, world.market.jobs
    reader.market.mine(300)
    with pytest.raises(WaitTimedOut, match="is not accepted after 3 s; it goes on"):
        reader.client.job(posted.job_id).wait(timeout_seconds=3)
    assert posted.state() == JobState.OPEN


@pytest.mark.parametrize("name", ["NothingDue", "UnexpectedJobState", "WrongHeader"])
def test_advance_lost_race_is_no_error(
    world: World, job: Job, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def advance(params: object) -> None:
        raise ContractReverted(name, (job.job_id, 1, b""))

    world.market.mine(2)
    monkeypatch.setattr(world.market, "advance", advance)
    assert job.advance() is False


def test_advance_another_refusal_is_told(
    world: World, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def advance(params: object) -> None:
        raise ContractReverted("UnknownModel", (b"",))

    world.market.mine(2)
    monkeypatch.setattr(world.market, "advance", advance)
    with pytest.raises(ContractReverted, match="UnknownModel"):
        job.advance()


def test_advance_before_the_seed_block_sends_nothing(world: World, job: Job) -> None:
    blocks = world.market.block
    assert job.advance() is False
    assert world.market.block == blocks


def test_advance_draws_once_the_seed_block_is_there(world: World, job: Job) -> None:
    world.market.mine(2)
    assert job.advance() is True
    assert job.state() == JobState.COMMITTING


def test_wait_without_gas_money_goes_on_looking(
    world: World, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def advance(params: object) -> None:
        raise NotEnoughFunds("no gas")

    world.market.mine(2)
    monkeypatch.setattr(world.market, "advance", advance)
    with pytest.raises(WaitTimedOut):
        job.wait(timeout_seconds=5)


def test_wait_survives_a_node_that_restarts(world: World, job: Job) -> None:
    world.market.failures.extend(RpcUnavailable("away") for _ in range(5))
    world.market.mine(300)
    assert job.wait().state == JobState.FAILED


def test_wait_a_node_that_stays_away_is_reported(world: World, job: Job) -> None:
    world.market.failures.extend(RpcUnavailable("away") for _ in range(50))
    with pytest.raises(RpcUnavailable):
        job.wait()


def test_wait_unknown_milestone_is_refused(job: Job) -> None:
    with pytest.raises(ValueError, match="finished"):
        job.wait(until="finished")  # type: ignore[arg-type]


# ---------------------------------------------------------------- cancelling


def test_cancel_before_the_seed_block_refunds_all(world: World) -> None:
    job = world.client.submit("x")
    timeline = job.cancel()
    assert timeline.state == JobState.CANCELLED
    assert world.market.credit == job.escrowed
    assert job.params.prompts_digest not in world.store.pinned


def test_cancel_while_the_seed_can_be_known_is_refused(world: World, job: Job) -> None:
    world.market.mine(2)
    with pytest.raises(ContractReverted, match="can be cancelled before block 13 or"):
        job.cancel()


def test_cancel_after_the_draw_names_the_state(world: World, job: Job) -> None:
    world.market.mine(2)
    job.advance()
    with pytest.raises(RequestError, match="is Committing; .* only before"):
        job.cancel()


# ---------------------------------------------------------------- results


def test_results_of_an_accepted_job_are_its_texts(world: World, job: Job) -> None:
    _accept(world, job)
    results = job.results()
    assert results.texts == (" of words", "")
    pairs = [(prompt.text, output.finish) for prompt, output in results]
    assert pairs == [("one", Finish.STOP), ("two", Finish.LENGTH)]


@pytest.mark.parametrize("state", ["open", "failed"])
def test_results_of_a_job_without_any_say_what_to_do(
    world: World, job: Job, state: str
) -> None:
    way_out = "wait until it is accepted"
    if state == "failed":
        world.market.mine(300)
        job.advance()
        way_out = "post it again"
    with pytest.raises(RequestError, match=f"is {state.title()} and has no.*{way_out}"):
        job.results()


def test_results_served_late_are_waited_for(world: World, job: Job) -> None:
    outcome = _accept(world, job)
    data = world.store.files.pop(outcome.results_digest)

    def serve() -> None:
        world.store.files[outcome.results_digest] = data

    _at(lambda: None, world)
    _at(serve, world)
    assert job.results().texts == (" of words", "")


def test_results_served_never_end_in_an_error(world: World, job: Job) -> None:
    outcome = _accept(world, job)
    del world.store.files[outcome.results_digest]
    with pytest.raises(ContentNotFound):
        job.results()
    assert 5 <= world.clock.slept <= 6


def test_results_bytes_that_do_not_match_are_refused_at_once(
    world: World, job: Job
) -> None:
    outcome = _accept(world, job)
    world.store.files[outcome.results_digest] = b"{}"
    with pytest.raises(DigestMismatch):
        job.results()
    assert world.clock.slept == 0


def test_results_a_store_that_does_not_check_is_checked(
    world: World, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    _accept(world, job)
    monkeypatch.setattr(world.store, "get", lambda digest, *, max_bytes: b"other")
    with pytest.raises(DigestMismatch, match="the store served other bytes"):
        job.results()


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (OutcomeStatus.INPUT_INVALID, BadDocument, "prompts document is invalid"),
        (OutcomeStatus.INPUT_UNAVAILABLE, ContentNotFound, "could not fetch"),
    ],
)
def test_results_of_an_accepted_error_say_what_it_means(
    world: World,
    job: Job,
    status: OutcomeStatus,
    error: type[Exception],
    message: str,
) -> None:
    outcome = Outcome.error(status)
    world.answer(job.job_id, outcome, outcome, outcome)
    with pytest.raises(error, match=message):
        job.results()


def _with_output(document: ResultsDocument, **changes: Any) -> ResultsDocument:
    first = document.outputs[0].model_copy(update=changes)
    return document.model_copy(update={"outputs": (first, *document.outputs[1:])})


_LIES: list[tuple[Callable[[ResultsDocument], ResultsDocument], str]] = [
    (lambda d: _with_output(d, text="praise"), r"outputs\[0\].text .* 'praise'"),
    (lambda d: _with_output(d, ids=(300,), text=""), r"holds 300, which is no token"),
    (
        lambda d: _with_output(d, ids=(0,) * 11, text=""),
        r"outputs\[0\] has 11 tokens; 10 were asked",
    ),
    (lambda d: _with_output(d, finish=Finish.LENGTH), "finish is length after 9"),
    (
        lambda d: d.model_copy(update={"outputs": d.outputs[:1]}),
        "number of outputs of the results is '1', '2' was expected",
    ),
    (
        lambda d: d.model_copy(update={"prompts_digest": "0x" + "11" * 32}),
        "promptsDigest of the results",
    ),
    (
        lambda d: d.model_copy(update={"model_id": "0x" + "11" * 32}),
        "modelId of the results",
    ),
]


@pytest.mark.parametrize(("lie", "message"), _LIES)
def test_results_that_do_not_fit_are_refused(
    world: World,
    job: Job,
    lie: Callable[[ResultsDocument], ResultsDocument],
    message: str,
) -> None:
    document = lie(world.answers(job.params, TEXTS))
    outcome = Outcome(
        status=OutcomeStatus.OK,
        token_count=6 + sum(len(output.ids) for output in document.outputs),
        results_root=document.root(),
        results_digest=world.store.put(document.to_bytes()),
        fingerprint=bytes(32),
    )
    world.answer(job.job_id, outcome, outcome, outcome)
    with pytest.raises(BadDocument, match=message):
        job.results()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"results_root": b"\x01" * 32}, "Merkle root of the results"),
        ({"token_count": 9}, "token count of the results is '25', '9'"),
    ],
)
def test_results_that_do_not_fit_the_outcome_are_refused(
    world: World, job: Job, changes: dict[str, Any], message: str
) -> None:
    _accept(world, job, **changes)
    with pytest.raises(BadDocument, match=message):
        job.results()


def test_results_not_canonical_are_refused(world: World, job: Job) -> None:
    spaced = b" " + world.answers(job.params, TEXTS).to_bytes()
    _accept(world, job, results_digest=world.store.put(spaced))
    with pytest.raises(BadDocument, match="not canonical"):
        job.results()


# ---------------------------------------------------------------- timeline


def test_timeline_money_adds_up(world: World, job: Job) -> None:
    _accept(world, job)
    timeline = job.timeline()
    settled = timeline.settled
    assert settled is not None
    event = settled.event
    assert isinstance(event, JobSettled)
    assert event.paid + event.refunded + event.fee == job.escrowed
    earned = sum(entry.event.amount for entry in timeline.workers_paid)
    bounties = [log.event for log in timeline.logs if isinstance(log.event, BountyPaid)]
    assert earned + sum(bounty.amount for bounty in bounties) == event.paid


def test_timeline_of_other_jobs_events_is_not_mixed(world: World, job: Job) -> None:
    world.client.submit("another")
    assert len(job.timeline().logs) == 2
    assert Timeline.of(job.job_id, world.market.logs) == job.timeline()


def test_round_word_before_the_draw_is_an_error(job: Job) -> None:
    (only,) = job.timeline().rounds
    with pytest.raises(ValueError, match="no committee"):
        only.word  # noqa: B018


def test_places_show_who_did_what(world: World, job: Job) -> None:
    outcome = Outcome.error(OutcomeStatus.INPUT_UNAVAILABLE)
    world.answer(job.job_id, outcome)
    first, second, third = job.timeline().rounds[0].places
    assert first.committed is not None and first.answer is None
    assert first.committed.event.worker == first.worker
    assert second.committed is third.committed is None
