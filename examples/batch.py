"""A batch: many prompts as many jobs, within a budget, safe from crashes.

Run it in the folder of a network that `assay up` started. Kill it whenever you like:
`assay job batches` shows the batch, `assay job resume ID` goes on with it.
"""

import json
from pathlib import Path

from assay import Batch, BatchOptions, Client, Decoding

OUT = Path("results.jsonl")
OUT.unlink(missing_ok=True)

client = Client.connect()
# A file would do as well: `Path("prompts.csv")` or `Path("prompts.jsonl")`.
prompts = [f"Chapter {number}. Mr. Darcy" for number in range(1, 9)]
options = BatchOptions(
    decoding=Decoding(max_new_tokens=8, seed=1),
    job_size=4,
    budget=1_000_000,  # units of the token, for the whole batch
)

with Batch.create(client, prompts, out=OUT, options=options) as batch:
    print(f"batch {batch.batch_id}: {batch.estimate.jobs} jobs")
    print(f"costs {batch.estimate.min_cost} to {batch.estimate.max_cost} units")
    progress = batch.run()

print(f"{progress.accepted} of {progress.total} accepted, {progress.spent} units spent")
for line in OUT.read_text(encoding="utf-8").splitlines():
    result = json.loads(line)
    print(f"{result['line']}: {result.get('text', result['status'])}")
