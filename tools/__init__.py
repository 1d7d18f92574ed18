"""Programs that only the repository itself uses."""
