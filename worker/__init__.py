"""The staked node: it is drawn, runs the model, commits, reveals and earns."""
