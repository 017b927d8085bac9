"""Gives every parser of outside bytes what nobody would send: `python -m tests.fuzz NAME --runs N`."""
