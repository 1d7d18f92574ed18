"""Benchmarks: how fast the integer engine is beside public engines.

Run from a clone, never installed: `python -m benchmarks.engine --json FILE`.
Parts of this package run in `.venv-bench` too, so this module imports nothing.
"""
