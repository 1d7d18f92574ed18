"""What a person sees of `assay job` and `assay verify` before a chain is there."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from assay.cli import run
from protocol.chain.deployment import Deployment
from protocol.hexadecimal import from_hex, to_hex
from requester.prompts.decoding import Decoding
from requester.receipts.build import build
from tests.support.market.values import an_address
from tests.support.market.world import World

HEAVY = ("web3", "pydantic", "rich", "tokenizers", "eth_abi", "ipfshttpclient")
ID = "0x" + "12" * 32
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of this machine: a folder of its own, no environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("RPC_URL", "DEPLOYMENT", "IPFS_API", "KEY_FILE", "MODEL"):
        monkeypatch.delenv(f"ASSAY_REQUESTER_{name}", raising=False)
    monkeypatch.delenv("ASSAY_CONFIG", raising=False)


@pytest.fixture
def dead_url() -> Iterator[str]:
    """An address where nobody listens, for as long as the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    path = tmp_path / "deployment.json"
    Deployment(
        chain_id=31337,
        marketplace=an_address("marketplace"),
        lens=an_address("lens"),
        registry=an_address("registry"),
        token=an_address("token"),
        block_number=1,
        code_hashes={},
    ).save(path)
    return path


def _error(capsys: Capture, *arguments: str) -> tuple[int, str]:
    """Exit code and the one line that a person sees; nothing goes to stdout."""
    code = run(arguments)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1, shown.err
    return code, shown.err.rstrip()


def test_cli_module_imports_nothing_heavy() -> None:
    found = f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    script = f"import sys, requester.cli.job\n{found}"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    "arguments",
    [("job",), *(("job", name) for name in ("submit", "show", "list", "wait"))],
)
def test_help_is_shown(capsys: Capture, arguments: tuple[str, ...]) -> None:
    assert run([*arguments, "--help"]) == 0
    assert "Usage: assay job" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["submit", "wait"])
def test_help_names_the_exit_codes(capsys: Capture, command: str) -> None:
    run(["job", command, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "7 the job Failed; 8 it was Cancelled" in shown


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "give one prompt, or --file with prompts"),
        (["x", "--file", "y"], "give one prompt, or --file with prompts"),
        (["--file", "no.txt"], "prompts file no.txt cannot be read: No such file"),
        (["--file", "empty.txt"], "prompts file empty.txt is empty; write one prompt"),
        (["--file", "latin.txt"], "latin.txt is not UTF-8: byte 0xe9 in line 1"),
        (["--file", "huge.txt"], "prompts file huge.txt is too large"),
        (["--file", "bad.jsonl"], "bad.jsonl, line 2: not JSON"),
        (["x", "--temperature", "hot"], "--temperature is 'hot'; give a number"),
        (["x", "--temperature", "0.1234567"], "at most 6 decimals are kept"),
        (["x", "--temperature", "11"], "temperature in millionths is 11000000"),
        (["x", "--top-p", "0"], "topP in millionths is 0"),
        (["x", "--seed", "-1"], "seed is -1"),
        (["x", "--max-new-tokens", "0"], "maxNewTokens is 0"),
        (["x", "--max-cost", "a lot"], "--max-cost is 'a lot'"),
        (["x", "--rpc-url", "ftp://x"], "setting requester.rpc_url is 'ftp://x'"),
        (["x", "--model", "gpt2"], "setting requester.model is 'gpt2'"),
        (["x"], "deployment file .assay/deployment.json cannot be read"),
        (["x", "--receipt", "r", "--no-wait"], "leave out --no-wait"),
    ],
)
def test_submit_bad_input_is_one_line_and_exits_2(
    capsys: Capture, tmp_path: Path, flags: list[str], message: str
) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "bad.jsonl").write_text('{"prompt": "a"}\n{')
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(17 * 2**20)
    code, line = _error(capsys, "job", "submit", *flags, "--yes")
    assert code == 2
    assert message in line


def test_submit_nobody_to_ask_wants_a_flag(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    code, line = _error(capsys, "job", "submit", "x")
    assert code == 2
    assert "give --yes, or --dry-run" in line


def test_submit_rpc_not_reachable_exits_3(
    capsys: Capture, deployment: Path, dead_url: str
) -> None:
    arguments = ("--deployment", str(deployment), "--rpc-url", dead_url)
    code, line = _error(capsys, "job", "submit", "x", "--yes", *arguments)
    assert code == 3
    assert dead_url in line and "cannot connect" in line


def test_submit_key_file_of_others_is_refused(
    capsys: Capture, deployment: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("0x" + "11" * 32)
    key.chmod(0o644)
    arguments = ("--deployment", str(deployment), "--key-file", str(key))
    code, line = _error(capsys, "job", "submit", "x", "--yes", *arguments)
    assert code == 2
    assert "chmod 600" in line


def test_show_bad_job_id_is_refused_by_name(
    capsys: Capture, deployment: Path, dead_url: str
) -> None:
    code, line = _error(
        *(capsys, "job", "show", "7"),
        *("--deployment", str(deployment), "--rpc-url", dead_url),
    )
    assert code == 2
    assert "job id '7' is none; give 0x and 64 hexadecimal digits" in line


def test_list_bad_address_is_refused(capsys: Capture) -> None:
    code, line = _error(capsys, "job", "list", "--requester", "0x12")
    assert code == 2
    assert "--requester is '0x12'; give 0x and 40 hexadecimal digits" in line


# ---------------------------------------------------------------- verify


@pytest.fixture
def receipt(tmp_path: Path) -> Path:
    world = World.build(tmp_path / "world")
    decoding = Decoding(max_new_tokens=9, temperature=0)
    job = world.client.submit("a", decoding=decoding)
    outcome = world.outcome(job.params, world.answers(job.params, ("b",)))
    world.answer(job.job_id, outcome, outcome, outcome)
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(build(job)))
    return path


def test_verify_without_a_chain_says_that_it_needs_an_rpc(
    capsys: Capture, receipt: Path, deployment: Path, dead_url: str
) -> None:
    arguments = ("--deployment", str(deployment), "--rpc-url", dead_url)
    code, line = _error(capsys, "verify", str(receipt), *arguments)
    assert code == 3
    assert "8 checks of the receipt itself hold" in line
    assert "needs an RPC of chain 31337" in line


def test_verify_without_a_deployment_file_says_so(
    capsys: Capture, receipt: Path
) -> None:
    code, line = _error(capsys, "verify", str(receipt))
    assert code == 2
    assert "needs an RPC of chain 31337" in line
    assert "deployment file .assay/deployment.json cannot be read" in line


def test_verify_with_the_hash_of_a_block_asks_no_chain(
    capsys: Capture, receipt: Path
) -> None:
    value = json.loads(receipt.read_text())
    header = from_hex(value["proof"]["headers"][-1])
    block_hash = to_hex(keccak(header))
    trusted = ("--block-hash", block_hash)
    named = ("--marketplace", value["marketplace"])
    assert run(["verify", str(receipt), *trusted, *named]) == 0
    assert f"ok  marketplace: marketplace {named[1]}" in capsys.readouterr().out
    # By the default path there is no deployment file here.
    assert run(["verify", str(receipt), *trusted]) == 0
    assert "by its own word" in capsys.readouterr().out

    code, line = _error(capsys, "verify", str(receipt), "--block-hash", "0x" + "0" * 64)
    assert (code, line.startswith("assay: headers: the proof ends in")) == (4, True)
    another = ("--marketplace", value["params"]["requester"])
    code, line = _error(capsys, "verify", str(receipt), *trusted, *another)
    assert (code, line.startswith("assay: marketplace: ")) == (4, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--block-hash", "0x12"), "--block-hash is '0x12', not 0x and 64 digits"),
        (
            ("--block-hash", "00" * 32, "--marketplace", "me"),
            "--marketplace is 'me', not 0x and 40 hexadecimal digits",
        ),
        (("--marketplace", "me"), "--marketplace goes with --block-hash only"),
    ],
)
def test_verify_with_a_malformed_flag_names_it(
    capsys: Capture, receipt: Path, arguments: tuple[str, ...], told: str
) -> None:
    code, line = _error(capsys, "verify", str(receipt), *arguments)
    assert (code, told in line) == (2, True)


def test_verify_altered_receipt_fails_without_a_chain(
    capsys: Capture, receipt: Path
) -> None:
    value = json.loads(receipt.read_text())
    value["outputs"][0]["output"]["text"] = "c"
    receipt.write_text(json.dumps(value))
    code, line = _error(capsys, "verify", str(receipt))
    assert code == 4
    reason = "outputs: output 0 is not under the accepted root"
    assert line == f"assay: {reason}; do not rely on this receipt"


def test_verify_no_receipt_exits_2_and_nonsense_4(
    capsys: Capture, tmp_path: Path
) -> None:
    assert _error(capsys, "verify", "nowhere.json")[0] == 2
    (tmp_path / "nonsense.json").write_text("hello")
    code, line = _error(capsys, "verify", "nonsense.json")
    assert code == 4
    assert "shape: nonsense.json is not JSON" in line
