"""Kills, stalls and reorganisations while jobs flow: `python -m benchmarks.chaos`."""
