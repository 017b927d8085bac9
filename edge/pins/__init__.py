"""The lines of the board, real or simulated."""
