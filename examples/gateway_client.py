"""The gateway: OpenAI's own client, an answer that a contract has verified.

Run it in the folder of a network that `assay up` started, with its gateway's address
and key:

    export OPENAI_BASE_URL=http://127.0.0.1:8000/v1
    export OPENAI_API_KEY=$(cat .assay/devnet/keys/gateway-api.key)
"""

import openai

client = openai.OpenAI()
answer = client.completions.create(
    model="austen", prompt="It was a fine morning, and Emma", max_tokens=40
)
print(answer.choices[0].text, answer.model_dump()["assay"]["receipt_url"])

client.close()
