"""Deploying the contracts, and inspecting what is deployed."""
