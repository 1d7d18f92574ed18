"""Question answering: about a passage, or about the world.

Run it in the folder of a network that `assay up` started.
"""

from assay import Client, Decoding, PromptRequest, Task

PASSAGE = "Emma lived at Hartfield with her father, who feared draughts above all."

client = Client.connect()

job = client.submit(
    [
        # Lines before the last one are the passage that the question is about.
        PromptRequest(f"{PASSAGE}\nWhere did Emma live?"),
        PromptRequest("Who wrote Emma?", Decoding(max_new_tokens=8)),
    ],
    task=Task.ANSWER,
    # How likely each token was, and the two likeliest ones at its place.
    decoding=Decoding(max_new_tokens=12, logprobs=2),
)
job.wait("accepted")
for _, output in job.results():
    print(f"Answer:{output.text} ({len(output.logprobs)} tokens with probabilities)")
