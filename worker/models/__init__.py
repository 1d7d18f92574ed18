"""Models that a worker serves, and publishing one."""
