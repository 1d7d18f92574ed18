"""A worker's money: its wallet, payouts, and requests from the command line."""
