"""The entries that terminals sent, as they were recorded."""
