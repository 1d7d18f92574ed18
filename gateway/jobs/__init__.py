"""Calls, made into shared jobs of the market, followed, and charged to the unit."""
