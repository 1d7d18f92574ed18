"""Benchmarks: speed of the engine and gas of a job, beside others.

Run from a clone, never installed: `python -m benchmarks.engine`, `benchmarks.gas`.
Parts of this package run in `.venv-bench` too, so this module imports nothing.
"""
