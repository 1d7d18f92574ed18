"""What jobs cost in gas."""
