"""Benchmarks, run from a clone and never installed."""
