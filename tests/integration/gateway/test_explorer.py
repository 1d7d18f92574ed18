"""The explorer's pages and the receipts' endpoint, on a real market."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from eth_utils.crypto import keccak

from protocol.hexadecimal import to_hex
from requester.receipts.proof import Trusted
from requester.receipts.verify import verify, verify_offline
from tests.support.machines.processes import eventually
from tests.support.network.gateway import GatewayMarket, GatewayProcess

PROMPTS = ["Mr. Darcy looked at <b>her</b> & smiled", "Anne had always thought"]
SETTLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A job of two prompts that has settled and is in the index."""

    job_id: str
    texts: tuple[str, ...]


@pytest.fixture(scope="module")
def web(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def asked(gateway: GatewayProcess, web: httpx.Client) -> Asked:
    answer = gateway.client().completions.create(
        model="austen", prompt=PROMPTS, max_tokens=6, temperature=0
    )
    job_id = str(answer.model_dump()["assay"]["job_id"])
    is_settled = eventually(
        lambda: (
            web.get(f"/v1/receipts/{job_id}").status_code == 200
            and "Settled as Accepted" in web.get(f"/jobs/{job_id}").text
        ),
        SETTLED_SECONDS,
    )
    assert is_settled
    return Asked(job_id, tuple(choice.text for choice in answer.choices))


def text_of(page: str) -> str:
    """What a reader sees, roughly."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


# ---------------------------------------------------------------- receipts


def test_show_receipt_of_a_job_verifies_with_and_without_a_node(
    web: httpx.Client, market: GatewayMarket, asked: Asked
) -> None:
    answer = web.get(f"/v1/receipts/{asked.job_id}")
    receipt = answer.json()
    assert "immutable" in answer.headers["cache-control"]
    verify(receipt, market.wallet)
    tip = keccak(hexstr=receipt["proof"]["headers"][-1])
    verify_offline(
        receipt, Trusted(tip, marketplace=market.network.deployment.marketplace)
    )
    texts = [one["output"]["text"] for one in receipt["outputs"]]
    assert texts == list(asked.texts)


def test_show_receipt_for_one_output_holds_no_other(
    web: httpx.Client, market: GatewayMarket, asked: Asked
) -> None:
    receipt = web.get(f"/v1/receipts/{asked.job_id}", params={"output": 1}).json()
    assert [one["index"] for one in receipt["outputs"]] == [1]
    verify(receipt, market.wallet)


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/v1/receipts/0x" + "ab" * 32, 404, "was never posted"),
        ("/v1/receipts/0x12", 400, "job_id is wrong"),
        ("/v1/receipts/{job}?output=9", 404, "has the outputs 0 to 1"),
        ("/v1/receipts/{job}?output=-1", 400, "output"),
    ],
)
def test_show_receipt_that_there_is_not_says_so(
    web: httpx.Client, asked: Asked, path: str, status: int, told: str
) -> None:
    answer = web.get(path.format(job=asked.job_id))
    assert answer.status_code == status
    assert told in answer.json()["error"]["message"]


# ---------------------------------------------------------------- pages


def test_market_page_shows_figures_states_and_the_latest_job(
    web: httpx.Client, asked: Asked
) -> None:
    page = web.get("/")
    assert page.status_code == 200
    shown = text_of(page.text)
    for told in ("Jobs accepted", "Tokens a second", "Gas of a prompt", "At stake"):
        assert told in shown
    assert page.text.count("<svg") == 4
    assert asked.job_id[:10] in page.text
    assert "script-src" in page.headers["content-security-policy"] or (
        "default-src 'self'" in page.headers["content-security-policy"]
    )


def test_job_page_tells_the_whole_story(web: httpx.Client, asked: Asked) -> None:
    page = web.get(f"/jobs/{asked.job_id}").text
    shown = text_of(page)
    steps = (
        "Posted",
        "Draw armed",
        "Committee drawn",
        "committed",
        "reveals open",
        "Accepted: a quorum agrees",
        "Settled as Accepted",
    )
    places = [shown.index(step) for step in steps]
    assert places == sorted(places)
    # The last reveal may come after the quorum.
    assert max(m.start() for m in re.finditer("revealed, ", shown)) < places[-1]
    assert shown.count("agreed") >= 3
    assert "Locked in escrow" in shown and "Protocol fee" in shown
    for text in asked.texts:
        assert text.strip().split()[0] in shown


def test_pages_with_strangers_text_show_it_as_text(
    web: httpx.Client, gateway: GatewayProcess
) -> None:
    hostile = "<script>alert(1)</script>"
    page = web.get("/jobs", params={"q": hostile})
    assert page.status_code == 400
    assert hostile not in page.text
    assert "&lt;script&gt;" in page.text


@pytest.mark.parametrize(
    "query", ["state=accepted", "q={job}", "q={start}", "model={model}", "state="]
)
def test_jobs_page_narrowed_down_has_the_job(
    web: httpx.Client, market: GatewayMarket, asked: Asked, query: str
) -> None:
    model = to_hex(market.model_id)
    names = {"job": asked.job_id, "start": asked.job_id[:12], "model": model}
    page = web.get("/jobs?" + query.format(**names))
    assert page.status_code == 200
    assert f"/jobs/{asked.job_id}" in page.text


@pytest.mark.parametrize("query", ["state=failed", "q=0x" + "00" * 32])
def test_jobs_page_of_others_has_it_not(
    web: httpx.Client, asked: Asked, query: str
) -> None:
    page = web.get("/jobs?" + query)
    assert page.status_code == 200
    assert asked.job_id not in page.text


def test_workers_and_models_pages_lead_to_their_details(
    web: httpx.Client, asked: Asked
) -> None:
    for path, told in (("/workers", "Agreed"), ("/models", "Arithmetic")):
        listed = web.get(path).text
        found = re.search(rf'href="({path}/0x[0-9a-fA-F]+)"', listed)
        assert found is not None
        details = web.get(found[1])
        assert details.status_code == 200
        assert told in text_of(details.text)


def test_model_page_shows_the_card_of_its_package(
    web: httpx.Client, market: GatewayMarket
) -> None:
    shown = text_of(web.get("/models/0x" + market.model_id.hex()).text)
    assert "austen" in shown
    assert "erplexity" in shown


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/jobs/0x" + "ab" * 32, 404),
        ("/jobs/nonsense", 404),
        ("/workers/0x12", 404),
        ("/models/0x12", 404),
        ("/workers?after=%00", 400),
        ("/playground/cmpl-none", 404),
        ("/receipts?job=zz", 400),
    ],
)
def test_page_that_there_is_not_is_a_page_too(
    web: httpx.Client, path: str, status: int
) -> None:
    page = web.get(path)
    assert page.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert 'role="alert"' in page.text


def test_live_tells_the_last_block_and_the_next(
    web: httpx.Client, market: GatewayMarket
) -> None:
    seen: list[int] = []
    with web.stream("GET", "/live") as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                seen.append(int(line.partition(":")[2]))
                market.network.chain.mine()
            if len(seen) == 2:
                break
    assert seen[1] > seen[0]


# ---------------------------------------------------------------- playground


def ask(web: httpx.Client, key: str, **changes: str) -> httpx.Response:
    form = web.get("/playground").text
    once = re.search(r'name="once" value="([0-9a-f]{32})"', form)
    assert once is not None
    given = {"key": key, "model": "austen", "prompt": PROMPTS[0], "once": once[1]}
    return web.post("/playground", data={**given, **changes})


def test_playground_leads_from_a_prompt_to_its_verified_answer(
    web: httpx.Client, gateway: GatewayProcess
) -> None:
    taken = ask(web, gateway.key()[1], max_tokens="5", temperature="0")
    assert taken.status_code == 303
    address = taken.headers["location"]

    def shown() -> str:
        return web.get(address).text

    assert eventually(lambda: "verified and paid for" in shown(), SETTLED_SECONDS)
    page = shown()
    assert "Mr. Darcy looked at &lt;b&gt;her&lt;/b&gt; &amp; smiled" in page
    assert "http-equiv" not in page
    receipt = re.search(r'href="(/receipts\?job=0x[^"]*)"', page)
    assert receipt is not None
    checked = web.get(receipt[1].replace("&amp;", "&")).text
    assert "Every check holds" in checked


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"key": "assay-nonsense"}, 401, "API key"),
        ({"max_tokens": "many"}, 400, "max_tokens"),
        ({"temperature": "9"}, 400, "temperature"),
        ({"model": "gpt-9"}, 404, "gpt-9"),
    ],
)
def test_playground_with_a_wrong_field_keeps_what_was_written(
    web: httpx.Client,
    gateway: GatewayProcess,
    changes: dict[str, str],
    status: int,
    told: str,
) -> None:
    key = changes.get("key") or gateway.key()[1]
    page = ask(web, **{"key": key, **changes})
    assert page.status_code == status
    assert told in text_of(page.text)
    assert "Anne" not in page.text and "Mr. Darcy" in page.text
    assert key not in page.text


# ---------------------------------------------------------------- receipt checker


def test_receipts_page_checks_a_file_and_rejects_an_altered_one(
    web: httpx.Client, asked: Asked, tmp_path: Path
) -> None:
    receipt = web.get(f"/v1/receipts/{asked.job_id}").json()

    def check(value: object) -> str:
        file = ("receipt.json", json.dumps(value).encode(), "application/json")
        return web.post("/receipts", files={"receipt": file}).text

    assert "Every check holds" in check(receipt)
    receipt["outputs"][0]["output"]["text"] += "!"
    page = check(receipt)
    assert "Not valid" in page and "outputs: output 0 is not under" in page
    assert "Not valid" in check([1, 2])
