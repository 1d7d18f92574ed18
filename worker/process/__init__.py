"""The worker as a process: its data folder, signals, threads, and use of its key."""
