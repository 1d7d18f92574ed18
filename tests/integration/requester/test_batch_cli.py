"""What a person sees of batches, on a real chain and a real IPFS node."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.cli import run
from protocol.documents.prompts import PromptsDocument
from protocol.market.events import CommitteeDrawn
from tests.integration.requester.network import Network

Capture = pytest.CaptureFixture[str]
SUBMIT = ("job", "submit", "--out", "out.jsonl", "--temperature", "0")


@pytest.fixture
def network(commanded: Network) -> Network:
    return commanded


class _WorkingClock:
    """Instead of sleeping, lets every committee that was drawn answer in capitals."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._answered: set[bytes] = set()
        self.time = 0.0
        self.meanwhile: Callable[[], None] = self.work

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.meanwhile()

    def work(self) -> None:
        market = self._network.client.market
        for log in market.events(kinds=(CommitteeDrawn,)):
            drawn = log.event
            if isinstance(drawn, CommitteeDrawn) and drawn.job_id not in self._answered:
                self._answered.add(drawn.job_id)
                self._answer(drawn)

    def _answer(self, drawn: CommitteeDrawn) -> None:
        params = self._network.client.job(drawn.job_id).params
        data = self._network.store.get(params.prompts_digest, max_bytes=1 << 20)
        prompts = PromptsDocument.from_bytes(data).prompts
        texts = tuple(prompt.text.upper() for prompt in prompts)
        outcome = self._network.publish(params, texts)
        members = self._network.market.members(drawn)
        for member in members:
            member.commit(drawn.job_id, outcome)
        for member in members:
            member.reveal(params, outcome)


@pytest.fixture
def clock(network: Network, monkeypatch: pytest.MonkeyPatch) -> _WorkingClock:
    clock = _WorkingClock(network)
    monkeypatch.setattr("requester.jobs.connections.SystemClock", lambda: clock)
    return clock


def _write(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def _error(capsys: Capture, *arguments: str) -> tuple[int, str]:
    code = run(arguments)
    shown = capsys.readouterr()
    assert shown.out == ""
    return code, shown.err.strip().splitlines()[-1]


def _json(capsys: Capture, *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run([*arguments, "--json"]) == code
    value = json.loads(capsys.readouterr().out)
    assert isinstance(value, dict)
    return value


def _results() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "p.csv",
            "prompt,maxNewTokens\nfine,5\nbad,five\n",
            "p.csv, line 3: maxNewTokens is 'five'; give an integer",
        ),
        (
            "p.jsonl",
            '{"prompt": "fine"}\n{"prompt": 7}\n{"prompt": "fine"}\n{}\n[',
            "p.jsonl, line 2: prompt is 7; give a string (2 more lines are wrong: 4, "
            "5)",
        ),
        (
            "p.csv",
            f'prompt,id\n"a\nb",x\n{"y" * 120},long\n',
            "p.csv, line 4: prompt: it has 120 tokens and asks for 48 more; the "
            "model's context is 128: shorten the prompt or ask for fewer new tokens",
        ),
        (
            "p.txt",
            "fine\n\n" + "y" * 120 + "\n",
            "p.txt, line 3: prompt: it has 120 tokens",
        ),
        ("p.csv", "text\nfine\n", "p.csv, line 1: unknown column 'text'; known are"),
        ("p.csv", "", "prompts file p.csv is empty; write one prompt a line"),
    ],
)
def test_submit_bad_rows_are_named_and_nothing_is_left(
    network: Network, capsys: Capture, name: str, text: str, message: str
) -> None:
    code, line = _error(capsys, *SUBMIT, "--file", _write(name, text), "--yes")
    assert code == 2
    assert line.startswith(f"assay: {message}")
    assert network.client.jobs() == []
    assert list(Path("data/batches").glob("*.sqlite")) == []
    assert not Path("out.jsonl").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--job-size", "0"], "job_size is 0; give 1 to 10000 prompts"),
        (["--in-flight", "0"], "in_flight is 0; give 1 to 1000 jobs"),
        (["--budget", "much"], "--budget is 'much'; give a number such as 0.7"),
        (["--max-cost", "1"], "--max-cost is for one job, not for a batch: leave it"),
        (["--receipt", "r"], "--receipt is for one job"),
        (["--no-wait"], "--no-wait is for one job"),
        (["--no-approve"], "--no-approve is for one job"),
        (["--redundancy", "9"], "redundancy is 9; this marketplace takes odd numbers"),
        (["--out", "x.txt"], "--out is x.txt; end its name with .jsonl or .csv"),
        (["--out", "no/x.csv"], "--out is no/x.csv, whose folder is missing"),
        (["--out", "p.csv"], "--out is p.csv, which is there already and is not"),
        (["--file", "nowhere.csv"], "prompts file nowhere.csv cannot be read"),
        (["prompt too"], "--out is for a batch: give --file with its prompts"),
    ],
)
def test_submit_bad_flag_of_a_batch_is_one_line(
    network: Network, capsys: Capture, flags: list[str], message: str
) -> None:
    file = _write("p.csv", "prompt\nfine\n")
    code, line = _error(capsys, *SUBMIT, "--file", file, "--yes", *flags)
    assert code == 2
    assert line.startswith(f"assay: {message}")
    assert network.client.jobs() == []


@pytest.mark.parametrize("flag", ["--job-size", "--in-flight", "--budget"])
def test_submit_half_a_batch_is_told_what_is_missing(
    network: Network, capsys: Capture, flag: str
) -> None:
    code, line = _error(capsys, "job", "submit", "x", "--yes", flag, "3")
    assert code == 2
    assert line == f"assay: {flag} is for a batch: give --out FILE as well"


def test_submit_dry_run_of_a_batch_prices_and_writes_nothing(
    network: Network, capsys: Capture
) -> None:
    file = _write("p.txt", "\n".join(f"prompt {i}" for i in range(100)))
    assert run([*SUBMIT, "--file", file, "--dry-run", "--max-new-tokens", "5"]) == 0
    shown = capsys.readouterr().out
    assert "100 prompts in 4 jobs, 890 tokens, up to 500 new ones" in shown
    flags = ("--dry-run", "--job-size", "10", "--max-new-tokens", "5")
    view = _json(capsys, *SUBMIT, "--file", file, *flags)["estimate"]
    assert (view["jobs"], view["maxTokens"]) == (10, 1_390)
    assert view["minCost"] < view["maxCost"]
    assert not Path("data/batches").exists()
    assert network.client.jobs() == []


def test_submit_batch_that_is_declined_leaves_nothing(
    network: Network, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO("n\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert run([*SUBMIT, "--file", _write("p.txt", "one\ntwo\n")]) == 130
    assert "2 prompts in 1 job" in capsys.readouterr().err
    assert _json(capsys, "job", "batches") == {"batches": []}
    assert list(Path("data/batches").iterdir()) == []


def test_batch_from_submit_to_its_results(
    network: Network, clock: _WorkingClock, capsys: Capture
) -> None:
    file = _write("p.csv", "id,prompt\na,one\nb,two\nc,three\n")
    flags = ("--yes", "--job-size", "2", "--max-new-tokens", "10")
    view = _json(capsys, *SUBMIT, "--file", file, *flags)
    assert view["prompts"]["accepted"] == 3
    assert (view["jobs"], view["jobsInFlight"], view["locked"]) == (2, 0, 0)
    shown = [(r["id"], r["line"], r["text"]) for r in _results()]
    assert shown == [("a", 2, "ONE"), ("b", 3, "TWO"), ("c", 4, "THREE")]

    (listed,) = _json(capsys, "job", "batches")["batches"]
    assert listed == view
    assert run(["job", "batches"]) == 0
    assert "3 of 3 prompts accepted" in capsys.readouterr().out

    again = _json(capsys, "job", "resume", view["batchId"])
    assert again == view
    assert len(network.client.jobs()) == 2


def test_batch_of_failed_jobs_exits_7_and_says_how_to_retry(
    network: Network, clock: _WorkingClock, capsys: Capture
) -> None:
    clock.meanwhile = network.expire
    file = _write("p.txt", "one\ntwo\n")
    assert run([*SUBMIT, "--file", file, "--yes", "--max-new-tokens", "9"]) == 7
    line = capsys.readouterr().err.strip().splitlines()[-1]
    batch_id = line.split()[-2]
    assert line.startswith("assay: 2 prompts failed, see ")
    assert line.endswith(f"`assay job resume {batch_id} --retry-failed`")
    assert [r["status"] for r in _results()] == ["failed", "failed"]
    clock.meanwhile = clock.work
    view = _json(capsys, "job", "resume", batch_id, "--retry-failed")
    assert view["prompts"]["accepted"] == 2
    assert [r["text"] for r in _results()] == ["ONE", "TWO"]


def test_batch_whose_budget_is_reached_exits_12(
    network: Network, clock: _WorkingClock, capsys: Capture
) -> None:
    flags = ("--yes", "--job-size", "1", "--max-new-tokens", "9", "--budget", "0.09")
    code, line = _error(capsys, *SUBMIT, "--file", _write("p.txt", "a\nb\n"), *flags)
    assert code == 12
    assert "prompts without a result: 1; go on with `assay job resume" in line
    assert [r["status"] for r in _results()] == ["accepted", "waiting"]
    batch_id = line.rpartition("resume ")[2].split()[0]
    view = _json(capsys, "job", "resume", batch_id, "--budget", "1")
    assert view["prompts"]["accepted"] == 2


def test_batch_whose_results_are_gone_exits_5(
    network: Network,
    clock: _WorkingClock,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASSAY_REQUESTER_RESULTS_TIMEOUT_SECONDS", "0")
    file = _write("p.txt", "one\n")
    flags = ("--yes", "--max-new-tokens", "9")
    with monkeypatch.context() as patch:
        patch.setattr("requester.jobs.results.MAX_DOCUMENT_BYTES", 10)
        code, line = _error(capsys, *SUBMIT, "--file", file, *flags)
    assert code == 5
    assert "the results of 1 accepted prompts cannot be had" in line
    (result,) = _results()
    assert result["status"] == "unfetched" and result["reason"]
    batch_id = line.rpartition("resume ")[2].rstrip("`")
    assert _json(capsys, "job", "resume", batch_id)["prompts"]["accepted"] == 1


def test_batch_stopped_by_ctrl_c_says_how_to_go_on(
    network: Network, clock: _WorkingClock, capsys: Capture
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.meanwhile = interrupt
    file = _write("p.txt", "one\ntwo\n")
    flags = ("--yes", "--job-size", "1", "--max-new-tokens", "9")
    assert run([*SUBMIT, "--file", file, *flags]) == 130
    shown = capsys.readouterr().err
    words = "stopped; go on with `assay job resume "
    batch_id = shown.partition(words)[2].partition("`")[0]
    assert [r["status"] for r in _results()] == ["running", "waiting"]
    clock.meanwhile = clock.work
    assert _json(capsys, "job", "resume", batch_id)["prompts"]["accepted"] == 2
    assert len(network.client.jobs()) == 2


def test_resume_unknown_batch_exits_11(network: Network, capsys: Capture) -> None:
    code, line = _error(capsys, "job", "resume", "12ab34cd")
    assert code == 11
    assert "there is no batch '12ab34cd' in data/batches" in line.replace(
        str(Path.cwd()) + "/", ""
    )


def test_resume_damaged_journal_exits_11_and_keeps_it(
    network: Network, capsys: Capture
) -> None:
    Path("data/batches").mkdir(parents=True)
    journal = Path("data/batches/12ab34cd.sqlite")
    journal.write_bytes(b"broken" * 2_000)
    code, line = _error(capsys, "job", "resume", "12ab34cd")
    assert code == 11
    assert "file is not a database" in line
    assert journal.read_bytes() == b"broken" * 2_000


def test_batches_none_yet_says_how_to_make_one(
    network: Network, capsys: Capture
) -> None:
    assert run(["job", "batches"]) == 0
    assert capsys.readouterr().err.startswith("no batches yet")
