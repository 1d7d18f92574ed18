"""Assay: the command, and the names that a user of the SDK imports."""
