"""The worker as a process: its data folder, signals, background threads, start."""
