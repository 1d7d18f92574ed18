"""Rounds as the chain has them, and the keeper, which moves jobs on for bounties."""
