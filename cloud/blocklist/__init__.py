"""Cards that open nothing anywhere."""
