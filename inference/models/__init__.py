"""The integer model: its layout, its arithmetic in PyTorch, the choice of tokens."""
