"""The demo's call through the gateway: OpenAI's own client, then the receipt."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devnet.demo.audit import DemoCheck
from devnet.network.gateway import MODEL_NAME
from devnet.network.plan import Network
from protocol.chain.reader import MarketReader
from protocol.errors import BadReceipt
from protocol.hexadecimal import from_hex
from requester.receipts.proof import Trusted
from requester.receipts.verify import verify_offline

__all__ = ["GatewayCall", "call_gateway"]

_PROMPT = "Anne looked out of the window, and"
_CALL_SECONDS = 120.0
_RECEIPT_SECONDS = 60.0
_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class GatewayCall:
    """The answer of the call, and the check of its receipt.

    Attributes:
        prompt: What was asked.
        text: The verified answer.
        job_id: Its job, `0x` and 64 digits.
        receipt_url: Where the receipt was fetched.
        lines: What the receipt's checks found, a line each.
        check: Whether the receipt holds.
    """

    prompt: str
    text: str
    job_id: str
    receipt_url: str
    lines: tuple[str, ...]
    check: DemoCheck

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "prompt": self.prompt,
            "text": self.text,
            "jobId": self.job_id,
            "receiptUrl": self.receipt_url,
        }


def call_gateway(network: Network, market: MarketReader, path: Path) -> GatewayCall:
    """Ask for a completion and check its receipt against one block's hash.

    Args:
        network: With a gateway that is ready.
        market: Tells the hash; nothing else of the chain is asked for.
        path: Where the receipt is written.

    Raises:
        openai.OpenAIError: The gateway did not answer.
    """
    import openai

    key = network.folder.api_key_file.read_text("ascii").strip()
    with openai.OpenAI(
        api_key=key,
        base_url=f"{network.gateway_url}/v1",
        timeout=_CALL_SECONDS,
        max_retries=0,
    ) as client:
        answer = client.completions.create(
            model=MODEL_NAME, prompt=_PROMPT, max_tokens=24, temperature=0.65, seed=1816
        )
    origin = answer.model_dump()["assay"]
    job_id, url = str(origin["job_id"]), str(origin["receipt_url"])
    lines, check = _verify(network, market, path, url)
    return GatewayCall(_PROMPT, answer.choices[0].text, job_id, url, lines, check)


def _verify(
    network: Network, market: MarketReader, path: Path, url: str
) -> tuple[tuple[str, ...], DemoCheck]:
    name = "the gateway's answer has a receipt that verifies offline"
    receipt = _fetch(network, url)
    if receipt is None:
        return (), DemoCheck(name, False, "the job was not settled in time")
    path.write_text(json.dumps(receipt, indent=2, ensure_ascii=False) + "\n", "utf-8")
    count = len(receipt["proof"]["headers"])
    number = receipt["posted"]["blockNumber"] + count - 1
    found = market.block_hash(number)
    known = None if found is None else from_hex(found)
    try:
        checks = verify_offline(receipt, Trusted.by(network.deployment, known))
    except BadReceipt as error:
        return (), DemoCheck(name, False, str(error))
    lines = tuple(f"ok  {check.step}: {check.fact}" for check in checks)
    return lines, DemoCheck(name, True, f"{len(checks)} checks under block {number}")


def _fetch(network: Network, url: str) -> dict[str, Any] | None:
    """The receipt, which is there once the job has settled."""
    deadline = time.monotonic() + _RECEIPT_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=_RECEIPT_SECONDS) as answer:
                value: dict[str, Any] = json.load(answer)
                return value
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            time.sleep(_POLL_SECONDS)
    return None
