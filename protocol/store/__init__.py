"""Content by digest: the port, IPFS nodes behind it, and the check of every byte."""
