from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from protocol.errors import ConfigError
from worker.metrics import WorkerMetrics
from worker.monitoring.health import Health
from worker.monitoring.server import serve_monitor


@dataclass(slots=True)
class Site:
    url: str
    health: Health
    metrics: WorkerMetrics

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        request = urllib.request.Request(self.url + path, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def site() -> Iterator[Site]:
    health, metrics = Health(), WorkerMetrics()
    with serve_monitor("127.0.0.1:0", health, metrics) as url:
        yield Site(url, health, metrics)


def test_healthz_of_a_new_worker_answers_200_and_readyz_503(site: Site) -> None:
    assert site.get("/healthz") == (200, '{"ok": true, "reasons": {}}\n')
    status, body = site.get("/readyz")
    assert status == 503
    assert set(json.loads(body)["reasons"]) == {"chain", "ipfs", "models", "seats"}


def test_readyz_of_a_worker_that_can_serve_answers_200(site: Site) -> None:
    site.health.loaded()
    site.health.saw_chain(2)
    site.health.saw_content()
    assert site.get("/readyz")[0] == 200


def test_metrics_page_shows_what_was_counted(site: Site) -> None:
    site.metrics.drawn()
    status, body = site.get("/metrics")
    assert status == 200
    assert "assay_worker_drawn_total 1.0" in body


def test_other_pages_answer_404_and_list_what_is_there(site: Site) -> None:
    assert site.get("/") == (404, "/healthz\n/readyz\n/metrics\n")
    assert site.get("/metrics", method="POST")[0] == 501


def test_head_request_has_no_body(site: Site) -> None:
    assert site.get("/healthz", method="HEAD") == (200, "")


def test_serve_monitor_on_a_taken_port_raises_config_error(site: Site) -> None:
    address = site.url.removeprefix("http://")
    with (
        pytest.raises(ConfigError, match=f"monitor_address {address}"),
        serve_monitor(address, site.health, site.metrics),
    ):
        pass
