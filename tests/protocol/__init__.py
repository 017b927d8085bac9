"""Tests of what terminal and cloud agree on."""
