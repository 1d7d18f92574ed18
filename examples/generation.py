"""Generation: one job, several prompts, continuations that a quorum agrees on.

Run it in the folder of a network that `assay up` started.
"""

from requester.client import Client
from requester.jobs.drafts import Terms
from requester.prompts.decoding import Decoding
from requester.settings import RequesterSettings

client = Client.connect(RequesterSettings.load())

draft = client.prepare(
    ["The carriage stopped at the door, and", "Anne said nothing, but"],
    # Fractions are integers in millionths: a temperature of 0.8.
    decoding=Decoding(max_new_tokens=24, temperature=800_000, seed=7),
    terms=Terms(redundancy=3),
)
print(f"locks {draft.estimate.escrow} units, costs {draft.estimate.escrow} at most")

job = client.post(draft)
job.wait("accepted")
for prompt, output in job.results():
    print(prompt.text + output.text)

timeline = job.wait("settled")
print(f"{timeline.state.label}: {timeline.refunded} units came back")
