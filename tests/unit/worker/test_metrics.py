from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from protocol.market.types import Account, ModelId, SlashReason
from worker.duty import JobStage
from worker.metrics import WorkerMetrics
from worker.seats.holdings import SeatState

MODEL = ModelId(b"\x07" * 32)
MODEL_LABEL = "0x" + "07" * 32
# Functions and words of PromQL that the dashboard may use, besides metrics.
NAME = re.compile(r"assay_worker_[a-z_]+")
LABELS = re.compile(r"\b(?:by) \(([a-z, ]+)\)")


def samples(metrics: WorkerMetrics) -> dict[tuple[str, tuple[str, ...]], float]:
    text = metrics.exposition().decode()
    return {
        (sample.name.removeprefix("assay_worker_"), tuple(sample.labels.values())): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def everything() -> WorkerMetrics:
    """Metrics with a sample of each kind, labelled ones included."""
    metrics = WorkerMetrics()
    metrics.declined("gas")
    metrics.skipped("commit")
    metrics.step_failed("publish")
    metrics.set_model(MODEL, 120.0)
    metrics.set_seats(MODEL, {SeatState.BUSY: 1}, 50)
    metrics.set_account(
        Account(credit=1, completed=2, missed=3, slashed=4, seats=5, posted=6),
        gas_wei=7,
        tokens=8,
    )
    metrics.transaction_mined("commitResult", 50_000, 3)
    return metrics


def test_new_metrics_show_every_known_state_at_zero() -> None:
    found = samples(WorkerMetrics())
    for stage in JobStage:
        assert found["jobs", (stage.value,)] == 0
    for reason in SlashReason:
        assert found["slashed_total", (reason.name.lower(),)] == 0


def test_duty_computed_counts_tokens_and_time() -> None:
    metrics = WorkerMetrics()
    metrics.duty_computed(30, 0.25)
    metrics.duty_computed(12, 40.0)
    found = samples(metrics)
    assert found["tokens_total", ()] == 42
    assert found["computed_total", ()] == 2
    assert found["duty_seconds_bucket", ("0.3",)] == 1
    assert found["duty_seconds_sum", ()] == 40.25


def test_set_jobs_without_a_state_makes_it_zero_again() -> None:
    metrics = WorkerMetrics()
    metrics.set_jobs({JobStage.COMPUTING: 2})
    metrics.set_jobs({JobStage.REVEALING: 1})
    found = samples(metrics)
    assert found["jobs", ("computing",)] == 0
    assert found["jobs", ("revealing",)] == 1


def test_set_seats_puts_the_busy_ones_at_risk() -> None:
    metrics = WorkerMetrics()
    counts = {SeatState.IDLE: 2, SeatState.BUSY: 3, SeatState.CLOSING: 1}
    metrics.set_seats(MODEL, counts, 50)
    found = samples(metrics)
    assert found["stake_units", (MODEL_LABEL,)] == 300
    assert found["stake_at_risk_units", (MODEL_LABEL,)] == 150
    assert found["seats", (MODEL_LABEL, "idle")] == 2


def test_slashed_tells_missed_commits_from_missed_reveals() -> None:
    metrics = WorkerMetrics()
    metrics.slashed(SlashReason.NO_SHOW, 5)
    metrics.slashed(SlashReason.NOT_REVEALED, 50)
    found = samples(metrics)
    assert found["slashed_total", ("no_show",)] == 1
    assert found["slashed_total", ("not_revealed",)] == 1
    assert found["slashed_total", ("wrong_result",)] == 0
    assert found["slashed_units_total", ()] == 55


def test_transaction_mined_adds_what_it_cost() -> None:
    metrics = WorkerMetrics()
    metrics.transaction_mined("commitResult", 50_000, 3)
    metrics.transaction_mined("closeSeat", 10_000, 2)
    found = samples(metrics)
    assert found["gas_spent_wei_total", ()] == 170_000
    assert found["transactions_total", ("closeSeat",)] == 1


def test_metrics_of_two_workers_in_a_process_are_apart() -> None:
    first, second = WorkerMetrics(), WorkerMetrics()
    first.drawn()
    assert samples(first)["drawn_total", ()] == 1
    assert samples(second)["drawn_total", ()] == 0


def dashboard() -> dict[str, Any]:
    text = resources.files("worker").joinpath("dashboards/worker.json").read_text()
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def queries() -> Iterator[tuple[str, str]]:
    board = dashboard()
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]


@pytest.mark.parametrize(("title", "query"), [*queries()])
def test_dashboard_query_names_metrics_and_labels_that_exist(
    title: str, query: str
) -> None:
    exported = {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(everything().exposition().decode())
        for sample in family.samples
    }
    named = NAME.findall(query)
    assert named, query
    assert set(named) <= set(exported)
    # `instance` is Prometheus's own, `le` of the buckets.
    known = {"instance"}.union(*(exported[name] for name in named))
    for listed in LABELS.findall(query):
        assert set(listed.split(", ")) <= known, query


def test_dashboard_shows_what_operators_ask_for() -> None:
    shown = " ".join(query for _, query in queries())
    for needed in (
        "assay_worker_jobs{",
        "assay_worker_tokens_total",
        "assay_worker_stake_at_risk_units",
        "assay_worker_slashed_total",
        "assay_worker_gas_balance_wei",
        "assay_worker_queue",
    ):
        assert needed in shown


def test_dashboard_panels_have_ids_and_places_of_their_own() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(
            panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"]
        )
        for y in range(
            panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"]
        )
    ]
    assert len(set(cells)) == len(cells)
