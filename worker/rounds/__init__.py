"""The rounds of jobs that a worker follows, and the keeper of others."""
