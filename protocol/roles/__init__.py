"""What every role shares: its settings, and its session with chain and store."""
