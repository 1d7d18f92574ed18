"""What stops a benchmark."""


class BenchmarkError(Exception):
    """A benchmark cannot go on; the message says why and what to do."""
