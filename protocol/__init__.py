"""What all sides must agree on, and how each reaches chain and content."""
