"""The requester: posts jobs, follows them, verifies results, makes receipts.

`requester.client.Client` is the way in for programs, `requester.cli.job` for people.
"""
