"""A market under load: `python -m benchmarks.market`."""
