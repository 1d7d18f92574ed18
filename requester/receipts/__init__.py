"""Receipts: made from a job that ended, and verified offline."""
