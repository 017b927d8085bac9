"""A way through: its lock, its sensors and the trade's times."""
