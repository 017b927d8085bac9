"""How a terminal comes to trust the cloud and the cloud the terminal."""
