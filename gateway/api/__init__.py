"""The gateway's HTTP routes, and the middleware that every request passes."""
