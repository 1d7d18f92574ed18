"""A contract as the requester: it asks, pays, and is called back with the result.

Run it in the folder of a network that `assay up` started. The contract is
`contracts/src/examples/AnswerBook.sol`, which keeps the root of every job's outputs.
"""

from dataclasses import replace

from web3 import Web3

from contracts import load_artifact
from protocol.chain.abi.contracts import encode_parameters, interface
from protocol.chain.transactions.sender import Call
from protocol.errors import ContractReverted
from requester.client import Client
from requester.jobs.drafts import Terms
from requester.prompts.decoding import Decoding
from requester.settings import RequesterSettings

CALLBACK_GAS = 150_000

settings = RequesterSettings.load()
client = Client.connect(settings)
market = client.market

code = load_artifact("AnswerBook").bytecode
arguments = encode_parameters(
    "AnswerBook", interface("AnswerBook").constructor, [market.deployment.marketplace]
)
created = market.sender.send(Call("AnswerBook", None, code + arguments))
book = created.contract_address
assert book is not None
print(f"AnswerBook at {book}")

# Prepared as any other job, then handed to the contract, which posts it in its name.
draft = client.prepare(
    "It was a fine morning, and Emma",
    decoding=Decoding(max_new_tokens=8),
    terms=Terms(callback=book, callback_gas=CALLBACK_GAS),
)
client.publish(draft)
params = replace(draft.params, requester=book)
allow = interface("TestDollar").encode_call("approve", book, draft.estimate.escrow)
market.sender.send(Call("approve", market.deployment.token, allow))
asked = interface("AnswerBook").encode_call("ask", params)
market.sender.send(Call("ask", book, asked))

job = client.job(market.job_id_of(params))
timeline = job.wait("settled")
if timeline.delivered is None:
    try:
        job.deliver()  # for a bounty; workers do it as well
    except ContractReverted as error:
        if error.name != "AlreadyDelivered":
            raise
    timeline = job.timeline()
assert timeline.delivered is not None
print(f"delivered: {timeline.delivered.event.has_succeeded}")

web3 = Web3(Web3.HTTPProvider(settings.rpc_url))
wanted = interface("AnswerBook").encode_call("answerOf", job.job_id)
answer = web3.eth.call({"to": book, "data": wanted})
state, root = interface("AnswerBook").decode_result("answerOf", bytes(answer))
print(f"the contract knows: {state.label}, outputs under 0x{root.hex()}")
assert root == job.results().document.root()
