from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import BadReceipt, RequestError, RpcUnavailable
from protocol.market.types import Outcome, OutcomeStatus, SlashReason
from requester.jobs.drafts import Terms
from requester.jobs.job import Job
from requester.receipts.build import build
from requester.receipts.verify import check_alone, read_receipt, verify
from tests.support.market.values import an_address
from tests.support.market.world import GREEDY, TEXTS, World

STEPS_ALONE = [
    "shape",
    "job id",
    "committees",
    "commitments",
    "quorum",
    "transcript",
    "outputs",
    "money",
]
STEPS = [*STEPS_ALONE, "marketplace", "headers", "record", "events"]

Path_ = tuple[str | int, ...]


def _settled_in_two_rounds(world: World, *, liars: int = 0) -> Job:
    job = world.client.submit(["a", "b", "c"], decoding=GREEDY, terms=Terms(rounds=2))
    right = world.outcome(job.params, world.answers(job.params, TEXTS))
    wrong = world.outcome(job.params, world.answers(job.params, TEXTS[::-1]))
    world.split(job.job_id, right, wrong)
    world.answer(job.job_id, *[right] * (5 - liars), *[wrong] * liars)
    return job


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.build(tmp_path)


@pytest.fixture
def receipt(world: World) -> dict[str, Any]:
    return build(world.settled(liar=True))


@pytest.fixture
def long_receipt(world: World) -> dict[str, Any]:
    return build(_settled_in_two_rounds(world))


def test_build_of_a_settled_job_verifies(world: World) -> None:
    value = build(world.settled())
    assert [check.step for check in verify(value, world.market)] == STEPS
    assert value["version"] == 3
    assert value["jobId"] == value["jobId"].lower()
    texts = [output["output"]["text"] for output in value["outputs"]]
    assert texts == [" is one", " é two", " three"]
    assert value["money"]["slashed"] == 0
    (only,) = value["rounds"]
    assert only["revealOpened"] is not None and only["split"] is None


def test_build_of_a_job_with_a_liar_shows_the_slash(
    world: World, receipt: dict[str, Any]
) -> None:
    verify(receipt, world.market)
    money = receipt["money"]
    assert money["slashed"] == 50_000_000
    assert len(money["workersPaid"]) == 2
    assert money["escrowed"] == money["paid"] + money["refunded"] + money["fee"]


def test_build_after_a_straggler_was_left_behind_verifies(world: World) -> None:
    job = world.client.submit("a", decoding=GREEDY)
    right = world.outcome(job.params, world.answers(job.params, TEXTS[:1]))
    world.answer(job.job_id, right, right)
    world.market.mine(seconds=30)
    for place in (0, 1):
        world.market.reveal(job.job_id, place)
    value = build(job)
    (only,) = value["rounds"]
    assert only["revealOpened"] is None
    assert len(only["committed"]) == 2
    verify(value, world.market)


@pytest.mark.parametrize("liars", [0, 2])
def test_build_of_a_job_of_two_rounds_verifies(world: World, liars: int) -> None:
    value = build(_settled_in_two_rounds(world, liars=liars))
    verify(value, world.market)
    first, second = value["rounds"]
    assert first["split"] is not None and second["split"] is None
    assert [len(one["drawn"]["workers"]) for one in value["rounds"]] == [3, 5]
    wrong = first["revealed"][1]["worker"]
    slashed = {s["worker"]: s["reason"] for s in value["money"]["seatsSlashed"]}
    # Four fifths condemn the earlier answer, three fifths do not.
    assert (slashed.get(wrong) == SlashReason.WRONG_RESULT) == (liars == 0)
    paid = {p["address"] for p in value["money"]["workersPaid"]}
    assert (wrong in paid) == (liars > 0)


def test_build_leaves_out_what_follows_the_end(world: World) -> None:
    job = world.client.submit(
        "a",
        decoding=GREEDY,
        terms=Terms(callback=an_address("consumer"), callback_gas=50_000),
    )
    right = world.outcome(job.params, world.answers(job.params, TEXTS[:1]))
    world.answer(job.job_id, right, right, right)
    value = build(job)
    assert value["money"]["delivery"] == world.market.config.bounty
    world.market.deliver(job.params, right, job.timeline().transcript)
    assert job.timeline().delivered is not None
    assert build(job) == value
    verify(value, world.market)


def test_build_of_an_accepted_error_has_no_outputs(world: World) -> None:
    job = world.client.submit("a", decoding=GREEDY)
    outcome = Outcome.error(OutcomeStatus.INPUT_INVALID)
    world.answer(job.job_id, outcome, outcome, outcome)
    value = build(job)
    assert (value["results"], value["outputs"]) == (None, [])
    verify(value, world.market)


@pytest.mark.parametrize("end", ["open", "failed"])
def test_build_of_a_job_that_was_not_accepted_is_refused(
    world: World, end: str
) -> None:
    job = world.client.submit("a", decoding=GREEDY)
    if end == "failed":
        world.market.mine(300)
        job.advance()
    with pytest.raises(RequestError, match=f"is {end.title()}; a receipt needs"):
        build(job)


def test_verify_survives_being_written_and_read(
    world: World, receipt: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(receipt, ensure_ascii=False), encoding="utf-8")
    verify(read_receipt(path), world.market)


def test_verify_without_an_answering_chain_says_so(
    world: World, receipt: dict[str, Any]
) -> None:
    assert [check.step for check in check_alone(receipt)] == STEPS_ALONE
    world.market.failures.append(RpcUnavailable("cannot connect"))
    with pytest.raises(RpcUnavailable):
        verify(receipt, world.market)


# ---------------------------------------------------------------- mutations


def _leaves(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, (*path, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _leaves(part, (*path, index))
    else:
        yield path, value


def _containers(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    if isinstance(value, dict | list):
        yield path, value
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from _containers(part, (*path, key))


def _other_values(value: Any) -> Iterator[Any]:
    """Values that a leaf could be changed to, of its own type first."""
    yield None
    if isinstance(value, int):
        yield from (value + 1, value - 1, value ^ (1 << 7), -value - 1, 1 << 300)
        yield from (str(value), float(value), bool(value))
    elif isinstance(value, str):
        yield from ("", value + " ", value.upper(), value.lower(), value[:-1])
        for place in (0, len(value) // 2, len(value) - 1):
            if value:
                other = "1" if value[place] != "1" else "2"
                yield value[:place] + other + value[place + 1 :]
        yield from (0, [value])
    else:
        yield from (0, "", [], {})


def _changed(receipt: dict[str, Any], path: Path_, value: Any) -> dict[str, Any]:
    mutant = copy.deepcopy(receipt)
    parent: Any = mutant
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return mutant


def _assert_rejected(world: World, mutant: dict[str, Any], where: object) -> None:
    try:
        verify(mutant, world.market)
    except BadReceipt as error:
        step = str(error).partition(":")[0]
        assert step in STEPS, f"{where}: no step in {error}"
    else:
        pytest.fail(f"accepted with {where} changed")


def test_verify_every_changed_leaf_is_rejected(
    world: World, receipt: dict[str, Any]
) -> None:
    tried = 0
    for path, value in _leaves(receipt):
        for other in _other_values(value):
            if type(other) is type(value) and other == value:
                continue
            _assert_rejected(world, _changed(receipt, path, other), (path, other))
            tried += 1
    assert tried > 1_000


def test_verify_every_changed_leaf_of_two_rounds_is_rejected(
    world: World, long_receipt: dict[str, Any]
) -> None:
    for path, value in _leaves(long_receipt):
        if value is None:
            continue
        other: Any = value + 1 if isinstance(value, int) else value[:-1] + "1"
        if other == value:
            other = value[:-1] + "2"
        _assert_rejected(world, _changed(long_receipt, path, other), (path, other))


def test_verify_rounds_that_were_merged_or_swapped_are_rejected(
    world: World, long_receipt: dict[str, Any]
) -> None:
    first, second = long_receipt["rounds"]
    for rounds in ([first], [second], [second, first], [first, first], []):
        mutant = {**copy.deepcopy(long_receipt), "rounds": copy.deepcopy(rounds)}
        _assert_rejected(world, mutant, [len(rounds)])


def test_verify_every_missing_or_added_part_is_rejected(
    world: World, receipt: dict[str, Any]
) -> None:
    for path, value in _containers(receipt):
        keys = list(value) if isinstance(value, dict) else range(len(value))
        for key in keys:
            if path == ("outputs",):
                continue  # a receipt may show some of the outputs only
            mutant = copy.deepcopy(receipt)
            parent: Any = mutant
            for step in path:
                parent = parent[step]
            del parent[key]
            _assert_rejected(world, mutant, (path, key, "removed"))
        mutant = copy.deepcopy(receipt)
        parent = mutant
        for step in path:
            parent = parent[step]
        if isinstance(parent, dict):
            parent["extra"] = 1
        else:
            parent.append(parent[0] if parent else 1)
        _assert_rejected(world, mutant, (path, "added"))


def test_verify_swapped_neighbours_are_rejected(
    world: World, receipt: dict[str, Any]
) -> None:
    """Lists whose order means something; others are sets of events."""
    drawn = ("rounds", 0, "drawn")
    for path in ((*drawn, "workers"), (*drawn, "seatIds"), ("outputs",)):
        mutant = copy.deepcopy(receipt)
        parent: Any = mutant
        for step in path:
            parent = parent[step]
        parent[0], parent[1] = parent[1], parent[0]
        _assert_rejected(world, mutant, (path, "swapped"))


def test_verify_two_outputs_texts_exchanged_are_rejected(
    world: World, receipt: dict[str, Any]
) -> None:
    mutant = copy.deepcopy(receipt)
    first, second = mutant["outputs"][:2]
    first["output"], second["output"] = second["output"], first["output"]
    with pytest.raises(BadReceipt, match="outputs: output 0 is not under"):
        verify(mutant, world.market)


# ---------------------------------------------------------------- forgeries


def test_verify_receipt_of_another_marketplace_is_rejected(
    world: World, receipt: dict[str, Any], tmp_path: Path
) -> None:
    other = World.build(tmp_path, chain_id=1337)
    check_alone(receipt)
    with pytest.raises(BadReceipt, match="marketplace: the receipt is of chain 31337"):
        verify(receipt, other.market)


def test_verify_job_the_chain_does_not_know_is_rejected(
    receipt: dict[str, Any], tmp_path: Path
) -> None:
    empty = World.build(tmp_path)
    with pytest.raises(BadReceipt, match="headers: the chain has no block"):
        verify(receipt, empty.market)


def test_verify_events_that_a_reorganisation_moved_are_rejected(
    world: World, receipt: dict[str, Any]
) -> None:
    world.market.logs.pop()
    with pytest.raises(BadReceipt, match="headers: the proof ends in block"):
        verify(receipt, world.market)


def test_verify_events_that_the_receipt_hides_are_rejected(
    world: World, receipt: dict[str, Any]
) -> None:
    receipt["money"] |= {"seatsSlashed": [], "slashed": 0}
    with pytest.raises(BadReceipt, match="events: .* are proven, the receipt has"):
        verify(receipt, world.market)


@pytest.mark.parametrize(
    "value", [{}, {"version": 1}, {"version": 2}, {"a": {1, 2}}, {"a": float("nan")}]
)
def test_verify_what_is_no_receipt_fails_by_its_shape(
    world: World, value: dict[str, Any]
) -> None:
    with pytest.raises(BadReceipt, match="^shape: "):
        verify(value, world.market)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "holds no JSON object"),
        (b"[" * 1_000_000, "nested deeper"),
        (b'{"version": 1, "version": 1}', "stands twice"),
    ],
)
def test_read_receipt_of_what_is_none_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "receipt.json"
    path.write_bytes(content)
    with pytest.raises(BadReceipt, match=f"^shape: .*{message}"):
        read_receipt(path)


def test_read_receipt_of_a_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="nothing.json cannot be read"):
        read_receipt(tmp_path / "nothing.json")
