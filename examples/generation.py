"""Generation: one job, several prompts, continuations that a quorum agrees on.

Run it in the folder of a network that `assay up` started.
"""

from assay import Client, Decoding, Terms

client = Client.connect()

draft = client.prepare(
    ["The carriage stopped at the door, and", "Anne said nothing, but"],
    # Fractions are integers in millionths: a temperature of 0.8.
    decoding=Decoding(max_new_tokens=24, temperature=800_000, seed=7),
    terms=Terms(redundancy=3),
)
print(f"costs {draft.estimate.min_cost} to {draft.estimate.escrow} units")

job = client.post(draft)
job.wait("accepted")
for prompt, output in job.results():
    print(prompt.text + output.text)

timeline = job.wait("settled")
print(f"{timeline.state.label}: {timeline.refunded} units came back")
