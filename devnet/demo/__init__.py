"""The demo: a paid, verified batch from end to end, and its audit."""
