"""The documents on IPFS: prompts and results, read and written by canonical bytes."""
