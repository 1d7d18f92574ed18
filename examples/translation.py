"""Translation: pairs of sentences show the model what to do with the next one.

Run it in the folder of a network that `assay up` started.
"""

from assay import Client, Decoding, Task

SENTENCES = ["good evening, madam.", "the carriage is at the door."]

client = Client.connect()

# A line feed ends each translation; greedy decoding is the task's default.
job = client.submit(
    SENTENCES, task=Task.TRANSLATE, decoding=Decoding(max_new_tokens=16)
)
job.wait("accepted")
for sentence, translation in zip(SENTENCES, job.results().texts, strict=True):
    print(f"{sentence} = {translation.strip()}")
