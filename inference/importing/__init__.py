"""Import: a float GPT-2 checkpoint becomes an integer package, once."""
