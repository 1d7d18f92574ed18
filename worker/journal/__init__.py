"""What a worker remembers that no chain can tell."""
