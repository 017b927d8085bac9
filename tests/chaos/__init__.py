"""Things are killed at seeded random moments while people tap, and an independent audit looks for what was lost."""
