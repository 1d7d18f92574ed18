"""Translation: pairs of sentences show the model what to do with the next one.

Run it in the folder of a network that `assay up` started.
"""

from requester.client import Client
from requester.prompts.decoding import Decoding
from requester.prompts.tasks import Task
from requester.settings import RequesterSettings

SENTENCES = ["good evening, madam.", "the carriage is at the door."]

client = Client.connect(RequesterSettings.load())

# A line feed ends each translation; greedy decoding is the task's default.
job = client.submit(
    SENTENCES, task=Task.TRANSLATE, decoding=Decoding(max_new_tokens=16)
)
job.wait("accepted")
for sentence, translation in zip(SENTENCES, job.results().texts, strict=True):
    print(f"{sentence} = {translation.strip()}")
