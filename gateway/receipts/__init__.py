"""Receipts of jobs, handed out to anybody."""
