"""Measures the product against its bare parts, in one run and taking turns: `python -m tests.bench`."""
