"""What a worker owes to jobs: computing, committing, revealing, publishing."""
