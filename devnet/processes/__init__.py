"""The processes of the local network, and the supervisor over them."""
