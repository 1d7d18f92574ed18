"""One-command local network, and the root of the `assay` command.

Anvil, an embedded IPFS node, the contracts and worker processes, started in order,
supervised, and stopped without leaving a process behind.
"""
