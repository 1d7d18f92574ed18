"""Cancelling: a job that nobody was drawn for yet gives all of its money back.

Run it in the folder of a network that `assay up` started.
"""

from assay import Client, Decoding, MarketError

client = Client.connect()

job = client.submit("Never mind", decoding=Decoding(max_new_tokens=8))
print(f"locked {job.escrowed} units")
try:
    # Possible before the block that decides who computes: two blocks after posting.
    timeline = job.cancel()
except MarketError as error:
    # Too late. The job runs, and what it does not use comes back in the end.
    print(f"not cancelled: {error}")
    timeline = job.wait("settled")

print(f"{timeline.state.label}: {timeline.refunded} units came back")
credit = client.market.account_of(client.market.address).credit
print(f"{credit} units of credit pay for the next job, or can be withdrawn")
