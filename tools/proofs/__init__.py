"""Proofs about the contracts that need tools of their own, in `.venv-proofs`."""
