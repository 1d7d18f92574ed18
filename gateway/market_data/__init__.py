"""Queries of the index, for the explorer and the API.

Every function takes a session of `Database.reading`, so that all that a page shows is
of one moment. Amounts are token units, times Unix seconds.
"""
