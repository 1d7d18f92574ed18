"""The local network: its plan, its folder, starting and running it."""
