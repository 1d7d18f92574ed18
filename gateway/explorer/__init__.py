"""The market as pages: drawn on the server, read without scripts, live with them."""
