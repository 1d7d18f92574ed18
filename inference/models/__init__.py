"""What all integer models share: port, shapes, operations, the choice of tokens."""
