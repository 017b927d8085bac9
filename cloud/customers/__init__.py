"""The companies that pay, each with its own projects, people and units."""
