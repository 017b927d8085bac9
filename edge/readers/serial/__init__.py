"""Readers on a serial line: a port, and the profiles by which bytes become cards."""
