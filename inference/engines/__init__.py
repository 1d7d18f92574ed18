"""Engines: continuous batching over a model, and the float engine beside it."""
