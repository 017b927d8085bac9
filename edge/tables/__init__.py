"""What the cloud has told this terminal."""
