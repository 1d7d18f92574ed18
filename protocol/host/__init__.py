"""What a process keeps on its machine: files, locks, logs, pauses."""
