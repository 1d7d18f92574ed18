"""A whole market on one machine, for development: as a library and as `assay up`.

Anvil, an embedded IPFS node, the contracts, workers and a gateway, started in order,
supervised, and stopped without leaving a process behind.
"""
