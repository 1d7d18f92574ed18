"""What people get wrong, and the one line that they read; nothing is paid for it.

The commands run in this process, in the folder of a network that works, and print what
they print to people. Only a second worker needs a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from eth_account import Account
from eth_typing import ChecksumAddress

from assay.cli import run
from devnet.processes.ports import free_ports
from protocol.chain.deployment import Deployment
from protocol.chain.keys.accounts import save_key
from protocol.chain.reader import MarketReader
from requester.prompts.files import MAX_FILE_BYTES
from tests.e2e.assay_command import Assay
from tests.support.faults.lying_ipfs import LyingIpfs, lying_ipfs

PROMPT = "It was a fine morning, and Emma"
SUBMIT = ("job", "submit", PROMPT, "--yes", "--max-new-tokens", "4")
NO_CODE = "0x000000000000000000000000000000000000bEEF"
NOT_AN_ID = "0x" + "07" * 32

Say = Callable[..., str]
"""Runs a command that must fail with an exit code; gives the line it says."""


@dataclass(frozen=True, slots=True)
class Place:
    """A network that works.

    Attributes:
        folder: Where its `.assay` is.
        ipfs_api: Its IPFS node.
        market: Reads its marketplace.
        requester: Whose money is watched.
    """

    folder: Path
    ipfs_api: str
    market: MarketReader
    requester: ChecksumAddress

    def wealth(self) -> tuple[int, int]:
        """Tokens and credit of the requester."""
        account = self.market.account_of(self.requester)
        return self.market.token_balance(self.requester), account.credit


@pytest.fixture(scope="module")
def place(network: Assay) -> Place:
    state = network.json("status")
    accounts = {one["name"]: one["address"] for one in state["accounts"]}
    deployment = Deployment.load(network.folder / ".assay" / "deployment.json")
    return Place(
        folder=network.folder,
        ipfs_api=state["ipfsApi"],
        market=MarketReader.connect(state["rpcUrl"], deployment),
        requester=accounts["requester"],
    )


@pytest.fixture
def say(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Say]:
    """Watches that the commands say one line, print nothing and cost nothing."""
    monkeypatch.chdir(place.folder)
    before = place.wealth()

    def read(code: int, *arguments: str) -> str:
        assert run(arguments) == code
        shown = capsys.readouterr()
        assert shown.out == ""
        # Before the error, `submit` may have said what it would have cost.
        line = shown.err.strip().splitlines()[-1]
        assert line.startswith("assay: ")
        return line

    yield read
    assert place.wealth() == before


@pytest.fixture
def other_deployment(place: Place, tmp_path: Path) -> Callable[..., str]:
    """The network's deployment file with something else in it."""

    def write(**changes: object) -> str:
        path = tmp_path / "deployment.json"
        known = place.market.deployment
        replace(known, **changes).save(path)  # type: ignore[arg-type]
        return str(path)

    return write


@pytest.fixture
def liar(place: Place) -> Iterator[LyingIpfs]:
    """The network's IPFS node, with other bytes in its answers."""
    with lying_ipfs(place.ipfs_api) as node:
        node.lies = True
        yield node


@pytest.fixture(scope="module")
def accepted(network: Assay) -> str:
    """Id of a job that has its result."""
    flags = ("--yes", "--max-new-tokens", "4", "--until", "settled")
    return str(network.json("job", "submit", PROMPT, *flags)["jobId"])


# ---------------------------------------------------------------- the chain


def test_submit_rpc_that_does_not_answer_names_its_url(say: Say) -> None:
    (port,) = free_ports(1)
    line = say(3, *SUBMIT, "--rpc-url", f"http://127.0.0.1:{port}")
    assert f"http://127.0.0.1:{port}" in line
    assert "check the URL and that the node runs" in line


def test_submit_deployment_of_another_chain_names_both(
    say: Say, other_deployment: Callable[..., str]
) -> None:
    line = say(3, *SUBMIT, "--deployment", other_deployment(chain_id=1337))
    assert "the RPC serves chain 31337, the deployment is on chain 1337" in line
    assert "use another RPC URL or another deployment file" in line


def test_submit_address_without_code_names_it(
    say: Say, other_deployment: Callable[..., str]
) -> None:
    line = say(3, *SUBMIT, "--deployment", other_deployment(marketplace=NO_CODE))
    assert f"there is no marketplace at {NO_CODE} on chain 31337" in line


def test_submit_development_key_on_a_real_chain_is_refused(
    say: Say, other_deployment: Callable[..., str]
) -> None:
    line = say(2, *SUBMIT, "--deployment", other_deployment(chain_id=1))
    assert "a development account that everybody knows" in line
    assert "make a new key" in line


# ---------------------------------------------------------------- money


def test_submit_account_without_tokens_says_how_many_are_missing(
    say: Say, tmp_path: Path
) -> None:
    save_key(tmp_path / "key", bytes(Account.create().key))
    line = say(3, *SUBMIT, "--key-file", str(tmp_path / "key"))
    assert "has 0 in tokens and 0 in credit" in line
    assert "get more tokens or ask for less" in line


def test_submit_missing_allowance_says_what_to_approve(place: Place, say: Say) -> None:
    spare = place.folder / ".assay/devnet/keys/worker-4.key"
    line = say(3, *SUBMIT, "--key-file", str(spare), "--no-approve")
    assert "the marketplace may take 0 units" in line
    assert "approve them" in line


def test_submit_cost_above_the_given_limit_says_both(say: Say) -> None:
    line = say(2, *SUBMIT, "--max-cost", "0.000001")
    assert "max_cost is 1" in line
    assert "raise it, or lower the redundancy" in line


# ---------------------------------------------------------------- prompts

FILES: Mapping[str, tuple[bytes, str]] = {
    "empty": (b"\n \n", "is empty; write one prompt a line"),
    "not UTF-8": (b"fine\nnot \xff", "is not UTF-8: byte 0xff in line 2"),
    "too large": (b"a" * (MAX_FILE_BYTES + 1), "is too large: over 16777216 bytes"),
}


@pytest.mark.parametrize(("content", "words"), FILES.values(), ids=[*FILES])
def test_submit_file_that_is_no_prompts_says_why(
    say: Say, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes(content)
    line = say(2, "job", "submit", "--file", str(path), "--yes")
    assert f"prompts file {path} {words}" in line


def test_submit_file_that_is_not_there_names_it(say: Say, tmp_path: Path) -> None:
    path = tmp_path / "nothing.txt"
    line = say(2, "job", "submit", "--file", str(path), "--yes")
    assert f"prompts file {path} cannot be read" in line


ARGUMENTS: Mapping[str, tuple[Sequence[str], str]] = {
    "prompt beyond the context": (
        ("job", "submit", "Emma " * 600, "--yes"),
        "the model's context is 512: shorten the prompt or ask for fewer new tokens",
    ),
    "unknown model": (
        (*SUBMIT, "--model", NOT_AN_ID),
        f"model {NOT_AN_ID} is not registered",
    ),
    "even redundancy": (
        (*SUBMIT, "--redundancy", "2"),
        "redundancy is 2, an even number, which has no clear majority; use 1 or 3",
    ),
    "no redundancy": (
        (*SUBMIT, "--redundancy", "0"),
        "redundancy is 0; this marketplace takes odd numbers from 1 to 7",
    ),
    "more redundancy than seats": (
        (*SUBMIT, "--redundancy", "7"),
        "seats serve this model at tick 0; lower it, raise the tick or wait",
    ),
    "budget below the prompts": (
        (*SUBMIT, "--max-job-tokens", "3"),
        "the token budget is 3, but the prompts alone have",
    ),
}


@pytest.mark.parametrize(("arguments", "words"), ARGUMENTS.values(), ids=[*ARGUMENTS])
def test_submit_request_that_cannot_be_met_says_what_to_change(
    say: Say, arguments: Sequence[str], words: str
) -> None:
    assert words in say(2, *arguments)


def test_submit_budget_above_the_bond_says_to_split(say: Say, tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("Emma\n" * 420)
    flags = ("--yes", "--max-new-tokens", "480", "--tick", "7")
    line = say(2, "job", "submit", "--file", str(path), *flags)
    assert "more than its bond of 50000000, so lying could pay; split the batch" in line


# ---------------------------------------------------------------- jobs


def test_cancel_job_that_has_ended_says_its_state(accepted: str, say: Say) -> None:
    line = say(2, "job", "cancel", accepted)
    assert f"job {accepted} is Accepted" in line
    assert "only before its committee is drawn" in line


def test_show_job_that_was_never_posted_says_what_to_check(say: Say) -> None:
    line = say(3, "job", "show", NOT_AN_ID)
    assert f"job {NOT_AN_ID} was never posted on this marketplace; check the id" in line


def test_submit_bytes_that_do_not_match_their_cid_are_not_paid_for(
    say: Say, liar: LyingIpfs
) -> None:
    line = say(5, *SUBMIT, "--ipfs-api", liar.api)
    assert liar.altered > 0
    assert "was asked for" in line


def test_result_document_of_other_bytes_is_never_shown(
    accepted: str, say: Say, liar: LyingIpfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_REQUESTER_RESULTS_TIMEOUT_SECONDS", "1")
    line = say(5, "job", "result", accepted, "--ipfs-api", liar.api)
    assert liar.altered > 0
    assert "was asked for" in line


# ---------------------------------------------------------------- workers


def test_worker_with_a_key_that_is_in_use_is_refused(
    network: Assay, tmp_path: Path
) -> None:
    key = network.folder / ".assay/devnet/keys/worker-1.key"
    flags = ("--key-file", str(key), "--data-dir", str(tmp_path))
    done = network.run("worker", "run", *flags)
    assert done.returncode == 6
    (line,) = done.stderr.splitlines()
    assert f"another worker runs with key file {key}: stop it first" in line
