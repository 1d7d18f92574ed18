"""How fast the gateway indexes."""
