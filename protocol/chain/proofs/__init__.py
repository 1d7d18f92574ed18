"""Proofs of events under a block hash, made and checked."""
