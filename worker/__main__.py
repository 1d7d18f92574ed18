"""`python -m worker`: the same as `assay worker`."""

from worker.cli import worker

if __name__ == "__main__":
    worker()
