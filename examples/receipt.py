"""A receipt: proof of a result that anybody can check against the chain.

Run it in the folder of a network that `assay up` started.
"""

import json
from pathlib import Path

from protocol.roles.session import open_read_only
from requester.client import Client
from requester.prompts.decoding import Decoding
from requester.receipts.verify import build, read_receipt, verify
from requester.settings import RequesterSettings

RECEIPT = Path("example-receipt.json")

settings = RequesterSettings.load()
client = Client.connect(settings)
job = client.submit("Anne Elliot", decoding=Decoding(max_new_tokens=8))
job.wait("settled")
RECEIPT.write_text(json.dumps(build(job), indent=2), encoding="utf-8")

# Whoever verifies needs no key: just a node, and the marketplace that it trusts.
market = open_read_only(settings).market
for check in verify(read_receipt(RECEIPT), market):
    print(f"ok  {check.step}: {check.fact}")
