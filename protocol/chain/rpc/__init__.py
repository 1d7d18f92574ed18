"""A node of the chain and what it answers: blocks, headers, logs, receipts."""
