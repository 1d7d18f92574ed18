"""The market as values: jobs, rounds, events, prices, and what follows from them."""
