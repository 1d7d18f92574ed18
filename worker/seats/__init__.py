"""A worker's seats: which it holds, opening, closing and keeping them."""
