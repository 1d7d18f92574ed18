"""API keys: who they are, what they may spend, how often they may call."""
