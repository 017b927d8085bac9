"""The power is cut at seeded moments: the disk is rebuilt as it may have been left, and the daemon starts on it."""
