"""Import: a float checkpoint becomes an integer package, once."""
