"""Summary: the model is made to sum an article up.

Run it in the folder of a network that `assay up` started.
"""

from assay import Client, Decoding, Task

ARTICLE = """\
Mr. Bennet was among the earliest of those who waited on Mr. Bingley. He had always
intended to visit him, though to the last always assuring his wife that he should not
go; and till the evening after the visit was paid she had no knowledge of it."""

client = Client.connect()

job = client.submit(
    ARTICLE, task=Task.SUMMARIZE, decoding=Decoding(max_new_tokens=24, seed=3)
)
job.wait("accepted")
(summary,) = job.results().texts
print(f"Summary:{summary}")
