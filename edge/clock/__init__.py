"""The time, and how far it can be trusted."""
