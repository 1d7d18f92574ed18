"""`assay job` and `assay verify` on a real chain and a real IPFS node."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from assay.cli import run
from devnet.processes.anvil import development_account
from protocol.chain.keys.accounts import save_keystore
from protocol.hexadecimal import from_hex, to_hex
from protocol.market.types import JobId
from tests.integration.requester.network import Network

Capture = pytest.CaptureFixture[str]
PROMPT = "It is a truth"
GREEDY = ("--temperature", "0", "--max-new-tokens", "30")


@pytest.fixture
def network(commanded: Network) -> Network:
    return commanded


def _json(capsys: Capture, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The one JSON document of a command."""
    assert run([*arguments, "--json"]) == code
    value = json.loads(capsys.readouterr().out)
    assert isinstance(value, dict)
    return value


def _error(capsys: Capture, *arguments: str) -> tuple[int, str]:
    code = run(arguments)
    shown = capsys.readouterr()
    assert shown.out == ""
    return code, shown.err.strip()


def _post(capsys: Capture) -> str:
    flags = ("--yes", "--no-wait", *GREEDY)
    return str(_json(capsys, "job", "submit", PROMPT, *flags)["jobId"])


def _accept(network: Network, job_id: str) -> None:
    job = network.client.job(JobId(from_hex(job_id)))
    network.answer(job, (" universally\x1b[2J told",))


def test_job_from_submit_to_a_verified_receipt(
    network: Network, capsys: Capture, tmp_path: Path
) -> None:
    job_id = _post(capsys)
    assert _json(capsys, "job", "show", job_id)["state"] == "Open"
    _accept(network, job_id)

    waited = _json(capsys, "job", "wait", job_id, "--until", "settled")
    assert waited["state"] == "Accepted"
    assert waited["escrowed"] == waited["paid"] + waited["refunded"] + waited["fees"]
    assert len(waited["rounds"][0]["committee"]) == len(waited["workersPaid"]) == 3

    receipt = tmp_path / "receipt.json"
    result = _json(capsys, "job", "result", job_id, "--receipt", str(receipt))
    assert result["outputs"] == [
        {
            "prompt": PROMPT,
            "text": " universally\x1b[2J told",
            "finish": "stop",
            "promptTokens": len(PROMPT),
            "newTokens": 21,
        }
    ]
    verified = _json(capsys, "verify", str(receipt))
    assert verified["isValid"] is True
    assert [check["step"] for check in verified["checks"]][-1] == "events"
    listed = _json(capsys, "job", "list")["jobs"]
    assert [(row["jobId"], row["state"]) for row in listed] == [(job_id, "Accepted")]

    value = json.loads(receipt.read_text())
    tip = keccak(hexstr=value["proof"]["headers"][-1])
    offline = ("verify", str(receipt), "--block-hash", to_hex(tip))
    assert _json(capsys, *offline)["checks"] == verified["checks"]
    value["settled"]["blockNumber"] += 1
    receipt.write_text(json.dumps(value))
    code, line = _error(capsys, *offline)
    assert (code, line.partition(";")[0].startswith("assay: events: ")) == (4, True)


class _ActingClock:
    """Instead of sleeping, lets the next thing happen."""

    def __init__(self, *happenings: Callable[[], object]) -> None:
        self._happenings = iter(happenings)

    def now(self) -> float:
        return 0

    def sleep(self, seconds: float) -> None:
        next(self._happenings)()


@pytest.mark.parametrize("as_json", [False, True])
def test_submit_waits_shows_progress_and_writes_the_receipt(
    network: Network,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    as_json: bool,
) -> None:
    def work() -> None:
        (job,) = network.client.jobs()
        last = job.timeline().last_drawn
        assert last is not None and last.drawn is not None, (
            "the command draws the committee itself"
        )
        outcome = network.publish(job.params, (" universally",))
        members = network.market.members(last.drawn.event)
        for member in members:
            member.commit(job.job_id, outcome)
        for member in members:
            member.reveal(job.params, outcome)

    clock = _ActingClock(lambda: network.market.anvil.mine(2), work)
    monkeypatch.setattr("requester.jobs.connections.SystemClock", lambda: clock)
    receipt = tmp_path / "receipt.json"
    flags = ["--yes", "--receipt", str(receipt), *GREEDY]
    assert run(["job", "submit", PROMPT, *flags, *(["--json"] if as_json else [])]) == 0
    shown = capsys.readouterr()
    if as_json:
        value = json.loads(shown.out)
        assert value["state"] == "Accepted"
        assert value["outputs"][0]["text"] == " universally"
        assert value["estimate"]["escrow"] == value["escrowed"]
        assert shown.err == f"receipt written to {receipt}\n"
    else:
        assert shown.out == f"{PROMPT} universally\n"
        for words in ("locks   0.", "committee drawn", "accepted", "settled as"):
            assert words in shown.err
    assert run(["verify", str(receipt)]) == 0
    assert "is valid" in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "jobs"), [("n\n", 0), ("y\n", 1)])
def test_submit_asks_before_it_pays(
    network: Network,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    jobs: int,
) -> None:
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    code = run(["job", "submit", PROMPT, "--no-wait", *GREEDY])
    assert code == (0 if jobs else 130)
    assert "locks   0." in capsys.readouterr().err
    assert len(network.client.jobs()) == jobs


def test_job_result_for_people_cannot_command_the_terminal(
    network: Network, capsys: Capture
) -> None:
    job_id = _post(capsys)
    _accept(network, job_id)
    assert run(["job", "result", job_id]) == 0
    assert capsys.readouterr().out == f"{PROMPT} universally\ufffd[2J told\n"


def test_job_show_for_people_tells_the_history(
    network: Network, capsys: Capture
) -> None:
    job_id = _post(capsys)
    _accept(network, job_id)
    assert run(["job", "show", job_id]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"job {job_id}\nAccepted; 1 prompts")
    for words in ("posted, 0.", "committee drawn: 0x", " committed", "accepted: a"):
        assert words in shown
    assert re.search(r"settled as Accepted: 0\.\d+ tokens paid", shown)


def test_job_wait_for_people_tells_every_event_once(
    network: Network, capsys: Capture
) -> None:
    job_id = _post(capsys)
    _accept(network, job_id)
    assert run(["job", "wait", job_id]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert len(lines) == len(set(lines)) == 16
    assert all(line.startswith("block ") for line in lines)


def test_submit_dry_run_prices_and_pays_nothing(
    network: Network, capsys: Capture
) -> None:
    market = network.client.market
    before = market.token_balance(market.address)
    assert run(["job", "submit", PROMPT, "--dry-run", *GREEDY]) == 0
    shown = capsys.readouterr().out
    assert "1 prompt, 13 tokens, up to 30 new ones" in shown
    assert "redundancy 3, quorum 2" in shown
    priced = _json(capsys, "job", "submit", PROMPT, "--dry-run", *GREEDY)
    assert priced["estimate"]["maxTokens"] == 43
    assert market.token_balance(market.address) == before
    assert network.client.jobs() == []


def test_submit_one_worker_is_called_unverified(
    network: Network, capsys: Capture
) -> None:
    assert run(["job", "submit", PROMPT, "--dry-run", "--redundancy", "1"]) == 0
    assert "UNVERIFIED" in capsys.readouterr().out


def test_submit_that_fails_exits_7(network: Network, capsys: Capture) -> None:
    job_id = _post(capsys)
    network.expire()
    value = _json(capsys, "job", "wait", job_id, code=7)
    assert value["state"] == "Failed"


def test_wait_for_a_cancelled_job_exits_8(network: Network, capsys: Capture) -> None:
    job_id = _post(capsys)
    network.expire()
    value = _json(capsys, "job", "cancel", job_id)
    assert (value["state"], value["refunded"]) == ("Cancelled", value["escrowed"])
    code, line = _error(capsys, "job", "wait", job_id)
    assert code == 8
    assert line.splitlines()[-1].startswith(f"assay: job {job_id} Cancelled")


def test_wait_that_takes_too_long_exits_9(network: Network, capsys: Capture) -> None:
    job_id = _post(capsys)
    code, line = _error(capsys, "job", "wait", job_id, "--timeout", "0")
    assert code == 9
    assert f"job {job_id} is not accepted after 0 s; it goes on, wait" in line


def test_cancel_outside_its_window_names_it(network: Network, capsys: Capture) -> None:
    job_id = _post(capsys)
    network.market.anvil.mine(2)
    code, line = _error(capsys, "job", "cancel", job_id)
    assert code == 3
    assert re.search(r"can be cancelled before block \d+ or after block \d+", line)


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--redundancy", "2"], 2, "redundancy is 2, an even number"),
        (["--redundancy", "0"], 2, "redundancy is 0"),
        (["--redundancy", "5"], 2, "redundancy is 5, but only 4 seats"),
        (["--min-seats", "9"], 2, "min_seats is 9, but only 4 seats"),
        (["--max-new-tokens", "200"], 2, "the model's context is 128"),
        (["--max-job-tokens", "10"], 2, "the token budget is 10, but the prompts"),
        (["--model", "0x" + "ab" * 32], 2, "is not registered"),
        (["--max-cost", "0.001"], 2, "max_cost is 1000"),
        (["--no-approve"], 3, "the marketplace may take 0 units"),
    ],
)
def test_submit_bad_request_is_one_line(
    network: Network, capsys: Capture, flags: list[str], code: int, message: str
) -> None:
    arguments = ("job", "submit", PROMPT, "--json", "--yes", *flags)
    got, line = _error(capsys, *arguments)
    assert (got, line.count("\n")) == (code, 0)
    assert message in line
    assert network.client.jobs() == []


def test_submit_without_enough_tokens_names_both_pockets(
    network: Network, capsys: Capture
) -> None:
    market = network.client.market
    market.approve(10**9)
    market.deposit(market.token_balance(market.address))
    market.withdraw(10**9 - 7, development_account(9).address)
    code, line = _error(capsys, "job", "submit", PROMPT, "--yes", "--json")
    assert code == 3
    assert "has 0 in tokens and 7 in credit" in line


def test_reading_with_a_keystore_asks_for_no_password(
    network: Network, capsys: Capture, tmp_path: Path
) -> None:
    """Nobody is at the terminal, so a question for it would be an error."""
    job_id = _post(capsys)
    _accept(network, job_id)
    key = bytes(development_account(3).key)
    keystore = tmp_path / "keystore.json"
    save_keystore(keystore, key, "a long password", work_factor=1024)
    flags = ("--key-file", str(keystore))
    assert _json(capsys, "job", "show", job_id, *flags)["jobId"] == job_id
    assert _json(capsys, "job", "result", job_id, *flags)["outputs"]
    assert _json(capsys, "job", "list", *flags) == {"jobs": []}
    code, line = _error(capsys, "job", "wait", job_id, *flags)
    assert code == 2
    assert "there is no terminal to ask" in line


def test_show_unknown_job_exits_3(network: Network, capsys: Capture) -> None:
    code, line = _error(capsys, "job", "show", "0x" + "12" * 32)
    assert code == 3
    assert "was never posted on this marketplace" in line


def test_submit_other_chain_than_the_deployments_exits_3(
    network: Network, capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(path.read_text().replace("31337", "1337"))
    code, line = _error(capsys, "job", "submit", PROMPT, "--yes")
    assert code == 3
    assert "the RPC serves chain 31337, the deployment is on chain 1337" in line


def test_submit_development_key_on_another_chain_is_refused(
    network: Network, capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(path.read_text().replace("31337", "1"))
    code, line = _error(capsys, "job", "submit", PROMPT, "--yes")
    assert code == 2
    assert "a development account that everybody knows" in line


def test_submit_without_an_ipfs_node_pays_nothing(
    network: Network, capsys: Capture
) -> None:
    flags = ("--yes", "--ipfs-api", "http://127.0.0.1:1")
    code, line = _error(capsys, "job", "submit", PROMPT, *flags)
    assert code == 5
    assert "no answer from the IPFS node at http://127.0.0.1:1" in line
    assert network.client.jobs() == []
