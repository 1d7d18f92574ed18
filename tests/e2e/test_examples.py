"""The examples run as they stand, on the network that `assay up` made."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.assay_command import Assay

FOLDER = Path(__file__).parents[2] / "examples"

# What each must print. Texts of the model differ with its version, so forms are given.
EXPECTED = {
    "batch": r"batch [0-9a-f]{8}: 2 jobs\n.*8 of 8 accepted, .*\n1: .+\n.*8: .+",
    "cancel": r"locked (\d+) units\n(Cancelled: \1 |not cancelled: .*Accepted: )",
    "consumer": r"AnswerBook at 0x.*delivered: True\n.*Accepted, outputs under 0x",
    "gateway_client": r"\w.* http://127\.0\.0\.1:\d+/v1/receipts/0x",
    "generation": r"The carriage stopped at the door, and .+\nAccepted: \d+ units came",
    "questions": r"Answer:.*tokens with probabilities.*\nAnswer:.* \(\d tokens with",
    "receipt": r"ok  shape: .*ok  quorum: 3 of 3 .*ok  money: .*ok  events: \d+ events",
    "summary": r"Summary:.*\w",
    "translation": r"good evening, madam\. = .*\nthe carriage is at the door\. = ",
}


def test_examples_that_exist_are_all_run() -> None:
    assert sorted(EXPECTED) == sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_example_on_a_running_network_succeeds(network: Assay, name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py")],
        cwd=network.folder,
        env={**network.environment, **_gateway_of(network)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(EXPECTED[name], done.stdout, re.DOTALL), done.stdout
    assert done.stderr == ""


def _gateway_of(network: Assay) -> dict[str, str]:
    """Where OpenAI's client finds the network's gateway."""
    seen = network.json("status")
    key = (network.folder / seen["apiKeyFile"]).read_text("ascii").strip()
    return {"OPENAI_BASE_URL": seen["gatewayUrl"] + "/v1", "OPENAI_API_KEY": key}
