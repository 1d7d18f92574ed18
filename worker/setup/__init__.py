"""Setting a worker up: its key, its stake, its first settings."""
