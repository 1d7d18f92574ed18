"""Benchmarks: the engine, gas, the market, the gateway and its index, and chaos.

Run from a clone, never installed: `python -m benchmarks.engine`, and so on.
Parts of this package run in `.venv-bench` too, so this module imports nothing.
"""
