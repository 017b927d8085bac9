"""Readers behind pcscd, and the virtual one that stands in for them."""
