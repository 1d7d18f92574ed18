"""The gateway: the OpenAI API over the market, with receipts and an explorer.

It is a requester that serves HTTP: `gateway.app` composes it, `gateway.cli` runs it.
"""
