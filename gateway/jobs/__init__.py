"""Calls of strangers, made into jobs of the market and followed to the last unit."""
