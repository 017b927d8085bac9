"""The connection to the cloud, and what is said over it."""
