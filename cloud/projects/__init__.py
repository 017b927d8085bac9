"""Construction projects and the people who belong to them."""
