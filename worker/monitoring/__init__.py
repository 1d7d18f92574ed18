"""How a worker is doing: health, snapshot, status, and the HTTP server for them."""
