"""The steps of the schema, each with what it does as its first line."""
