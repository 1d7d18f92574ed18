"""The integer package on disk: tensors, vectors, the root of its weights."""
