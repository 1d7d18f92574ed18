"""A receipt: proof of a result that anybody can check against the chain.

Run it in the folder of a network that `assay up` started.
"""

import json
from pathlib import Path

from assay import Client, Decoding, verify

RECEIPT = Path("example-receipt.json")

client = Client.connect()
job = client.submit("Anne Elliot", decoding=Decoding(max_new_tokens=8))
job.wait("settled")
RECEIPT.write_text(json.dumps(client.receipt(job), indent=2), encoding="utf-8")

# Whoever verifies needs no key: just a node, and the marketplace that it trusts.
for check in verify(RECEIPT, client.market):
    print(f"ok  {check.step}: {check.fact}")
