"""The engine benchmark: the integer profiles beside the baselines."""
