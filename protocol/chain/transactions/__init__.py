"""Transactions of one key: nonces, fees, the outbox, and the sender over them."""
