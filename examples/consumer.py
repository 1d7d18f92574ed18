"""A contract as the requester: it asks, pays, and is called back with the result.

Run it in the folder of a network that `assay up` started. The contract is
`contracts/src/examples/AnswerBook.sol`, which keeps the root of every job's outputs.
"""

from dataclasses import replace

from web3 import Web3

from assay import Client, Decoding, MarketError, Terms
from contracts import load_artifact

CALLBACK_GAS = 150_000

web3, artifact = Web3(), load_artifact("AnswerBook")
book_code = web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
token_code = web3.eth.contract(abi=load_artifact("TestDollar").abi)

client = Client.connect()
contracts = client.market.deployment
creation = book_code.constructor(contracts.marketplace).data_in_transaction
created = client.transact("AnswerBook", None, web3.to_bytes(hexstr=creation))
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
allow = token_code.encode_abi("approve", [book, draft.estimate.escrow])
client.transact("approve", contracts.token, web3.to_bytes(hexstr=allow))
ask = book_code.encode_abi("ask", [params.to_abi()])
client.transact("ask", book, web3.to_bytes(hexstr=ask))

job = client.job(client.market.job_id_of(params))
timeline = job.wait("settled")
if timeline.delivered is None:
    try:
        job.deliver()  # for a bounty; workers do it as well
    except MarketError as error:
        print(f"not delivered by us: {error}")
    timeline = job.timeline()
assert timeline.delivered is not None
print(f"delivered: {timeline.delivered.event.has_succeeded}")

wanted = book_code.encode_abi("answerOf", [job.job_id])
answer = client.call(book, web3.to_bytes(hexstr=wanted))
_, root = web3.codec.decode(["uint8", "bytes32"], answer)
print(f"the contract knows: {timeline.state.label}, outputs under 0x{root.hex()}")
assert root == job.results().document.root()
