"""The gateway's routes, and what every request passes."""
