"""A simulated month with the real parts, and an independent replay that predicts every entry of it."""
