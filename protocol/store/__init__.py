"""Content by digest: the port, its adapter for IPFS nodes, and a fake for tests."""
